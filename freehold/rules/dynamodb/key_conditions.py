"""KeyConditionExpression: the equality of a partition key and at most one condition on a sort key.

    hash = :value [AND sort (=|<|<=|>|>=) :value | sort BETWEEN :low AND :high | begins_with(sort, :prefix)]

The same value (`KeyCondition`) stands for the legacy KeyConditions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from freehold.kit.faults import Fault
from freehold.rules.dynamodb.operands import Values, check_bounds
from freehold.rules.dynamodb.paths import Names
from freehold.rules.dynamodb.paths import parse as parse_path
from freehold.rules.dynamodb.tokens import END, NAME, VALUE, Token, Tokens
from freehold.rules.dynamodb.values import Value, invalid, type_of

WHAT = "KeyConditionExpression"
_FLIPPED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_MISSED = "Query condition missed key schema element: "
_UNSUPPORTED = "Query key condition not supported"


@dataclass(frozen=True, slots=True)
class Clause:
    """A condition on one attribute: operator (=, <, <=, >, >=, BETWEEN, begins_with) and value placeholders."""

    attribute: str
    operator: str
    operands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyConditionExpression:
    """A parsed KeyConditionExpression, not yet matched with a key schema."""

    clauses: tuple[Clause, ...]
    names: frozenset[str]
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class KeySchema:
    """What a query may ask for: the key of a table or of an `index`, with the types of its attributes."""

    types: dict[str, str]
    hash: str
    sort: str | None
    index: str | None = None


@dataclass(frozen=True, slots=True)
class KeyCondition:
    """What a query looks for: a partition, and a range of its sort keys."""

    partition: Value
    operator: str = ""
    operands: tuple[Value, ...] = ()


@lru_cache(1024)
def compile_key_condition(text: str, names: tuple[tuple[str, str], ...]) -> KeyConditionExpression:
    """Parse a KeyConditionExpression."""
    parser = _Parser(Tokens(WHAT, text), Names(dict(names)))
    clauses = parser.conjunction()
    if parser.tokens.token.kind != END:
        raise parser.unexpected()
    seen = set()
    for clause in clauses:
        if clause.attribute in seen:
            raise invalid("KeyConditionExpressions must only contain one condition per key")
        seen.add(clause.attribute)
    values = frozenset(key for clause in clauses for key in clause.operands)
    return KeyConditionExpression(tuple(clauses), frozenset(parser.names.used), values)


def bind(expression: KeyConditionExpression, schema: KeySchema, values: Values) -> KeyCondition:
    """Match a parsed expression with a key schema and values."""
    for key in sorted(expression.values - values.keys()):
        raise invalid(
            f"Invalid {WHAT}: An expression attribute value used in expression is not defined; attribute value: {key}"
        )
    conditions = {
        clause.attribute: (clause.operator, tuple(values[key] for key in clause.operands))
        for clause in expression.clauses
    }
    return match(conditions, schema)


def match(conditions: dict[str, tuple[str, tuple[Value, ...]]], schema: KeySchema) -> KeyCondition:
    """Match conditions by attribute name with a key schema."""
    if len(conditions) > 2:
        raise invalid("Conditions can be of length 1 or 2 only")
    hash_name, sort_name, index = schema.hash, schema.sort, schema.index
    partition = conditions.get(hash_name)
    if partition is None:
        raise invalid(_MISSED + hash_name)
    sort = conditions.get(sort_name) if sort_name is not None else None
    if len(conditions) == 2 and sort is None:
        if sort_name is None:
            raise invalid(_UNSUPPORTED)
        raise invalid(_MISSED + sort_name)
    if partition[0] != "=":
        raise invalid(_UNSUPPORTED)
    _check_types(partition[1], schema.types[hash_name])
    _check_not_empty(hash_name, partition[1], index)
    if sort is None:
        return KeyCondition(partition[1][0])
    operator, operands = sort
    assert sort_name is not None
    if operator == "begins_with" and schema.types[sort_name] == "N":
        raise invalid(
            f"Invalid {WHAT}: Incorrect operand type for operator or function; "
            "operator or function: begins_with, operand type: N"
        )
    _check_types(operands, schema.types[sort_name])
    _check_not_empty(sort_name, operands, index)
    if operator == "BETWEEN":
        check_bounds("BETWEEN", _invalid, *operands)
    return KeyCondition(partition[1][0], operator, operands)


def _invalid(message: str) -> Fault:
    return invalid(f"Invalid {WHAT}: {message}")


def _check_types(operands: tuple[Value, ...], kind: str) -> None:
    for operand in operands:
        if type_of(operand) != kind:
            raise invalid(
                "One or more parameter values were invalid: Condition parameter type does not match schema type"
            )


def _check_not_empty(name: str, operands: tuple[Value, ...], index: str | None) -> None:
    for operand in operands:
        ((kind, content),) = operand.items()
        if not content:
            what = "string" if kind == "S" else "binary"
            text = f"The AttributeValue for a key attribute cannot contain an empty {what} value."
            if index is None:
                raise invalid(f"One or more parameter values are not valid. {text} Key: {name}")
            raise invalid(
                "One or more parameter values are not valid. A value specified for a secondary index key is not supported. "
                f"{text} IndexName: {index}, IndexKey: {name}"
            )


class _Parser:
    def __init__(self, tokens: Tokens, names: Names) -> None:
        self.tokens = tokens
        self.names = names
        self.depth = 0

    def unexpected(self) -> Fault:
        word = self.tokens.token.word
        if word in ("OR", "NOT", "IN") or word == "<>":
            return self.tokens.invalid(f"Invalid operator used in KeyConditionExpression: {word}")
        return self.tokens.error()

    def conjunction(self) -> list[Clause]:
        clauses = self.clause()
        while self.tokens.take("AND"):
            self.tokens.operator()
            clauses += self.clause()
        return clauses

    def clause(self) -> list[Clause]:
        tokens = self.tokens
        token = tokens.token
        if token.word == "NOT" and token.kind == NAME:
            raise self.unexpected()
        if tokens.take("("):
            self.depth += 1
            if self.depth > 32:
                raise tokens.error()
            inner = self.conjunction()
            if not tokens.take(")"):
                raise self.unexpected()
            self.depth -= 1
            return inner
        if token.kind == NAME and tokens.peek().text == "(":
            return [self.begins_with(token)]
        if token.kind == VALUE:
            value = tokens.next().text
            operator = self.comparator()
            return [Clause(self.attribute(), _FLIPPED[operator], (value,))]
        attribute = self.attribute()
        if tokens.take("BETWEEN"):
            tokens.operator(2)
            low = self.value()
            tokens.expect("AND")
            return [Clause(attribute, "BETWEEN", (low, self.value()))]
        operator = self.comparator()
        return [Clause(attribute, operator, (self.value(),))]

    def comparator(self) -> str:
        token = self.tokens.token
        if token.text not in _FLIPPED:
            raise self.unexpected()
        self.tokens.operator()
        return self.tokens.next().text

    def attribute(self) -> str:
        path = parse_path(self.tokens, self.names)
        if len(path) > 1:
            raise invalid("KeyConditionExpressions cannot have conditions on nested attributes")
        return str(path[0])

    def value(self) -> str:
        token = self.tokens.token
        if token.kind == VALUE:
            return self.tokens.next().text
        if token.kind in ("name", "alias"):
            raise self.tokens.invalid(
                f"KeyConditionExpressions must have a value as the operand of a condition; operand: {token.text}"
            )
        raise self.tokens.error()

    def begins_with(self, token: Token) -> Clause:
        tokens = self.tokens
        if token.text != "begins_with":
            if token.text in ("attribute_exists", "attribute_not_exists", "attribute_type", "contains", "size"):
                raise tokens.invalid(f"Invalid operator used in KeyConditionExpression: {token.text}")
            raise tokens.invalid(f"Invalid function name; function: {token.text}")
        tokens.next()
        tokens.next()
        tokens.operator()
        attribute = self.attribute()
        tokens.expect(",")
        prefix = self.value()
        tokens.expect(")")
        return Clause(attribute, "begins_with", (prefix,))
