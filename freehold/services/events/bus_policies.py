"""What the policy of an event bus allows. Pure.

Actions and condition keys: EventBridge User Guide, "Permissions for event buses in Amazon EventBridge" and "Using IAM
policy conditions in Amazon EventBridge".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

from freehold.kit.faults import Fault
from freehold.rules.resource_policies import ALLOW, DENY, Caller, Policy, compile_policy, request_context
from freehold.services.events.envelope import Event

MAX_POLICY = 10_240
"""Bytes of a bus's policy."""


def document_of(statements: Sequence[Mapping[str, Any]]) -> str:
    """The policy as DescribeEventBus shows it."""
    return orjson.dumps({"Version": "2012-10-17", "Statement": list(statements)}).decode()


@lru_cache(maxsize=1024)
def _compiled(document: str) -> Policy:
    return compile_policy(document)


def decide(
    statements: Sequence[Mapping[str, Any]],
    caller: Caller,
    action: str,
    resource: str,
    context: Mapping[str, str | None],
) -> str | None:
    """ALLOW, DENY, or None where the policy says nothing."""
    if not statements:
        return None
    return _compiled(document_of(statements)).decide(caller, action, resource, request_context(context))


def allows(
    statements: Sequence[Mapping[str, Any]],
    arn: str,
    account: str,
    action: str,
    resource: str,
    context: Mapping[str, str | None],
) -> bool:
    """May a principal of another account do this?"""
    known = {"aws:PrincipalAccount": account, "aws:PrincipalArn": arn, **context}
    return decide(statements, Caller(arn, account), action, resource, known) == ALLOW


def denies(
    statements: Sequence[Mapping[str, Any]],
    arn: str,
    account: str,
    action: str,
    resource: str,
    context: Mapping[str, str | None],
) -> bool:
    """Does the policy deny this explicitly? Then a principal of the own account may not either."""
    known = {"aws:PrincipalAccount": account, "aws:PrincipalArn": arn, **context}
    return decide(statements, Caller(arn, account), action, resource, known) == DENY


def context_of(event: Event) -> dict[str, str | None]:
    """What an event brings to the conditions of a policy."""
    return {"events:source": event.document["source"], "events:detail-type": event.document["detail-type"]}


def denied(arn: str, action: str, resource: str) -> Fault:
    return Fault(
        "AccessDeniedException",
        f"User: {arn} is not authorized to perform: {action} on resource: {resource} because no resource-based policy "
        f"allows the {action} action",
        status=400,
    )
