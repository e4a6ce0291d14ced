"""Resource-based policies, statement by statement."""

from __future__ import annotations

import json
from typing import Any

import pytest

from freehold.rules.policy_conditions import compile_condition, matches_like
from freehold.rules.resource_policies import ALLOW, DENY, Caller, PolicyError, compile_policy, request_context

ALICE = Caller("arn:aws:iam::111111111111:user/alice", "111111111111")
SESSION = Caller("arn:aws:sts::111111111111:assumed-role/deployer/run-1", "111111111111")
NOBODY = Caller("", "")


def policy(**statement: Any) -> str:
    base = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}
    merged = {key: value for key, value in {**base, **statement}.items() if value is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": merged})


def decide(
    document: str, caller: Caller = ALICE, action: str = "s3:GetObject", key: str = "k", **context: Any
) -> str | None:
    values = {name.replace("__", ":"): value for name, value in context.items()}
    return compile_policy(document).decide(caller, action, f"arn:aws:s3:::b/{key}", request_context(values))


@pytest.mark.parametrize(
    ("principal", "caller", "decision"),
    [
        ("*", ALICE, ALLOW),
        ("*", NOBODY, ALLOW),
        ({"AWS": "*"}, NOBODY, ALLOW),
        ({"AWS": "111111111111"}, ALICE, ALLOW),
        ({"AWS": "arn:aws:iam::111111111111:root"}, SESSION, ALLOW),
        ({"AWS": "arn:aws:iam::111111111111:user/alice"}, ALICE, ALLOW),
        ({"AWS": "arn:aws:iam::111111111111:user/bob"}, ALICE, None),
        ({"AWS": "arn:aws:iam::111111111111:role/path/deployer"}, SESSION, ALLOW),
        ({"AWS": "arn:aws:iam::111111111111:role/other"}, SESSION, None),
        ({"AWS": "222222222222"}, ALICE, None),
        ({"AWS": "111111111111"}, NOBODY, None),
        ({"Service": "lambda.amazonaws.com"}, Caller("a", "1", "lambda.amazonaws.com"), ALLOW),
        ({"Service": "lambda.amazonaws.com"}, ALICE, None),
        ({"CanonicalUser": "abc"}, Caller("a", "1", canonical_id="abc"), ALLOW),
    ],
)
def test_principals(principal: Any, caller: Caller, decision: str | None) -> None:
    assert decide(policy(Principal=principal), caller) == decision


def test_inverse_elements() -> None:
    document = policy(Principal=None, NotPrincipal={"AWS": "111111111111"}, Effect="Deny")
    assert decide(document, ALICE) is None and decide(document, NOBODY) == DENY
    assert decide(policy(Action=None, NotAction="s3:Get*")) is None
    assert decide(policy(Action=None, NotAction="s3:Get*"), action="s3:PutObject") == ALLOW
    assert decide(policy(Resource=None, NotResource="arn:aws:s3:::b/secret/*"), key="secret/x") is None
    assert decide(policy(Resource=None, NotResource="arn:aws:s3:::b/secret/*"), key="open/x") == ALLOW


def test_a_deny_wins_whatever_the_order() -> None:
    statements = [json.loads(policy(Effect=effect))["Statement"] for effect in ("Allow", "Deny")]
    for order in (statements, statements[::-1]):
        assert decide(json.dumps({"Version": "2012-10-17", "Statement": order})) == DENY


@pytest.mark.parametrize(
    ("operator", "key", "wanted", "given", "holds"),
    [
        ("StringEquals", "aws:UserAgent", ["a", "b"], "b", True),
        ("StringEquals", "aws:useragent", "A", "a", False),
        ("StringEqualsIgnoreCase", "aws:UserAgent", "A", "a", True),
        ("StringNotEquals", "aws:UserAgent", "a", None, True),
        ("StringEquals", "aws:UserAgent", "a", None, False),
        ("StringEqualsIfExists", "aws:UserAgent", "a", None, True),
        ("StringLike", "aws:UserAgent", "aws-cli/*", "aws-cli/2", True),
        ("StringNotLike", "aws:UserAgent", ["x*", "aws-cli/*"], "aws-cli/2", False),
        ("Bool", "aws:SecureTransport", "false", "true", False),
        ("Bool", "aws:SecureTransport", True, "true", True),
        ("Null", "aws:UserAgent", "true", None, True),
        ("Null", "aws:UserAgent", "false", None, False),
        ("IpAddress", "aws:SourceIp", ["10.0.0.0/8", "192.168.0.1"], "192.168.0.1", True),
        ("IpAddress", "aws:SourceIp", "10.0.0.0/8", "::1", False),
        ("NotIpAddress", "aws:SourceIp", "10.0.0.0/8", "11.0.0.1", True),
        ("IpAddress", "aws:SourceIp", "2001:db8::/32", "2001:db8::1", True),
        ("NumericLessThanEquals", "s3:max-keys", 10, "10", True),
        ("NumericGreaterThan", "s3:max-keys", "10", "9", False),
        ("NumericLessThan", "s3:max-keys", "10", "nonsense", False),
        ("DateLessThan", "aws:CurrentTime", "2026-01-02T00:00:00Z", "1767225600", True),
        ("DateGreaterThan", "aws:CurrentTime", "2026-01-02T00:00:00Z", "1767225600", False),
        ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:user/*", "arn:aws:iam::1:user/u", True),
        ("ArnNotEquals", "aws:PrincipalArn", "arn:aws:iam::1:user/u", "arn:aws:iam::1:user/u", False),
        ("ForAnyValue:StringEquals", "aws:Keys", "a", ["b", "a"], True),
        ("ForAllValues:StringEquals", "aws:Keys", "a", ["b", "a"], False),
        ("ForAllValues:StringEquals", "aws:Keys", "a", None, True),
    ],
)
def test_condition_operators(operator: str, key: str, wanted: Any, given: Any, holds: bool) -> None:
    document = policy(Condition={operator: {key: wanted}})
    context = {key.replace(":", "__"): given} if given is not None else {}
    assert decide(document, **context) == (ALLOW if holds else None)


def test_variables_are_filled_in() -> None:
    document = policy(Resource="arn:aws:s3:::b/${aws:username}/*")
    assert decide(document, key="alice/x", aws__username="alice") == ALLOW
    assert decide(document, key="bob/x", aws__username="alice") is None
    assert decide(document, key="${aws:username}/x") is None
    assert decide(policy(Resource="arn:aws:s3:::b/${*}"), key="*") == ALLOW


@pytest.mark.parametrize(
    ("statement", "public"),
    [
        ({}, True),
        ({"Effect": "Deny"}, False),
        ({"Principal": {"AWS": "111111111111"}}, False),
        ({"Condition": {"StringEquals": {"aws:SourceAccount": "111111111111"}}}, False),
        ({"Condition": {"StringLike": {"aws:PrincipalArn": "*"}}}, True),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}}, True),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}, False),
        ({"Condition": {"StringNotEquals": {"aws:SourceAccount": "1"}}}, True),
        ({"Condition": {"StringEquals": {"aws:UserAgent": "x"}}}, True),
    ],
)
def test_what_is_public(statement: dict[str, Any], public: bool) -> None:
    assert compile_policy(policy(**statement)).is_public is public


def test_duplicate_keys_and_bad_values_are_no_policy() -> None:
    with pytest.raises(PolicyError):
        compile_policy('{"Version": "2012-10-17", "Version": "2012-10-17", "Statement": []}')
    for condition in ({"IpAddress": {"aws:SourceIp": "nowhere"}}, {"NumericEquals": {"a": "x"}}, {"Bool": {"a": []}}):
        with pytest.raises(PolicyError):
            compile_policy(policy(Condition=condition))
    with pytest.raises(ValueError):
        compile_condition("ForSome:StringEquals", "a", "b")


def test_patterns_cannot_be_made_expensive() -> None:
    assert not matches_like("a*" * 50 + "b", "a" * 5_000)
    assert matches_like("*" * 100, "x" * 1000)
    assert matches_like("a*b?c*d*", "a--bxc--d") and not matches_like("a*b*c*d", "abc")
    assert matches_like("a*ba*ab", "aba-ab") is True and matches_like("ab*ab", "ab") is False
