"""Topic policies: the default, what AddPermission writes, and what they decide.

A policy is enforced for services and for callers of other accounts; callers of the topic's own account are refused by an
explicit Deny only.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import orjson

from freehold.kit.faults import Fault
from freehold.ports.identity import Principal, Source
from freehold.rules import resource_policies
from freehold.rules.resource_policies import ALLOW, DENY, Caller, Policy, PolicyError
from freehold.services.sns.model import Topic, invalid

ACTIONS = (
    "GetTopicAttributes",
    "SetTopicAttributes",
    "AddPermission",
    "RemovePermission",
    "DeleteTopic",
    "Subscribe",
    "ListSubscriptionsByTopic",
    "Publish",
)
MAX_BYTES = 30_720
_OUT_OF_SCOPE = "Policy statement action out of service scope!"


@lru_cache(maxsize=256)
def default(arn: str, account: str) -> str:
    """The policy of a topic that was given none: its owner may do everything."""
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{action}" for action in ACTIONS],
        "Resource": arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": account}},
    }
    return orjson.dumps({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]}).decode()


def of(topic: Topic) -> str:
    """The policy of a topic."""
    return topic.attributes.get("Policy") or default(topic.arn, topic.account)


def check(text: str) -> str:
    """The policy as it is kept. Raises InvalidParameter."""
    if len(text.encode()) > MAX_BYTES:
        raise invalid("Policy Reason: Policy is too large")
    try:
        policy = resource_policies.compile_policy(text)
    except PolicyError as error:
        raise invalid(f"Policy Error: {error}") from None
    for statement in policy.statements:
        for action in statement.actions:
            if action != "*" and not action.lower().startswith("sns:"):
                raise invalid(_OUT_OF_SCOPE)
    return text


def with_permission(topic: Topic, label: str, accounts: list[str], actions: list[str]) -> str:
    """The policy with a statement more. Raises InvalidParameter."""
    policy: dict[str, Any] = orjson.loads(of(topic))
    statements = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    if any(statement.get("Sid") == label for statement in statements):
        raise invalid("Statement already exists")
    for action in actions:
        if action not in ACTIONS:
            raise invalid(_OUT_OF_SCOPE)
    principals = [f"arn:aws:iam::{account}:root" for account in accounts]
    named = [f"SNS:{action}" for action in actions]
    statement = {
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": principals[0] if len(principals) == 1 else principals},
        "Action": named[0] if len(named) == 1 else named,
        "Resource": topic.arn,
    }
    policy["Statement"] = [*statements, statement]
    return check(orjson.dumps(policy).decode())


def without_permission(topic: Topic, label: str) -> str:
    """The policy without the statement of that label."""
    policy: dict[str, Any] = orjson.loads(of(topic))
    statements = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    policy["Statement"] = [statement for statement in statements if statement.get("Sid") != label]
    return orjson.dumps(policy).decode() if policy["Statement"] else ""


class Guard:
    """Who may do what with one topic."""

    __slots__ = ("_account", "_arn", "_denies", "_policy")

    def __init__(self, topic: Topic) -> None:
        self._arn, self._account = topic.arn, topic.account
        self._policy: Policy = resource_policies.compile_policy(of(topic))
        self._denies = any(statement.effect == DENY for statement in self._policy.statements)

    def admit(self, principal: Principal, account: str, action: str, **context: str | None) -> None:
        """Raise AuthorizationError unless this caller may. `account` is the one that the call is for."""
        own = account == self._account
        if own and not self._denies:
            return
        caller = Caller(principal.arn, account, principal.service)
        values = {
            "aws:PrincipalArn": principal.arn,
            "aws:PrincipalAccount": account,
            "aws:SourceOwner": account,
            **{f"sns:{name}": value for name, value in context.items()},
        }
        decision = self._policy.decide(caller, f"sns:{action}", self._arn, resource_policies.request_context(values))
        if decision == DENY or (not own and decision != ALLOW):
            raise _refused(principal.arn, action, self._arn, explicit=decision == DENY)

    def admit_service(self, source: Source, action: str) -> None:
        """Raise AuthorizationError unless this service may act for its resource."""
        if source.role is not None:
            account = source.role.split(":")[4] if source.role.count(":") >= 5 else source.account
            self.admit(Principal(account, source.role, ""), account, action)
            return
        caller = Caller("", source.account, source.service)
        context = resource_policies.request_context(
            {
                "aws:SourceArn": source.arn or None,
                "aws:SourceAccount": source.account,
                "aws:PrincipalIsAWSService": "true",
            }
        )
        decision = self._policy.decide(caller, f"sns:{action}", self._arn, context)
        if decision != ALLOW:
            raise _refused(source.service, action, self._arn, explicit=decision == DENY)


def _refused(who: str, action: str, arn: str, *, explicit: bool) -> Fault:
    why = (
        "with an explicit deny in a resource-based policy"
        if explicit
        else f"because no resource-based policy allows the SNS:{action} action"
    )
    return Fault(
        "AuthorizationErrorException",
        f"User: {who} is not authorized to perform: SNS:{action} on resource: {arn} {why}",
    )
