"""The role of a pipe: EventBridge Pipes must be able to assume it when the pipe is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import orjson

from freehold.kit import arns
from freehold.kit.faults import Fault
from freehold.ports.identity import Principal
from freehold.rules.resource_policies import ALLOW, Caller, PolicyError, compile_policy, request_context
from freehold.services.pipes.model import SERVICE, Pipe

if TYPE_CHECKING:
    from freehold.ports.platform import Platform


async def check(platform: Platform, pipe: Pipe) -> None:
    """Raise ValidationException unless the role is of this account, exists and trusts Pipes."""
    refused = Fault("ValidationException", f"Role {pipe.role_arn} is invalid or cannot be assumed")
    trust = await _trust(platform, pipe)
    if trust is None:
        raise refused
    context = request_context({"aws:SourceAccount": pipe.account, "aws:SourceArn": pipe.arn})
    try:
        decision = compile_policy(_with_resources(trust)).decide(
            Caller("", pipe.account, SERVICE), "sts:AssumeRole", pipe.role_arn, context
        )
    except (PolicyError, ValueError):
        decision = None
    if decision != ALLOW:
        raise refused


async def _trust(platform: Platform, pipe: Pipe) -> str | None:
    """The trust policy of the role with exactly this ARN, None where there is none in the account."""
    arn = arns.parse(pipe.role_arn)
    if arn is None or arn.account != pipe.account:
        return None
    account = pipe.account
    try:
        answer = await platform.calls.call(
            "iam",
            "GetRole",
            {"RoleName": arn.resource.rpartition("/")[2]},
            principal=Principal(account, f"arn:aws:iam::{account}:root", account, SERVICE),
            account=account,
            region=pipe.region,
        )
    except Fault as fault:
        if fault.code in ("NoSuchEntity", "NoSuchEntityException"):
            return None
        raise
    role: dict[str, Any] = answer["Role"]
    return unquote(role["AssumeRolePolicyDocument"]) if role["Arn"] == pipe.role_arn else None


def _with_resources(trust: str) -> str:
    """A trust policy names no resource: it is about its role."""
    document = orjson.loads(trust)
    statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
    return orjson.dumps(document | {"Statement": [{"Resource": "*", **each} for each in statements]}).decode()
