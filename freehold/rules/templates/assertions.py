"""The Rules section: assertions on parameters, checked before a stack is created or updated."""

from __future__ import annotations

from typing import Any

from freehold.rules.templates.document import TemplateError
from freehold.rules.templates.functions import Scope, evaluate, truth


def check(rules: dict[str, Any], scope: Scope) -> None:
    """Raise TemplateError on the first assertion that does not hold."""
    for name, rule in rules.items():
        if not isinstance(rule, dict) or not isinstance(rule.get("Assertions"), list):
            raise TemplateError(f"Template format error: Rule {name} must contain Assertions")
        if "RuleCondition" in rule and not _holds(rule["RuleCondition"], scope):
            continue
        for assertion in rule["Assertions"]:
            if not isinstance(assertion, dict) or "Assert" not in assertion:
                raise TemplateError(f"Template format error: Every assertion of rule {name} must contain Assert")
            if not _holds(assertion["Assert"], scope):
                said = assertion.get("AssertDescription") or f"Rule {name} does not hold"
                raise TemplateError(f"Template error: {said}")


def _holds(value: Any, scope: Scope) -> bool:
    if isinstance(value, dict) and len(value) == 1:
        ((name, argument),) = value.items()
        if name in ("Fn::RefAll", "Fn::ValueOf", "Fn::ValueOfAll"):
            raise TemplateError(f"Template format error: Freehold does not implement {name} in Rules")
        if name == "Fn::And":
            return all(_holds(item, scope) for item in argument)
        if name == "Fn::Or":
            return any(_holds(item, scope) for item in argument)
        if name == "Fn::Not":
            return not _holds(argument[0], scope)
        if name == "Fn::Contains":
            items, item = _two(name, argument, scope)
            return item in items
        if name == "Fn::EachMemberEquals":
            items, item = _two(name, argument, scope)
            return all(member == item for member in items)
        if name == "Fn::EachMemberIn":
            items, allowed = _two(name, argument, scope)
            return all(member in allowed for member in items)
    return truth(evaluate(value, scope), "Rules")


def _two(name: str, argument: Any, scope: Scope) -> tuple[list[Any], Any]:
    if not isinstance(argument, list) or len(argument) != 2:
        raise TemplateError(f"Template error: every {name} object requires two parameters")
    items, other = evaluate(argument[0], scope), evaluate(argument[1], scope)
    if not isinstance(items, list):
        raise TemplateError(f"Template error: the first parameter of {name} must be a list")
    return items, other
