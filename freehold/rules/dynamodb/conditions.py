"""ConditionExpression and FilterExpression: parsed once into closures, evaluated on items.

Grammar (developer guide, "Condition and filter expressions, operators, and functions"):

    condition := operand comparator operand | operand BETWEEN operand AND operand
               | operand IN ( operand, ... ) | function | condition AND|OR condition | NOT condition | ( condition )
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from freehold.rules.dynamodb.operands import (
    ORDERED,
    Operand,
    Scope,
    Values,
    begins_with,
    between,
    check_bounds,
    contains,
    less,
    size_reader,
)
from freehold.rules.dynamodb.paths import Names
from freehold.rules.dynamodb.tokens import END, NAME, Tokens
from freehold.rules.dynamodb.values import TYPES, Item, Value, type_of

Test = Callable[[Item, Values], bool]
MAX_IN = 100
MAX_NESTING = 150
_COMPARATORS = frozenset(("=", "<>", "<", "<=", ">", ">="))
_TESTS = {"attribute_exists": 1, "attribute_not_exists": 1, "attribute_type": 2, "begins_with": 2, "contains": 2}
_UPDATE_FUNCTIONS = frozenset(("if_not_exists", "list_append"))
_TYPE_ORDER = "{B,NULL,SS,BOOL,L,BS,N,NS,S,M}"


class Condition:
    """A compiled condition: `test(item, values)`.

    `names` and `values` are the placeholders it uses, `attributes` the top-level attributes it reads.
    """

    __slots__ = ("_scope", "attributes", "names", "test", "values")

    def __init__(self, scope: Scope, test: Test) -> None:
        self._scope = scope
        self.test = test
        self.names = frozenset(scope.names.used)
        self.values = frozenset(scope.values)
        self.attributes = frozenset(str(path[0]) for path in scope.paths)

    def check(self, values: Values) -> None:
        """Refuse values that are missing or have types which the expression cannot take. Before the first `test`."""
        self._scope.check_defined(values)
        for check in self._scope.checks:
            check(values)


@lru_cache(1024)
def compile_condition(what: str, text: str, names: tuple[tuple[str, str], ...]) -> Condition:
    """Compile a condition. `what` is the parameter's name in messages; `names` are ExpressionAttributeNames."""
    tokens = Tokens(what, text)
    scope = Scope(tokens, Names(dict(names)))
    parser = _Parser(scope)
    found = parser.disjunction()
    if isinstance(found, Operand):
        raise parser.misplaced(found)
    if tokens.token.kind != END:
        raise tokens.error()
    return Condition(scope, found)


