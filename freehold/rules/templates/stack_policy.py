"""Stack policies: which resources an update may touch.

With a policy set, every update is denied unless a statement allows it; a Deny wins over any Allow (user guide, "Prevent
updates to stack resources").
"""

from __future__ import annotations

import fnmatch
from typing import Any

import orjson

from freehold.rules.templates.document import TemplateError

ACTIONS = ("Update:Modify", "Update:Replace", "Update:Delete", "Update:*")
MAX_BYTES = 16_384


def parse(body: str) -> dict[str, Any]:
    """A checked policy. Raises TemplateError."""
    if len(body.encode()) > MAX_BYTES:
        raise TemplateError(f"Stack policy is larger than {MAX_BYTES} bytes")
    try:
        policy = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise TemplateError("Error validating stack policy: Invalid stack policy") from error
    if not isinstance(policy, dict) or not isinstance(policy.get("Statement"), list | dict):
        raise TemplateError("Error validating stack policy: Invalid stack policy")
    for statement in _statements(policy):
        _check(statement)
    return policy


def _check(statement: Any) -> None:
    if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
        raise TemplateError("Error validating stack policy: Invalid stack policy")
    if statement.get("Principal") not in ("*", {"AWS": "*"}):
        raise TemplateError("Error validating stack policy: Principal must be *")
    for action in [*_list(statement.get("Action")), *_list(statement.get("NotAction"))]:
        if action not in ACTIONS and action != "*":
            raise TemplateError(f"Error validating stack policy: Invalid Action {action}")
    resources = [*_list(statement.get("Resource")), *_list(statement.get("NotResource"))]
    if not resources or not _texts(resources):
        raise TemplateError("Error validating stack policy: Invalid stack policy")
    conditions = statement.get("Condition", {})
    if not isinstance(conditions, dict):
        raise TemplateError("Error validating stack policy: Invalid Condition")
    for operator, block in conditions.items():
        if (
            operator not in ("StringEquals", "StringLike")
            or not isinstance(block, dict)
            or set(block) != {"ResourceType"}
        ):
            raise TemplateError("Error validating stack policy: Invalid Condition")
        if not _texts(_list(block["ResourceType"])):
            raise TemplateError("Error validating stack policy: Invalid Condition")


def refusal(policy: dict[str, Any] | None, action: str, logical_id: str, resource_type: str) -> str | None:
    """Why `action` (such as "Update:Modify") on a resource is denied, or None when it is allowed."""
    if not policy:
        return None
    allowed = False
    for number, statement in enumerate(_statements(policy), 1):
        if _applies(statement, action, logical_id, resource_type):
            if statement["Effect"] == "Deny":
                return (
                    f"Action denied by stack policy: Statement [#{number}] does not allow [{action}] for resource"
                    f" [LogicalResourceId/{logical_id}]"
                )
            allowed = True
    if allowed:
        return None
    return (
        f"Action denied by stack policy: no statement allows [{action}] for resource [LogicalResourceId/{logical_id}]"
    )


def _applies(statement: dict[str, Any], action: str, logical_id: str, resource_type: str) -> bool:
    negated = "NotAction" in statement
    actions = _list(statement["NotAction"] if negated else statement.get("Action"))
    if any(fnmatch.fnmatchcase(action, pattern) for pattern in actions) == negated:
        return False
    negated = "NotResource" in statement
    resources = _list(statement["NotResource"] if negated else statement.get("Resource"))
    name = f"LogicalResourceId/{logical_id}"
    if any(fnmatch.fnmatchcase(name, pattern) for pattern in resources) == negated:
        return False
    for operator, block in statement.get("Condition", {}).items():
        patterns = _list(block["ResourceType"])
        if operator == "StringEquals" and resource_type not in patterns:
            return False
        if operator == "StringLike" and not any(fnmatch.fnmatchcase(resource_type, pattern) for pattern in patterns):
            return False
    return True


def _statements(policy: dict[str, Any]) -> list[Any]:
    return _list(policy["Statement"])


def _texts(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
