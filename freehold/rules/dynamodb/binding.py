"""From the parameters of a request to compiled expressions: names and values checked, nothing defined in vain.

The order of the checks is AWS's: parameters that do not go together; names and values without an expression, empty or
misspelt; each expression; then names and values that no expression used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from freehold.kit.faults import Fault
from freehold.rules.dynamodb import values as attribute_values
from freehold.rules.dynamodb.conditions import Condition, compile_condition
from freehold.rules.dynamodb.key_conditions import KeyConditionExpression, compile_key_condition
from freehold.rules.dynamodb.legacy import ItemTest
from freehold.rules.dynamodb.operands import Values
from freehold.rules.dynamodb.paths import Names, Projection, parse_projection
from freehold.rules.dynamodb.updates import Update, compile_update
from freehold.rules.dynamodb.values import Item, invalid

Request = dict[str, Any]
_NAME_KEY = re.compile(r"#[A-Za-z0-9_]+").fullmatch
_VALUE_KEY = re.compile(r":[A-Za-z0-9_]+").fullmatch
_VALUES_LIMIT = 2 << 20
_CACHED_NAMES = 4_096
"""Characters of attribute names up to which a compiled expression is kept: the caches stay small whatever is sent."""


class Bound:
    """The expressions of one request with its names and values."""

    __slots__ = ("_names", "_small", "_used_names", "_used_values", "values")

    def __init__(self, request: Request, expressions: tuple[str, ...], missing: str) -> None:
        """`expressions` are the parameters that an operation has; `missing` says in messages that none of those which
        take values is there."""
        names = request.get("ExpressionAttributeNames")
        values = request.get("ExpressionAttributeValues")
        present = any(name in request for name in expressions)
        if names is not None:
            _check_names(names, present)
        if values is not None:
            if not any(name in request for name in expressions if name != "ProjectionExpression"):
                raise invalid(f"ExpressionAttributeValues can only be specified when using expressions: {missing}")
            _check_values(values)
        self._names = tuple(names.items()) if names else ()
        self._small = not names or sum(len(name) for name in names.values()) <= _CACHED_NAMES
        self.values: Values = values or {}
        self._used_names: set[str] = set()
        self._used_values: set[str] = set()

    def condition(self, what: str, text: str) -> Condition:
        """Compile a condition or filter."""
        compiled = (compile_condition if self._small else compile_condition.__wrapped__)(what, text, self._names)
        compiled.check(self.values)
        self._use(compiled.names, compiled.values)
        return compiled

    def update(self, text: str) -> Update:
        """Compile an update."""
        compiled = (compile_update if self._small else compile_update.__wrapped__)(text, self._names)
        compiled.check(self.values)
        self._use(compiled.names, compiled.values)
        return compiled

    def key_condition(self, text: str) -> KeyConditionExpression:
        """Compile a key condition."""
        compiled = (compile_key_condition if self._small else compile_key_condition.__wrapped__)(text, self._names)
        self._use(compiled.names, compiled.values)
        return compiled

    def projection(self, text: str) -> Projection:
        """Compile a projection."""
        names = Names(dict(self._names))
        projection = Projection(parse_projection(text, names))
        self._use(names.used, ())
        return projection

    def _use(self, names: Iterable[str], values: Iterable[str]) -> None:
        self._used_names.update(names)
        self._used_values.update(values)

    def finish(self) -> None:
        """Refuse names and values that no expression used."""
        if len(self._names) != len(self._used_names):
            unused = [name for name, _ in self._names if name not in self._used_names]
            if unused:
                raise invalid(
                    f"Value provided in ExpressionAttributeNames unused in expressions: keys: {{{', '.join(unused)}}}"
                )
        if len(self.values) != len(self._used_values):
            unused = [name for name in self.values if name not in self._used_values]
            if unused:
                raise invalid(
                    f"Value provided in ExpressionAttributeValues unused in expressions: keys: {{{', '.join(unused)}}}"
                )

    def test(self, condition: Condition) -> ItemTest:
        """A compiled condition as a function of the item alone."""
        test, values = condition.test, self.values
        return lambda item: test(item, values)

    def applied(self, update: Update) -> Callable[[Item], Item]:
        """A compiled update as a function of the item alone."""
        apply, values = update.apply, self.values
        return lambda item: apply(item, values)


def _check_names(names: dict[str, str], present: bool) -> None:
    if not present:
        raise invalid("ExpressionAttributeNames can only be specified when using expressions")
    if not names:
        raise invalid("ExpressionAttributeNames must not be empty")
    for key, name in names.items():
        if not _NAME_KEY(key):
            raise invalid(f'ExpressionAttributeNames contains invalid key: Syntax error; key: "{key}"')
        if not name:
            raise invalid(f"ExpressionAttributeNames contains invalid value: Empty attribute name for key {key}")


def _check_values(values: Values) -> None:
    if not values:
        raise invalid("ExpressionAttributeValues must not be empty")
    size = 0
    for key, value in values.items():
        if not _VALUE_KEY(key):
            raise invalid(f'ExpressionAttributeValues contains invalid key: Syntax error; key: "{key}"')
        try:
            size += attribute_values.check(value)
        except Fault as fault:
            raise invalid(f"ExpressionAttributeValues contains invalid value: {fault.message} for key {key}") from None
    if size > _VALUES_LIMIT:
        raise invalid("The expression attribute values have exceeded the maximum allowed size of 2 MB")


def refuse_mixture(request: Request, legacy: tuple[str, ...], expressions: tuple[str, ...]) -> None:
    """Legacy parameters and expressions do not go together."""
    old = [name for name in legacy if name in request]
    if not old:
        return
    new = [name for name in expressions if name in request]
    if new:
        raise invalid(
            "Can not use both expression and non-expression parameters in the same request: "
            f"Non-expression parameters: {{{', '.join(old)}}} Expression parameters: {{{', '.join(new)}}}"
        )


def attributes_projection(names: list[str]) -> Projection:
    """AttributesToGet."""
    if len(set(names)) != len(names):
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        raise invalid(f"One or more parameter values were invalid: Duplicate value in attribute name: {twice}")
    return Projection((name,) for name in names)
