"""UpdateExpression: SET, REMOVE, ADD, DELETE, parsed once and applied to items.

Every right-hand side is read from the item as it was before the update. SETs come first, list elements in order of their
position; REMOVE counts positions as they were. The item given is not changed: containers along a path are copied.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from freehold.rules.dynamodb import numbers, paths
from freehold.rules.dynamodb.operands import Operand, Scope, Values
from freehold.rules.dynamodb.paths import Names, Path, Projection
from freehold.rules.dynamodb.tokens import END, NAME, Tokens
from freehold.rules.dynamodb.values import Item, Value, invalid, order_set, type_of

Action = Callable[[Item, Item, Values], None]
"""(the item as it was, the item as it becomes, values)"""

_WRONG_TYPE = "An operand in the update expression has an incorrect data type"
_BAD_PATH = "The document path provided in the update expression is invalid for update"
_NO_ATTRIBUTE = "The provided expression refers to an attribute that does not exist in the item"
_TYPE_NAMES = {
    "S": "STRING",
    "N": "NUMBER",
    "B": "BINARY",
    "SS": "STRING_SET",
    "NS": "NUMBER_SET",
    "BS": "BINARY_SET",
    "M": "MAP",
    "L": "LIST",
    "BOOL": "BOOLEAN",
    "NULL": "NULL",
}
_SETS = frozenset(("SS", "NS", "BS"))
_CONDITION_FUNCTIONS = frozenset(
    ("attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains", "size")
)


class Update:
    """A compiled update. `paths` are the document paths it changes, `attributes` their top-level names."""

    __slots__ = ("_actions", "_scope", "attributes", "names", "paths", "projection", "values")

    def __init__(self, scope: Scope, actions: list[Action], changed: list[Path]) -> None:
        self._scope = scope
        self._actions = actions
        self.paths = changed
        self.projection = Projection(changed)
        self.attributes = frozenset(str(path[0]) for path in changed)
        self.names = frozenset(scope.names.used)
        self.values = frozenset(scope.values)

    def check(self, values: Values) -> None:
        """Refuse values that are missing or have types which the expression cannot take."""
        self._scope.check_defined(values)
        for check in self._scope.checks:
            check(values)

    def apply(self, item: Item, values: Values) -> Item:
        """The updated copy of an item."""
        updated = dict(item)
        for action in self._actions:
            action(item, updated, values)
        return updated


@lru_cache(1024)
def compile_update(text: str, names: tuple[tuple[str, str], ...]) -> Update:
    """Compile an UpdateExpression with ExpressionAttributeNames."""
    tokens = Tokens("UpdateExpression", text)
    scope = Scope(tokens, Names(dict(names)))
    return _Parser(scope).update()


class _Parser:
    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.tokens = scope.tokens
        self.sets: list[tuple[Path, Action]] = []
        self.removes: list[tuple[Path, Action]] = []
        self.others: list[tuple[Path, Action]] = []

    def update(self) -> Update:
        tokens = self.tokens
        seen: set[str] = set()
        clauses = {"SET": self._set, "REMOVE": self._remove, "ADD": self._add, "DELETE": self._delete}
        while tokens.token.kind != END:
            word = tokens.token.word
            clause = clauses.get(word)
            if clause is None or tokens.token.kind != NAME:
                raise tokens.error()
            tokens.next()
            if word in seen:
                raise tokens.invalid(f'The "{word}" section can only be used once in an update expression;')
            seen.add(word)
            clause()
            while tokens.take(","):
                clause()
        # The order in which AWS checks and names clashing paths: SET, REMOVE, ADD and DELETE, each as written.
        changed = [path for path, _ in (*self.sets, *self.removes, *self.others)]
        paths.check_disjoint("UpdateExpression", changed)
        self.sets.sort(key=_position)
        self.removes.sort(key=_position, reverse=True)
        actions = [action for _, action in (*self.sets, *self.others, *self.removes)]
        return Update(self.scope, actions, changed)

    def _path(self) -> Path:
        return paths.parse(self.tokens, self.scope.names)

    def _set(self) -> None:
        path = self._path()
        self.tokens.expect("=")
        self.tokens.operator()
        operand = self._sum()
        read = operand.read

        def assign(old: Item, new: Item, values: Values) -> None:
            value = read(old, values)
            if value is None:
                raise invalid(_NO_ATTRIBUTE)
            _put(new, path, value)

        self.sets.append((path, assign))

    def _sum(self) -> Operand:
        left = self._operand()
        sign = self.tokens.token.text
        if sign not in ("+", "-"):
            return left
        self.tokens.next()
        self.tokens.operator()
        right = self._operand()
        for side in (left, right):
            self.scope.require_type(side, frozenset("N"), f"operator or function: {sign}")
        combine = numbers.add if sign == "+" else numbers.subtract

        def calculate(item: Item, values: Values) -> Value | None:
            one, two = _present(left, item, values), _present(right, item, values)
            if "N" not in one or "N" not in two:
                raise invalid(_WRONG_TYPE)
            return {"N": combine(one["N"], two["N"])}

        return Operand(calculate, function=sign)

    def _operand(self) -> Operand:
        tokens = self.tokens
        if tokens.take("("):
            inner = self._sum()
            tokens.expect(")")
            return inner
        if self.scope.at_value():
            return self.scope.value_operand()
        if tokens.token.kind == NAME and tokens.peek().text == "(":
            return self._call(tokens.token.text)
        return self.scope.path_operand()

    def _call(self, name: str) -> Operand:
        tokens = self.tokens
        if name in _CONDITION_FUNCTIONS:
            raise tokens.invalid(f"The function is not allowed in an update expression; function: {name}")
        if name not in ("if_not_exists", "list_append"):
            raise tokens.invalid(f"Invalid function name; function: {name}")
        tokens.next()
        tokens.next()
        tokens.operator()
        operands = [self._sum()]
        while tokens.take(","):
            operands.append(self._sum())
        tokens.expect(")")
        if len(operands) != 2:
            raise tokens.invalid(
                f"Incorrect number of operands for operator or function; operator or function: {name}, "
                f"number of operands: {len(operands)}"
            )
        return self._if_not_exists(*operands) if name == "if_not_exists" else self._list_append(*operands)

    def _if_not_exists(self, first: Operand, second: Operand) -> Operand:
        if first.path is None:
            raise self.tokens.invalid(
                "Operator or function requires a document path; operator or function: if_not_exists"
            )

        def choose(item: Item, values: Values) -> Value | None:
            found = first.read(item, values)
            return second.read(item, values) if found is None else found

        return Operand(choose, function="if_not_exists")

    def _list_append(self, first: Operand, second: Operand) -> Operand:
        for side in (first, second):
            self.scope.require_type(side, frozenset("L"), "operator or function: list_append")

        def append(item: Item, values: Values) -> Value | None:
            one, two = _present(first, item, values), _present(second, item, values)
            if "L" not in one or "L" not in two:
                raise invalid(_WRONG_TYPE)
            return {"L": one["L"] + two["L"]}

        return Operand(append, function="list_append")

    def _remove(self) -> None:
        path = self._path()
        self.removes.append((path, lambda old, new, values: _drop(new, path)))

    def _add(self) -> None:
        self._set_arithmetic("ADD", frozenset(("N", *_SETS)), _added)

    def _delete(self) -> None:
        self._set_arithmetic("DELETE", _SETS, _without)

    def _set_arithmetic(
        self, word: str, allowed: frozenset[str], combine: Callable[[Value | None, Value], Value | None]
    ) -> None:
        path = self._path()
        if not self.scope.at_value():
            raise self.tokens.error()
        operand = self.scope.value_operand()
        key, tokens = str(operand.value), self.tokens

        def check(values: Values) -> None:
            kind = type_of(values[key])
            if kind not in allowed:
                raise tokens.invalid(
                    f"Incorrect operand type for operator or function; operator: {word}, "
                    f"operand type: {_TYPE_NAMES[kind]}, typeSet: ALLOWED_FOR_{word}_OPERAND"
                )

        def act(old: Item, new: Item, values: Values) -> None:
            found = paths.find(old, path)
            result = combine(found, values[key])
            if result is not None:
                _put(new, path, result)
            elif found is not None:
                _drop(new, path)

        self.scope.checks.append(check)
        self.others.append((path, act))


def _position(entry: tuple[Path, Action]) -> int:
    last = entry[0][-1]
    return last if isinstance(last, int) else -1


def _present(operand: Operand, item: Item, values: Values) -> Value:
    found = operand.read(item, values)
    if found is None:
        raise invalid(_NO_ATTRIBUTE)
    return found


def _added(found: Value | None, value: Value) -> Value | None:
    if found is None:
        return value
    kind = type_of(value)
    if kind not in found:
        raise invalid(_WRONG_TYPE)
    if kind == "N":
        return {"N": numbers.add(found["N"], value["N"])}
    return {kind: order_set(kind, list({*found[kind], *value[kind]}))}


def _without(found: Value | None, value: Value) -> Value | None:
    if found is None:
        return None
    kind = type_of(value)
    if kind not in found:
        raise invalid(_WRONG_TYPE)
    gone = set(value[kind])
    left = [member for member in found[kind] if member not in gone]
    return {kind: left} if left else None


def _container(item: Item, path: Path) -> Any:
    """A fresh copy, put in place, of the container that holds the last part of a path; None where there is none."""
    name: Any = path[0]
    value = item.get(name)
    holder: Any = item
    for at in range(1, len(path)):
        if value is None:
            return None
        part = path[at]
        kind = "L" if type(part) is int else "M"
        content = value.get(kind)
        if content is None:
            return None
        content = content.copy()
        holder[name] = {kind: content}
        holder, name = content, part
        if type(part) is int:
            value = content[part] if part < len(content) else None
        else:
            value = content.get(part)
    return holder


def _put(item: Item, path: Path, value: Value) -> None:
    if len(path) == 1:
        item[path[0]] = value  # type: ignore[index]
        return
    holder = _container(item, path)
    last = path[-1]
    if holder is None:
        raise invalid(_BAD_PATH)
    if type(last) is int and last >= len(holder):
        holder.append(value)
    else:
        holder[last] = value


def _drop(item: Item, path: Path) -> None:
    if len(path) == 1:
        item.pop(path[0], None)  # type: ignore[arg-type]
        return
    holder = _container(item, path)
    last = path[-1]
    if holder is None:
        raise invalid(_BAD_PATH)
    if type(last) is int:
        if last < len(holder):
            del holder[last]
    else:
        holder.pop(last, None)
