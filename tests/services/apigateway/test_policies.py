"""The policies that authorizers answer."""

from __future__ import annotations

from typing import Any

from freehold.services.apigateway import policies

ARN = "arn:aws:execute-api:us-east-1:123456789012:api/prod/GET/a/b"


def decision(*statements: tuple[str, str, Any]) -> str | None:
    """What a policy of (effect, action, resource) says about the method."""
    listed = [{"Effect": effect, "Action": action, "Resource": where} for effect, action, where in statements]
    policy = policies.compiled({"Version": "2012-10-17", "Statement": listed})
    assert policy is not None
    return policies.decide(policy, ARN, "127.0.0.1")


def test_an_allow_that_matches_is_needed() -> None:
    assert decision(("Allow", "execute-api:Invoke", "arn:aws:execute-api:*:*:api/prod/GET/*")) == "Allow"
    assert decision(("Allow", "execute-api:Invoke", "arn:aws:execute-api:*:*:api/prod/PUT/*")) is None
    assert decision(("Allow", "s3:*", "*")) is None


def test_a_deny_wins() -> None:
    assert decision(("Allow", "*", "*"), ("Deny", "execute-api:*", ["nothing", "*/GET/a/?"])) == "Deny"


def test_what_is_no_policy_is_none() -> None:
    assert policies.compiled("text") is None
    assert policies.compiled({"Statement": ["x"]}) is None
