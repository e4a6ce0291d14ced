"""Policy documents: PolicyError or a policy, and for plain ones what a naive reading of them says."""

from __future__ import annotations

import fnmatch
import json
import re
from typing import Any

from freehold.rules.policy_conditions import compile_condition, matches_like
from freehold.rules.resource_policies import ALLOW, DENY, Caller, PolicyError, compile_policy, request_context
from fuzz.draws import Draws
from fuzz.targets import Target, require

OPERATORS = (
    "StringEquals",
    "StringNotEquals",
    "StringLike",
    "StringNotLike",
    "StringEqualsIgnoreCase",
    "ArnLike",
    "ArnEquals",
    "Bool",
    "NumericLessThan",
    "NumericEquals",
    "DateGreaterThan",
    "IpAddress",
    "NotIpAddress",
    "Null",
    "BinaryEquals",
    "ForAllValues:StringLike",
    "ForAnyValue:StringEquals",
    "StringEqualsIfExists",
    "NumericEqualsIfExists",
)
KEYS = ("aws:SourceArn", "aws:username", "aws:SourceIp", "s3:prefix", "aws:CurrentTime", "x")
PATTERNS = (
    "*",
    "sqs:*",
    "sqs:Send*",
    "s3:Get?bject",
    "arn:aws:sqs:*:*:q",
    "arn:aws:s3:::b/${aws:username}/*",
    "*a*b*c*",
    "a**b",
    "${*}",
)
WORDS = (
    "Effect",
    "Allow",
    "Deny",
    "Principal",
    "NotPrincipal",
    "Action",
    "Resource",
    "Condition",
    "Statement",
    "${aws:username}",
    *OPERATORS,
)
ACTIONS = ("sqs:SendMessage", "s3:GetObject", "sns:Publish")
RESOURCES = ("arn:aws:sqs:us-east-1:000000000000:q", "arn:aws:s3:::b/x/y", "")


def _one_or_more(draws: Draws, make: Any) -> Any:
    return make() if draws.chance(50) else draws.many(3, make)


def _statement(draws: Draws) -> dict[str, Any]:
    made: dict[str, Any] = {"Effect": draws.pick(("Allow", "Deny", "Allow", "allow"))}
    principals = (
        "*",
        {"AWS": "*"},
        {"AWS": ["000000000000"]},
        {"Service": "sns.amazonaws.com"},
        {"AWS": "arn:aws:iam::000000000000:root"},
        draws.json(),
    )
    made[draws.pick(("Principal", "Principal", "Principal", "NotPrincipal"))] = draws.pick(principals)
    made[draws.pick(("Action", "Action", "NotAction"))] = _one_or_more(draws, lambda: draws.pick(PATTERNS))
    made[draws.pick(("Resource", "Resource", "NotResource"))] = _one_or_more(draws, lambda: draws.pick(PATTERNS))
    if draws.chance(60):
        made["Condition"] = {
            draws.pick(OPERATORS): {
                draws.pick(KEYS): _one_or_more(draws, lambda: draws.pick((draws.text(), *PATTERNS, 1, True)))
            }
            for _ in range(draws.integer(1, 2))
        }
    if draws.chance(10):
        made[draws.pick(WORDS)] = draws.json(WORDS)
    return made


def run(draws: Draws) -> Any:
    """A document, and some callers held against it."""
    document: Any = {"Version": "2012-10-17", "Statement": [_statement(draws) for _ in range(draws.integer(1, 3))]}
    if draws.chance(10):
        document = draws.json(WORDS)
    text = draws.spliced(json.dumps(document)) if draws.chance(93) else draws.rest_text()
    try:
        policy = compile_policy(text)
    except PolicyError as error:
        return str(error)
    context = request_context(
        {draws.pick(KEYS): draws.pick((draws.text(), [draws.text(), "a"], None, "10.1.2.3")) for _ in range(3)}
    )
    said: list[Any] = [policy.is_public, sorted(policy.condition_keys())]
    callers = (
        Caller("arn:aws:iam::000000000000:user/u", "000000000000"),
        Caller("", ""),
        Caller("", "", "sns.amazonaws.com"),
    )
    for caller in callers:
        for action, resource in zip(ACTIONS, RESOURCES, strict=True):
            decision = policy.decide(caller, action, resource, context)
            matched = [s.effect for s in policy.statements if s.matches(caller, action, resource, context)]
            naive = DENY if DENY in matched else ALLOW if ALLOW in matched else None
            require(decision == naive, decision, naive, text)
            said.append(decision)
    return said


def run_globs(draws: Draws) -> Any:
    """`*` and `?` in patterns, and condition operators on any values."""
    alphabet = "ab*?."
    pattern = "".join(draws.many(12, lambda: draws.pick(alphabet)))
    text = "".join(draws.many(24, lambda: draws.pick("ab."))) * draws.pick((1, 1, 1, 50))
    said = matches_like(pattern, text)
    if len(text) < 60:
        naive = re.fullmatch(fnmatch.translate(pattern), text) is not None
        require(said == naive, "naive", naive, pattern, text)
    operator, key = draws.pick(OPERATORS), draws.pick(KEYS)
    values = draws.pick((draws.text(), draws.number(), [draws.text(), draws.text()], draws.json()))
    try:
        condition = compile_condition(operator, key, values)
    except ValueError as error:
        return said, str(error)
    context = request_context({draws.pick(KEYS): [draws.text() for _ in range(draws.integer(0, 2))]})
    return said, condition.holds(context), condition.narrows


TARGETS = (Target("policies", run, dictionary=WORDS), Target("globs", run_globs))
