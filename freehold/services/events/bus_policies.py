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


SUPPLIED = frozenset(
    (
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalisawsservice",
        "aws:principalservicename",
        "aws:sourceaccount",
        "aws:sourcearn",
        "events:creatoraccount",
        "events:detail-type",
        "events:eventbusinvocation",
        "events:source",
        # No account is in an organization: these are absent, as on AWS for an account that is in none.
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:sourceorgid",
        "aws:sourceorgpaths",
    )
)
"""Condition keys that a policy may ask about: one with others would not act as written."""


def document_of(statements: Sequence[Mapping[str, Any]]) -> str:
    """The policy as DescribeEventBus shows it."""
    return orjson.dumps({"Version": "2012-10-17", "Statement": list(statements)}).decode()


@lru_cache(maxsize=256)
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
    known = {
        "aws:PrincipalAccount": caller.account if caller.arn else None,
        "aws:PrincipalArn": caller.arn or None,
        "aws:PrincipalIsAWSService": "true" if caller.service else "false",
        "aws:PrincipalServiceName": caller.service,
        **context,
    }
    return _compiled(document_of(statements)).decide(caller, action, resource, request_context(known))


def allows(
    statements: Sequence[Mapping[str, Any]],
    arn: str,
    account: str,
    action: str,
    resource: str,
    context: Mapping[str, str | None],
) -> bool:
    """May a principal of another account do this?"""
    return decide(statements, Caller(arn, account), action, resource, context) == ALLOW


def denies(
    statements: Sequence[Mapping[str, Any]],
    arn: str,
    account: str,
    action: str,
    resource: str,
    context: Mapping[str, str | None],
) -> bool:
    """Does the policy deny this explicitly? Then a principal of the own account may not either."""
    return decide(statements, Caller(arn, account), action, resource, context) == DENY


def context_of(event: Event) -> dict[str, str | None]:
    """What an event brings to the conditions of a policy."""
    return {
        "events:source": event.document["source"],
        "events:detail-type": event.document["detail-type"],
        "events:eventBusInvocation": "true" if event.hops else "false",
    }


def denied(arn: str, action: str, resource: str) -> Fault:
    return Fault(
        "AccessDeniedException",
        f"User: {arn} is not authorized to perform: {action} on resource: {resource} because no resource-based policy "
        f"allows the {action} action",
        status=400,
    )
