"""What a function's resource policy says of another account and of AWS services. (Policies within an account are front's
business.)"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.ports.identity import Principal, Source
from freehold.rules import resource_policies
from freehold.services.lambda_ import policies, rows, state
from freehold.services.lambda_.model import Policy
from freehold.services.lambda_.names import LATEST, FunctionName
from freehold.store.base import ReadTx

INVOKE = "lambda:InvokeFunction"


async def check_cross_account(call: Call, name: FunctionName, action: str) -> None:
    """Let a caller of another account pass only where the function's policy allows it."""
    keys = state.keys_of(name)
    policy = await call.platform.store.read(lambda tx: rows.policies.get(tx, keys.policy(name.name, name.qualifier)))
    if policy is None or not any(grants(each, call.principal, action) for each in policy.statements.values()):
        raise refused(call.principal, action, name.qualified_arn)


def refused(principal: Principal, action: str, arn: str) -> Fault:
    return Fault(
        "AccessDeniedException",
        f"User: {principal.arn} is not authorized to perform: {action} on resource: {arn} because no resource-based "
        f"policy allows the {action} action",
        status=403,
    )


def grants(statement: dict[str, Any], principal: Principal, action: str) -> bool:
    """Does a statement of a function or layer allow `action` to an account's principal? Statements with conditions on
    services do not name accounts and grant them nothing."""
    if statement.get("Effect") != "Allow" or statement.get("Action") not in (action, "lambda:*", "*"):
        return False
    if any(key != "StringEquals" for key in statement.get("Condition", {})):
        return False
    if any(key != "lambda:FunctionUrlAuthType" for key in statement.get("Condition", {}).get("StringEquals", {})):
        return False
    given = statement.get("Principal")
    named = given.get("AWS") if isinstance(given, dict) else given
    account = principal.account
    return named in ("*", account, f"arn:aws:iam::{account}:root", principal.arn)


@lru_cache(maxsize=256)
def _compiled(row: bytes) -> resource_policies.Policy:
    """What the policy of a row says of services, ready to decide; a row that changed is another key."""
    policy = rows.policies.load(row)
    statements = {
        sid: statement
        for sid, statement in policy.statements.items()
        if statement["Principal"] == "*" or "Service" in statement["Principal"]
    }
    if not statements:
        return resource_policies.Policy(())
    return resource_policies.compile_policy(policies.document(Policy(policy.revision, statements)))


def check_service(tx: ReadTx, name: FunctionName, source: Source) -> None:
    """May a service invoke this address now? It must exist, and its own resource policy (that of the function, of the
    version or of the alias, as addressed) must let the service's principal in, with the conditions that AddPermission
    writes of SourceArn and SourceAccount. Where the service acts as a role, the policy is not asked.

    One read of three rows. Raises ResourceNotFoundException, AccessDeniedException.
    """
    wanted = _wanted(name)
    if wanted is None:
        raise state.not_found(name)
    stamp, policy, *target = tx.get_many(wanted)
    if stamp is None or target == [None]:
        raise state.not_found(name)
    if source.role is not None:
        return
    if policy is None or not _lets(policy, name, source):
        raise Fault(
            "AccessDeniedException",
            f"{source.service} is not authorized to perform: {INVOKE} on resource: {name.qualified_arn} because no "
            f"resource-based policy allows the {INVOKE} action for {source.arn}",
            status=403,
        )


@lru_cache(maxsize=1_024)
def _wanted(name: FunctionName) -> tuple[bytes, ...] | None:
    """The rows that decide about an address: the function's stamp, its policy, its version or alias. None for versions
    that no function has."""
    keys, qualifier = state.keys_of(name), name.qualifier
    if qualifier == LATEST:
        qualifier = ""
    wanted = keys.stamp(name.name), keys.policy(name.name, qualifier)
    if not qualifier:
        return wanted
    if not state.is_number(qualifier):
        return *wanted, keys.alias(name.name, qualifier)
    if len(qualifier) > 18 or not int(qualifier):
        return None
    return *wanted, keys.version(name.name, int(qualifier))


@lru_cache(maxsize=1_024)
def _lets(policy: bytes, name: FunctionName, source: Source) -> bool:
    """What a policy's row says of a source; a row that changed is another question."""
    caller = resource_policies.Caller("", source.account, source.service)
    context = {"aws:sourcearn": (source.arn,), "aws:sourceaccount": (source.account,)}
    arn = name.arn if name.qualifier == LATEST else name.qualified_arn
    return _compiled(policy).decide(caller, INVOKE, arn, context) == resource_policies.ALLOW