class _Parser:
    """Recursive descent. A level returns a test, or an operand that a caller may still compare."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.tokens = scope.tokens
        self.depth = 0
        self.closed = (-1, -1)
        """First and last token of the parenthesis that was closed last: finds redundant ones."""
        self.function = ""
        """The function that was called last."""

    def misplaced(self, operand: Operand) -> Exception:
        if operand.function is not None and self.tokens.token.kind == END:
            return self.tokens.invalid(
                f"The function is not allowed to be used this way in an expression; function: {operand.function}"
            )
        return self.tokens.error()

    def _test(self, found: Test | Operand) -> Test:
        if isinstance(found, Operand):
            raise self.misplaced(found)
        return found

    def disjunction(self) -> Test | Operand:
        first = self.conjunction()
        if self.tokens.token.word != "OR":
            return first
        tests = [self._test(first)]
        while self.tokens.take("OR"):
            self.tokens.operator()
            tests.append(self._test(self.conjunction()))
        return lambda item, values: any(test(item, values) for test in tests)

    def conjunction(self) -> Test | Operand:
        first = self.negation()
        if self.tokens.token.word != "AND":
            return first
        tests = [self._test(first)]
        while self.tokens.take("AND"):
            self.tokens.operator()
            tests.append(self._test(self.negation()))
        return lambda item, values: all(test(item, values) for test in tests)

    def negation(self) -> Test | Operand:
        if not self.tokens.take("NOT"):
            return self.primary()
        self._deeper()
        self.tokens.operator()
        inner = self._test(self.negation())
        self.depth -= 1
        return lambda item, values: not inner(item, values)

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise self.tokens.invalid(f"The expression has too many nesting levels; maximum allowed: {MAX_NESTING}")

    def primary(self) -> Test | Operand:
        start = self.tokens.at
        if self.tokens.take("("):
            self._deeper()
            found = self.disjunction()
            last = self.tokens.at
            self.tokens.expect(")")
            if self.closed == (start + 1, last - 1):
                raise self.tokens.invalid("The expression has redundant parentheses;")
            self.closed = (start, last)
            self.depth -= 1
            if not isinstance(found, Operand):
                return found
        else:
            found = self.function_or_operand()
            if not isinstance(found, Operand):
                return found
        return self.comparison(found)

    def comparison(self, left: Operand) -> Test | Operand:
        token = self.tokens.token
        if token.word in _COMPARATORS:
            self.tokens.next()
            self.tokens.operator()
            right = self.operand()
            self._distinct(token.text, left, right)
            return self._compare(token.text, left, right)
        if token.word == "BETWEEN":
            self.tokens.next()
            self.tokens.operator(2)
            lower = self.operand()
            self.tokens.expect("AND")
            return self._between(left, lower, self.operand())
        if token.word == "IN":
            self.tokens.next()
            self.tokens.operator()
            return self._in(left)
        return left

    def _distinct(self, operator: str, first: Operand, *others: Operand) -> None:
        for other in others:
            if first.path is not None and first.function is None and first.path == other.path and not other.function:
                shown = "[" + ", ".join(f"[{p}]" if type(p) is int else str(p) for p in first.path) + "]"
                raise self.tokens.invalid(
                    "The first operand must be distinct from the remaining operands for this operator or function; "
                    f"operator: {operator}, first operand: {shown}"
                )

    def _compare(self, operator: str, left: Operand, right: Operand) -> Test:
        one, two = left.read, right.read
        if operator == "=":
            if left.path is not None and len(left.path) == 1 and right.value is not None and left.function is None:
                name: Any = left.path[0]
                key = right.value
                return lambda item, values: item.get(name) == values[key]

            def equal(item: Item, values: Values) -> bool:
                found = one(item, values)
                return found is not None and found == two(item, values)

            return equal
        if operator == "<>":

            def differ(item: Item, values: Values) -> bool:
                # An attribute that is not there differs from everything.
                return one(item, values) != two(item, values) or one(item, values) is None

            return differ
        for side in (left, right):
            self.scope.require_type(side, ORDERED, f"operator: {operator}")
        swap, negate = operator in (">", "<="), operator in ("<=", ">=")

        def ordered(item: Item, values: Values) -> bool:
            first, second = one(item, values), two(item, values)
            if first is None or second is None:
                return False
            found = less(second, first) if swap else less(first, second)
            return found is not None and found is not negate

        return ordered

    def _between(self, middle: Operand, lower: Operand, upper: Operand) -> Test:
        self._distinct("BETWEEN", middle, lower, upper)
        for side in (middle, lower, upper):
            self.scope.require_type(side, ORDERED, "operator: BETWEEN")
        if lower.value is not None and upper.value is not None:
            low, high, invalid = lower.value, upper.value, self.tokens.invalid
            self.scope.checks.append(lambda values: check_bounds("BETWEEN", invalid, values[low], values[high]))

        def within(item: Item, values: Values) -> bool:
            value, bottom, top = middle.read(item, values), lower.read(item, values), upper.read(item, values)
            return value is not None and bottom is not None and top is not None and between(value, bottom, top)

        return within

    def _in(self, left: Operand) -> Test:
        self.tokens.expect("(")
        choices = [self.operand()]
        while self.tokens.take(","):
            choices.append(self.operand())
        self.tokens.expect(")")
        if len(choices) > MAX_IN:
            raise self.tokens.invalid(
                f"The IN operator is provided with too many operands; number of operands: {len(choices)}"
            )
        self._distinct("IN", left, *choices)

        def among(item: Item, values: Values) -> bool:
            value = left.read(item, values)
            return value is not None and any(value == choice.read(item, values) for choice in choices)

        return among

    def operand(self) -> Operand:
        """An operand: a path, a value, or size(path)."""
        if self.tokens.take("("):
            self._deeper()
            inner = self.operand()
            self.tokens.expect(")")
            self.depth -= 1
            return inner
        found = self.function_or_operand()
        if not isinstance(found, Operand):
            raise self.tokens.invalid(
                f"The function is not allowed to be used this way in an expression; function: {self.function}"
            )
        return found

    def function_or_operand(self) -> Test | Operand:
        token = self.tokens.token
        if self.scope.at_value():
            return self.scope.value_operand()
        if token.kind == NAME and self.tokens.peek().text == "(":
            return self._call(token.text)
        return self.scope.path_operand()

    def _call(self, name: str) -> Test | Operand:
        tokens = self.tokens
        if name != "size" and name not in _TESTS:
            if name in _UPDATE_FUNCTIONS:
                raise tokens.invalid(f"The function is not allowed in a condition expression; function: {name}")
            raise tokens.invalid(f"Invalid function name; function: {name}")
        tokens.next()
        tokens.next()
        tokens.operator()
        operands = [self.operand()]
        while tokens.take(","):
            operands.append(self.operand())
        tokens.expect(")")
        self.function = name
        if len(operands) != _TESTS.get(name, 1):
            raise tokens.invalid(
                f"Incorrect number of operands for operator or function; operator or function: {name}, "
                f"number of operands: {len(operands)}"
            )
        if name == "size":
            return self._size(operands[0])
        return self._function_test(name, operands)

    def _size(self, operand: Operand) -> Operand:
        self.scope.require_type(
            operand, frozenset(("S", "B", "SS", "NS", "BS", "L", "M")), "operator or function: size"
        )
        return Operand(size_reader(operand.read), path=operand.path, function="size")

    def _function_test(self, name: str, operands: list[Operand]) -> Test:
        first = operands[0]
        if name.startswith("attribute_") and (first.path is None or first.function):
            raise self.tokens.invalid(f"Operator or function requires a document path; operator or function: {name}")
        read = first.read
        if name == "attribute_exists":
            return lambda item, values: read(item, values) is not None
        if name == "attribute_not_exists":
            return lambda item, values: read(item, values) is None
        if name == "attribute_type":
            return self._attribute_type(first, operands[1])
        self._distinct(name, first, operands[1])
        other = operands[1].read
        if name == "begins_with":
            for side in operands:
                self.scope.require_type(side, frozenset(("S", "B")), "operator or function: begins_with")
        relate = begins_with if name == "begins_with" else contains

        def related(item: Item, values: Values) -> bool:
            one, two = read(item, values), other(item, values)
            return one is not None and two is not None and relate(one, two)

        return related

    def _attribute_type(self, first: Operand, second: Operand) -> Test:
        tokens, key, read = self.tokens, second.value, first.read
        if key is None:
            raise tokens.invalid(
                "Incorrect operand type for operator or function; operator or function: attribute_type, "
                "operand type: {DOCUMENT_PATH}"
            )
        self.scope.require_type(second, frozenset("S"), "operator or function: attribute_type")

        def check(values: Values) -> None:
            if values[key]["S"] not in TYPES:
                raise tokens.invalid(
                    f"Invalid attribute type name found; type: {values[key]['S']}, valid types: {_TYPE_ORDER}"
                )

        self.scope.checks.append(check)

        def typed(item: Item, values: Values) -> bool:
            found: Value | None = read(item, values)
            return found is not None and type_of(found) == values[key]["S"]

        return typed
