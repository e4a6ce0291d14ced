"""Evaluation: what a template's values are in a Scope."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from freehold.rules.templates.document import TemplateError
from freehold.rules.templates.functions.values import NO_VALUE, UNKNOWN


def _nothing(*_: Any) -> Any:
    return UNKNOWN


@dataclass(slots=True)
class Scope:
    """What the functions of one template may ask.

    `parameters` holds typed values, `pseudo` those of `AWS::...`. `ref` and `attribute` answer for resources;
    `import_value` for exports. `extended`: the template declares AWS::LanguageExtensions.
    """

    parameters: Mapping[str, Any]
    pseudo: Mapping[str, Any]
    mappings: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    resources: frozenset[str] = frozenset()
    ref: Callable[[str], Any] = _nothing
    attribute: Callable[[str, str], Any] = _nothing
    import_value: Callable[[str], Any] = _nothing
    extended: bool = False
    decided: dict[str, bool] = field(default_factory=dict)
    _deciding: set[str] = field(default_factory=set)

    def condition(self, name: str) -> bool:
        """The value of a named condition, decided once."""
        if name in self.decided:
            return self.decided[name]
        if name not in self.conditions:
            raise TemplateError(
                f"Template error: Unresolved condition dependency {name} in the Conditions block of the template"
            )
        if name in self._deciding:
            raise TemplateError(f"Template error: Found circular condition dependency: {name}")
        self._deciding.add(name)
        try:
            value = decide(self.conditions[name], self, f"condition {name}")
        finally:
            self._deciding.discard(name)
        self.decided[name] = value
        return value


FUNCTIONS: dict[str, Callable[[Any, Scope], Any]] = {}
"""What each function does, by its name: those of this folder, filled in by its `__init__`, since they evaluate too."""


def decide(value: Any, scope: Scope, where: str) -> bool:
    """The boolean of a condition's expression, in which {"Condition": name} stands for another condition."""
    if isinstance(value, dict) and len(value) == 1 and isinstance(value.get("Condition"), str):
        return scope.condition(value["Condition"])
    return truth(evaluate(value, scope), where)


def truth(value: Any, where: str) -> bool:
    """A condition's value as a boolean."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise TemplateError(
        f"Template format error: Conditions can only be boolean operations on parameters and other conditions ({where})"
    )


def evaluate(value: Any, scope: Scope) -> Any:
    """`value` with every function replaced by its result, and AWS::NoValue removed."""
    if isinstance(value, dict):
        if len(value) == 1:
            ((name, argument),) = value.items()
            function = FUNCTIONS.get(name)
            if function is not None:
                return function(argument, scope)
        out = {}
        for key, item in value.items():
            if key.startswith("Fn::") and key not in FUNCTIONS:
                raise TemplateError(f"Template error: Encountered unsupported function: {key}")
            result = evaluate(item, scope)
            if result is not NO_VALUE:
                out[key] = result
        return out
    if isinstance(value, list):
        return [result for item in value if (result := evaluate(item, scope)) is not NO_VALUE]
    return value


def need_extensions(name: str, scope: Scope) -> None:
    """Refuse a function that needs AWS::LanguageExtensions where the template does not declare it."""
    if not scope.extended:
        raise TemplateError(
            f"Template error: Encountered unsupported function: {name}. It needs the transform AWS::LanguageExtensions"
        )
