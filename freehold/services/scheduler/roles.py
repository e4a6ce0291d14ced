"""The execution role: Scheduler must be able to assume it, when a schedule is saved and at every invocation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import orjson

from freehold.kit import arns
from freehold.kit.faults import Fault
from freehold.ports.identity import Principal
from freehold.rules.resource_policies import ALLOW, Caller, PolicyError, compile_policy, request_context
from freehold.services.scheduler.model import SERVICE, group_arn

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

REFUSED = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."


async def check(platform: Platform, role_arn: str, account: str, region: str, group: str) -> None:
    """Raise ValidationException unless the role is of this account, exists and trusts Scheduler.

    aws:SourceArn is the ARN of the schedule's group (User Guide, "Confused deputy prevention").
    """
    trust = await _trust(platform, role_arn, account, region)
    if trust is None:
        raise Fault("ValidationException", REFUSED)
    context = request_context({"aws:SourceAccount": account, "aws:SourceArn": group_arn(account, region, group)})
    try:
        decision = compile_policy(_with_resources(trust)).decide(
            Caller("", account, SERVICE), "sts:AssumeRole", role_arn, context
        )
    except (PolicyError, ValueError):
        decision = None
    if decision != ALLOW:
        raise Fault("ValidationException", REFUSED)


async def _trust(platform: Platform, role_arn: str, account: str, region: str) -> str | None:
    """The trust policy of the role with exactly this ARN, None where there is none in the account."""
    arn = arns.parse(role_arn)
    if arn is None or arn.account != account:
        return None
    principal = Principal(account, f"arn:aws:iam::{account}:root", account, SERVICE)
    try:
        answer = await platform.calls.call(
            "iam",
            "GetRole",
            {"RoleName": arn.resource.rpartition("/")[2]},
            principal=principal,
            account=account,
            region=region,
        )
    except Fault as fault:
        if fault.code in ("NoSuchEntity", "NoSuchEntityException"):
            return None
        raise
    role: dict[str, Any] = answer["Role"]
    return unquote(role["AssumeRolePolicyDocument"]) if role["Arn"] == role_arn else None


def _with_resources(trust: str) -> str:
    """A trust policy names no resource: it is about its role."""
    document = orjson.loads(trust)
    statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
    return orjson.dumps(document | {"Statement": [{"Resource": "*", **each} for each in statements]}).decode()
