"""The policies that Lambda authorizers answer: may this caller invoke this method?"""

from __future__ import annotations

from typing import Any

import orjson

from freehold.rules import resource_policies
from freehold.rules.resource_policies import Caller, Policy, PolicyError, compile_policy

INVOKE = "execute-api:Invoke"
_ANYBODY = Caller("", "")


def compiled(document: Any) -> Policy | None:
    """The policy of an authorizer's answer, which names no principal; None where it is no policy."""
    if not isinstance(document, dict):
        return None
    given = document.get("Statement", [])
    statements = given if isinstance(given, list) else [given]
    if not all(isinstance(statement, dict) for statement in statements):
        return None
    if not statements:
        return Policy(())
    whole = document | {"Statement": [{"Principal": "*"} | statement for statement in statements]}
    try:
        return compile_policy(orjson.dumps(whole).decode())
    except PolicyError:
        return None


def decide(policy: Policy, arn: str, source_ip: str) -> str | None:
    """Allow, Deny, or None where the policy says nothing about invoking the method."""
    context = resource_policies.request_context({"aws:SourceIp": source_ip, "aws:SecureTransport": "true"})
    return policy.decide(_ANYBODY, INVOKE, arn, context)
