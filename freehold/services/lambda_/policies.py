"""AddPermission, RemovePermission, GetPolicy: the resource policy of a function, a version or an alias."""

from __future__ import annotations

import re
from typing import Any

import orjson

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.lambda_ import rows, state
from freehold.services.lambda_.limits import MAX_POLICY
from freehold.services.lambda_.model import Policy
from freehold.services.lambda_.names import LATEST, FunctionName, parse_function
from freehold.store.base import ReadTx, Tx

_ACCOUNT = re.compile(r"\d{12}")
_SERVICE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com|alexa-[a-z-]+\.amazon\.com|[a-z0-9.-]+\.amazon\.com")


def principal(text: str) -> str | dict[str, str]:
    """How a statement writes a Principal parameter. Raises for what is none."""
    if text == "*":
        return "*"
    if _ACCOUNT.fullmatch(text):
        return {"AWS": f"arn:aws:iam::{text}:root"}
    if text.startswith("arn:"):
        return {"AWS": text}
    if _SERVICE.fullmatch(text):
        return {"Service": text}
    raise Fault(
        "InvalidParameterValueException",
        "The provided principal was invalid. Please check the principal and try again.",
        Type="User",
    )


def statement(request: dict[str, Any], resource: str) -> dict[str, Any]:
    """The statement that an AddPermission request means."""
    shown: dict[str, Any] = {
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": principal(request["Principal"]),
        "Action": request["Action"],
        "Resource": resource,
    }
    equals = {
        key: request[member]
        for member, key in (
            ("SourceAccount", "AWS:SourceAccount"),
            ("FunctionUrlAuthType", "lambda:FunctionUrlAuthType"),
            ("EventSourceToken", "lambda:EventSourceToken"),
            ("PrincipalOrgID", "aws:PrincipalOrgID"),
        )
        if request.get(member)
    }
    condition: dict[str, Any] = {}
    if equals:
        condition["StringEquals"] = equals
    if request.get("SourceArn"):
        condition["ArnLike"] = {"AWS:SourceArn": request["SourceArn"]}
    if request.get("InvokedViaFunctionUrl") is not None:
        condition["Bool"] = {"lambda:InvokedViaFunctionUrl": str(request["InvokedViaFunctionUrl"]).lower()}
    if condition:
        shown["Condition"] = condition
    return shown


def document(policy: Policy) -> str:
    """The policy as GetPolicy shows it."""
    shown = {"Version": "2012-10-17", "Id": "default", "Statement": list(policy.statements.values())}
    return orjson.dumps(shown).decode()


def checked(policy: Policy) -> Policy:
    """The policy, if it is within 20 KB."""
    size = len(document(policy))
    if size > MAX_POLICY:
        raise Fault(
            "PolicyLengthExceededException",
            f"The final policy size ({size}) is bigger than the limit ({MAX_POLICY}).",
            Type="User",
        )
    return policy


def _target(call: Call, request: dict[str, Any]) -> FunctionName:
    name = parse_function(request["FunctionName"], request.get("Qualifier"), call.account, call.region)
    if name.qualifier == LATEST:
        raise Fault(
            "InvalidParameterValueException", "We currently do not support adding policies for $LATEST.", Type="User"
        )
    return name


def _missing() -> Fault:
    return Fault("ResourceNotFoundException", "The resource you requested does not exist.", Type="User")


def _check_revision(request: dict[str, Any], policy: Policy | None) -> None:
    given = request.get("RevisionId")
    if given is not None and (policy is None or given != policy.revision):
        raise Fault(
            "PreconditionFailedException",
            "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the "
            "latest Revision Id",
            Type="User",
        )


async def add_permission(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """One more statement."""
    name = _target(call, request)
    added = statement(request, name.qualified_arn)
    revision = call.platform.ids.uuid()
    key = state.keys_of(name).policy(name.name, name.qualifier)

    def body(tx: Tx) -> None:
        state.require_version(tx, name)
        policy = rows.policies.get(tx, key)
        _check_revision(request, policy)
        policy = policy or Policy(revision)
        if added["Sid"] in policy.statements:
            raise conflict(added["Sid"])
        policy.statements[added["Sid"]] = added
        policy.revision = revision
        rows.policies.put(tx, key, checked(policy))

    await call.platform.store.transact(body)
    return {"Statement": orjson.dumps(added).decode()}


def conflict(sid: str) -> Fault:
    return Fault(
        "ResourceConflictException",
        f"The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the existing "
        "statement.",
        Type="User",
    )


async def remove_permission(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """One statement less."""
    name, sid = _target(call, request), request["StatementId"]
    revision = call.platform.ids.uuid()
    key = state.keys_of(name).policy(name.name, name.qualifier)

    def body(tx: Tx) -> None:
        state.require_version(tx, name)
        policy = rows.policies.get(tx, key)
        if policy is None:
            raise Fault("ResourceNotFoundException", "No policy is associated with the given resource.", Type="User")
        _check_revision(request, policy)
        if policy.statements.pop(sid, None) is None:
            raise Fault("ResourceNotFoundException", f"Statement {sid} is not found in resource policy.", Type="User")
        policy.revision = revision
        if policy.statements:
            rows.policies.put(tx, key, policy)
        else:
            tx.delete(key)

    await call.platform.store.transact(body)
    return {}


async def get_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The whole policy."""
    name = parse_function(request["FunctionName"], request.get("Qualifier"), call.account, call.region)
    key = state.keys_of(name).policy(name.name, name.qualifier)

    def body(tx: ReadTx) -> Policy:
        state.require_version(tx, name)
        policy = rows.policies.get(tx, key)
        if policy is None:
            raise _missing()
        return policy

    policy = await call.platform.store.read(body)
    return {"Policy": document(policy), "RevisionId": policy.revision}
