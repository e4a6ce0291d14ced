"""Resource-based policies: what a policy document on a resource says about one request. Pure.

Evaluation follows the IAM User Guide ("Policy evaluation logic", "IAM JSON policy elements"): an explicit Deny wins, then
an Allow, else nothing is said. Condition keys are case-insensitive; a key that the request lacks fails every operator but
`Null`, the negated ones and `...IfExists`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from freehold.rules import policy_conditions
from freehold.rules.policy_conditions import Condition, Context

ALLOW = "Allow"
DENY = "Deny"
VERSIONS = ("2012-10-17", "2008-10-17")
_ELEMENTS = frozenset(
    ("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
)
_KINDS = ("AWS", "Service", "Federated", "CanonicalUser")
_SESSION = re.compile(r"arn:aws:sts::(\d{12}):assumed-role/([^/]+)/")


class PolicyError(Exception):
    """A document that is no policy; the message is S3's."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `arn` is empty for an anonymous caller."""

    arn: str
    account: str
    service: str | None = None
    canonical_id: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, ready to be matched."""

    effect: str
    principals: tuple[tuple[str, str], ...]
    """(kind, value) pairs; `("*", "*")` is everybody."""
    inverse_principals: bool
    actions: tuple[str, ...]
    inverse_actions: bool
    resources: tuple[str, ...]
    inverse_resources: bool
    conditions: tuple[Condition, ...]

    def matches(self, caller: Caller, action: str, resource: str, context: Context) -> bool:
        """Does this statement speak about the request?"""
        if any(_names(kind, value, caller) for kind, value in self.principals) == self.inverse_principals:
            return False
        if any(like(pattern.lower(), action.lower()) for pattern in self.actions) == self.inverse_actions:
            return False
        patterns = [policy_conditions.fill(pattern, context) for pattern in self.resources]
        if any(like(pattern, resource) for pattern in patterns) == self.inverse_resources:
            return False
        return all(condition.holds(context) for condition in self.conditions)

    @property
    def is_public(self) -> bool:
        """Does it allow everybody something, by the definition of S3 Block Public Access?"""
        everybody = self.inverse_principals or any(
            value == "*" for kind, value in self.principals if kind in ("*", "AWS")
        )
        return self.effect == ALLOW and everybody and not any(condition.narrows for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Policy:
    """A compiled policy document."""

    statements: tuple[Statement, ...]

    def decide(self, caller: Caller, action: str, resource: str, context: Context) -> str | None:
        """ALLOW, DENY, or None where the policy says nothing about it."""
        decision = None
        for statement in self.statements:
            if statement.effect == ALLOW and decision is not None:
                continue
            if statement.matches(caller, action, resource, context):
                if statement.effect == DENY:
                    return DENY
                decision = ALLOW
        return decision

    @property
    def is_public(self) -> bool:
        return any(statement.is_public for statement in self.statements)

    def condition_keys(self) -> set[str]:
        """The condition keys that the policy asks about, in lower case."""
        return {condition.key for statement in self.statements for condition in statement.conditions}


@lru_cache(maxsize=256)
def compile_policy(document: str) -> Policy:
    """The policy that a JSON document describes. Raises PolicyError."""
    if not document.lstrip().startswith("{"):
        raise PolicyError("Policies must be valid JSON and the first byte must be '{'")
    try:
        parsed = json.loads(document, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):
        raise PolicyError("This policy contains invalid Json") from None
    if not set(parsed) <= {"Version", "Id", "Statement"}:
        raise PolicyError(f"Unknown field {sorted(set(parsed) - {'Version', 'Id', 'Statement'})[0]}")
    if parsed.get("Version", VERSIONS[1]) not in VERSIONS:
        raise PolicyError("The policy must contain a valid version string")
    if "Statement" not in parsed:
        raise PolicyError("Missing required field Statement")
    statements = parsed["Statement"] if isinstance(parsed["Statement"], list) else [parsed["Statement"]]
    if not statements:
        raise PolicyError("Could not parse the policy: Statement is empty!")
    return Policy(tuple(_statement(statement) for statement in statements))


def _without_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate keys")
    return found


def _statement(raw: Any) -> Statement:
    if not isinstance(raw, dict):
        raise PolicyError("Invalid policy syntax.")
    for name in raw:
        if name not in _ELEMENTS:
            raise PolicyError(f"Unknown field {name}")
    effect = raw.get("Effect")
    if effect is None:
        raise PolicyError("Missing required field Effect")
    if effect not in (ALLOW, DENY):
        raise PolicyError(f"Invalid effect: {effect}")
    principals, inverse_principals = _either(raw, "Principal")
    actions, inverse_actions = _either(raw, "Action")
    resources, inverse_resources = _either(raw, "Resource")
    return Statement(
        effect,
        _principals(principals),
        inverse_principals,
        _texts(actions, "Action"),
        inverse_actions,
        _texts(resources, "Resource"),
        inverse_resources,
        _conditions(raw.get("Condition", {})),
    )


def _either(raw: dict[str, Any], name: str) -> tuple[Any, bool]:
    inverse = f"Not{name}"
    if name in raw and inverse in raw:
        raise PolicyError(f"Statement contains both {name} and {inverse}")
    if name in raw:
        return raw[name], False
    if inverse in raw:
        return raw[inverse], True
    raise PolicyError(f"Missing required field {name}")


def _principals(raw: Any) -> tuple[tuple[str, str], ...]:
    if raw == "*":
        return (("*", "*"),)
    if not isinstance(raw, dict) or not raw:
        raise PolicyError("Invalid policy syntax.")
    pairs = []
    for kind, values in raw.items():
        if kind not in _KINDS:
            raise PolicyError(f'Invalid principal in policy: "{kind}"')
        for value in _texts(values, "Principal"):
            if kind == "AWS" and value != "*" and not re.fullmatch(r"\d{12}|arn:aws:(iam|sts)::\d{12}:.+", value):
                raise PolicyError("Invalid principal in policy")
            pairs.append((kind, value))
    return tuple(pairs)


def _texts(raw: Any, element: str) -> tuple[str, ...]:
    values = raw if isinstance(raw, list) else [raw]
    if not values or not all(isinstance(value, str) and value for value in values):
        raise PolicyError(f"Policy has invalid {element.lower()}")
    return tuple(values)


def _conditions(raw: Any) -> tuple[Condition, ...]:
    if not isinstance(raw, dict):
        raise PolicyError("Invalid policy syntax.")
    found = []
    for operator, keys in raw.items():
        if not isinstance(keys, dict):
            raise PolicyError("Invalid policy syntax.")
        for key, values in keys.items():
            try:
                found.append(policy_conditions.compile_condition(operator, key, values))
            except ValueError as error:
                raise PolicyError(str(error)) from None
    return tuple(found)


def _names(kind: str, value: str, caller: Caller) -> bool:
    """Does a principal of a policy mean this caller?"""
    if value == "*" and kind in ("*", "AWS"):
        return True
    if kind == "Service":
        return caller.service == value
    if kind == "CanonicalUser":
        return bool(caller.canonical_id) and caller.canonical_id == value
    if kind != "AWS" or not caller.arn:
        return False
    if value in (caller.account, f"arn:aws:iam::{caller.account}:root"):
        return True
    if value == caller.arn:
        return True
    session = _SESSION.match(caller.arn)
    return (
        session is not None
        and value.startswith(f"arn:aws:iam::{session[1]}:role/")
        and value.rpartition("/")[2] == session[2]
    )


def like(pattern: str, text: str) -> bool:
    """Does `text` match a pattern with `*` and `?`?"""
    return pattern == "*" or policy_conditions.matches_like(pattern, text)


def request_context(values: Mapping[str, str | Sequence[str] | None]) -> dict[str, tuple[str, ...]]:
    """A context for `decide`: lower-case keys, every value a tuple; None is an absent key."""
    return {
        key.lower(): (value,) if isinstance(value, str) else tuple(value)
        for key, value in values.items()
        if value is not None
    }
