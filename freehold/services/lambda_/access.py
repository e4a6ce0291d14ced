"""What a resource policy says of another account. (Policies within an account are front's business.)"""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.ports.identity import Principal
from freehold.services.lambda_ import rows, state
from freehold.services.lambda_.names import FunctionName


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
