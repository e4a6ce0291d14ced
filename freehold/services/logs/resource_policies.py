"""Resource policies: which AWS services may write to the log groups of an account.

They speak about service principals only ("Policy only applies when operations are invoked by Amazon Web Services service
principals": PutResourcePolicy). Rows: `("logs", account, region, "rp", scope, policy name)`, scope being the ARN of a log
group or "" for a policy of the account.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from freehold.kit.faults import Fault
from freehold.kit.tuples import pack, span
from freehold.ports.call import Call
from freehold.ports.identity import Source
from freehold.rules.resource_policies import ALLOW, DENY, Caller, PolicyError, compile_policy, request_context
from freehold.services.logs import state
from freehold.services.logs.groups import space
from freehold.services.logs.model import Request, Space, decode_token, encode_token, group_arn, group_of_arn, invalid
from freehold.store.base import ReadTx, Tx

MAX_POLICIES = 10
"""Policies of an account (PutResourcePolicy); a log group has one."""
MAX_DOCUMENT = 5_120
_PAGE = 50


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """A policy as it is kept."""

    name: str
    document: str
    updated_ms: int
    scope: str = ""
    revision: str | None = None


async def put_resource_policy(call: Call, request: Request) -> Request:
    name, document = request.get("policyName"), request.get("policyDocument")
    if document is None:
        raise invalid("policyDocument is required.")
    where, scope = space(call), _scope(call, request)
    if name is None and not scope:
        raise invalid("policyName is required.")
    _check_document(document)
    revision = call.platform.ids.uuid() if scope else None
    new = Kept(name or "", document, call.platform.clock.now_ms(), scope, revision)

    def body(tx: Tx) -> None:
        others = kept(tx, where, scope)
        if scope:
            state.group(tx, where, group_of_arn(where, scope))
            _check_revision(others, request.get("expectedRevisionId"))
            for other in others:
                tx.delete(_key(where, scope, other.name))
        elif len([other for other in others if other.name != new.name]) >= MAX_POLICIES:
            raise Fault("LimitExceededException", "Resource limit exceeded.")
        tx.put(_key(where, scope, new.name), msgspec.msgpack.encode(new))

    await call.platform.store.transact(body)
    return {"resourcePolicy": _shown(new)} | ({"revisionId": revision} if revision else {})


async def describe_resource_policies(call: Call, request: Request) -> Request:
    where, limit = space(call), request.get("limit", _PAGE)
    if not 1 <= limit <= 1_000:
        raise invalid("The limit must be between 1 and 1000.")
    of_groups = request.get("policyScope") == "RESOURCE" or "resourceArn" in request
    scope = _scope(call, request) if of_groups and "resourceArn" in request else None
    found = await call.platform.store.read(lambda tx: _all(tx, where))
    found = [each for each in found if bool(each.scope) == of_groups and (scope is None or each.scope == scope)]
    (token,) = decode_token(request.get("nextToken"), str) or ("",)
    rest = [each for each in found if each.scope + each.name > token] if token else found
    result: Request = {"resourcePolicies": [_shown(each) for each in rest[:limit]]}
    if len(rest) > limit:
        result["nextToken"] = encode_token(rest[limit - 1].scope + rest[limit - 1].name)
    return result


async def delete_resource_policy(call: Call, request: Request) -> Request:
    where, scope, name = space(call), _scope(call, request), request.get("policyName")
    if name is None and not scope:
        raise invalid("policyName is required.")

    def body(tx: Tx) -> None:
        gone = [each for each in kept(tx, where, scope) if name is None or each.name == name]
        if not gone:
            raise Fault("ResourceNotFoundException", f"Policy with name [{name}] does not exist.")
        if scope:
            _check_revision(gone, request.get("expectedRevisionId"))
        for each in gone:
            tx.delete(_key(where, scope, each.name))

    await call.platform.store.transact(body)
    return {}


def check(tx: ReadTx, where: Space, group: str, source: Source) -> None:
    """Raise AccessDeniedException unless a policy of the account or of the group lets `source` create streams in the group
    and put events there. Where a service acts as a role, the role's policies decide."""
    if source.role is not None:
        return
    caller = Caller(source.arn, source.account, service=source.service)
    context = request_context({"aws:SourceArn": source.arn, "aws:SourceAccount": source.account})
    arn = group_arn(where, group)
    documents = [each.document for scope in ("", arn) for each in kept(tx, where, scope)]
    for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
        # Policies name the group's ARN, with `:*`, or streams below it; "*" after a group's ARN matches this resource.
        resources = (f"{arn}:log-stream:any", f"{arn}:*", arn)
        said = {
            compile_policy(document).decide(caller, action, resource, context)
            for document in documents
            for resource in resources
        }
        if DENY in said or ALLOW not in said:
            raise Fault(
                "AccessDeniedException",
                f"{source.service} is not authorized to perform: {action} on resource: {arn} because no resource-based "
                f"policy allows the {action} action",
                status=400,
            )


def kept(tx: ReadTx, where: Space, scope: str) -> list[Kept]:
    """The policies of the account (scope "") or of the log group with this ARN."""
    return _decode(tx.scan(*span("logs", *where, "rp", scope), limit=MAX_POLICIES))


def _all(tx: ReadTx, where: Space) -> list[Kept]:
    return _decode(tx.scan(*span("logs", *where, "rp")))


def _decode(rows: Sequence[tuple[bytes, bytes]]) -> list[Kept]:
    return [msgspec.msgpack.decode(value, type=Kept) for _, value in rows]


def _key(where: Space, scope: str, name: str) -> bytes:
    return pack("logs", *where, "rp", scope, name)


def _scope(call: Call, request: Request) -> str:
    """The ARN of the log group that a request is about, or "" for the account."""
    given = request.get("resourceArn")
    if given is None:
        return ""
    where = space(call)
    return group_arn(where, group_of_arn(where, given))


def _check_document(document: str) -> None:
    if len(document) > MAX_DOCUMENT:
        raise invalid(f"The policy document must not be longer than {MAX_DOCUMENT} characters.")
    try:
        compile_policy(document)
    except PolicyError as problem:
        raise invalid(f"Invalid policyDocument: {problem}") from None


def _check_revision(others: Sequence[Kept], expected: str | None) -> None:
    current = others[0].revision if others else None
    if expected != current:
        raise Fault("OperationAbortedException", "The expected revision ID is not that of the policy.")


def _shown(policy: Kept) -> Request:
    shown: Request = {
        "policyName": policy.name,
        "policyDocument": policy.document,
        "lastUpdatedTime": policy.updated_ms,
        "policyScope": "RESOURCE" if policy.scope else "ACCOUNT",
    }
    return shown | ({"resourceArn": policy.scope, "revisionId": policy.revision} if policy.scope else {})
