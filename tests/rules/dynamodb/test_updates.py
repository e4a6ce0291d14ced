"""UpdateExpression: what each clause does, and what AWS says of updates it refuses."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from freehold.kit.faults import Fault
from freehold.rules.dynamodb.binding import Bound

ITEM: dict[str, Any] = {
    "n": {"N": "5"},
    "s": {"S": "x"},
    "list": {"L": [{"N": "0"}, {"N": "1"}, {"N": "2"}]},
    "m": {"M": {"a": {"N": "1"}, "l": {"L": [{"S": "p"}]}}},
    "ss": {"SS": ["a", "b"]},
}


def run(text: str, **values: Any) -> dict[str, Any]:
    request: dict[str, Any] = {
        "UpdateExpression": text,
        "ExpressionAttributeNames": {f"#{name}": name for name in ("list",) if f"#{name}" in text},
        "ExpressionAttributeValues": {f":{name}": value for name, value in values.items()},
    }
    request = {name: value for name, value in request.items() if value}
    bound = Bound(request, ("UpdateExpression",), "UpdateExpression is null")
    update = bound.update(request["UpdateExpression"] if text else "")
    bound.finish()
    before = copy.deepcopy(ITEM)
    after = bound.applied(update)(ITEM)
    assert before == ITEM, "an update must not change the item it was given"
    return after


def changed(text: str, **values: Any) -> dict[str, Any]:
    """Only what differs afterwards; removed attributes as None."""
    after = run(text, **values)
    return {name: after.get(name) for name in {*after, *ITEM} if after.get(name) != ITEM.get(name)}


N1, S, L = {"N": "1"}, {"S": "new"}, {"L": [{"S": "t"}]}


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("SET s = :v", {"v": S}, {"s": S}),
        ("SET z = :v, y = n", {"v": S}, {"z": S, "y": {"N": "5"}}),
        ("SET n = n + :v", {"v": N1}, {"n": {"N": "6"}}),
        ("SET n = :v - n", {"v": N1}, {"n": {"N": "-4"}}),
        ("SET n = s, s = n", {}, {"n": {"S": "x"}, "s": {"N": "5"}}),
        ("SET z = if_not_exists(z, :v) + :v", {"v": N1}, {"z": {"N": "2"}}),
        ("SET z = (if_not_exists(n, :v) + :v)", {"v": N1}, {"z": {"N": "6"}}),
        ("SET s = if_not_exists(s, :v)", {"v": S}, {}),
        ("SET #list = list_append(#list, :v)", {"v": L}, {"list": {"L": [*ITEM["list"]["L"], {"S": "t"}]}}),
        ("SET z = list_append(if_not_exists(z, :v), :v)", {"v": L}, {"z": {"L": [{"S": "t"}, {"S": "t"}]}}),
        ("SET m.a = :v", {"v": S}, {"m": {"M": {"a": S, "l": {"L": [{"S": "p"}]}}}}),
        ("SET m.l[0] = :v", {"v": S}, {"m": {"M": {"a": N1, "l": {"L": [S]}}}}),
        ("SET #list[9] = :b, #list[7] = :a", {"a": S, "b": N1}, {"list": {"L": [*ITEM["list"]["L"], S, N1]}}),
        ("REMOVE s, nowhere", {}, {"s": None}),
        ("REMOVE #list[0], #list[2]", {}, {"list": {"L": [{"N": "1"}]}}),
        ("REMOVE m.a", {}, {"m": {"M": {"l": {"L": [{"S": "p"}]}}}}),
        ("SET #list[0] = :v REMOVE #list[1]", {"v": S}, {"list": {"L": [S, {"N": "2"}]}}),
        ("ADD n :v, fresh :v", {"v": N1}, {"n": {"N": "6"}, "fresh": N1}),
        ("ADD ss :v", {"v": {"SS": ["c", "a"]}}, {"ss": {"SS": ["a", "b", "c"]}}),
        ("ADD m.a :v", {"v": N1}, {"m": {"M": {"a": {"N": "2"}, "l": {"L": [{"S": "p"}]}}}}),
        ("DELETE ss :v", {"v": {"SS": ["a", "q"]}}, {"ss": {"SS": ["b"]}}),
        ("DELETE ss :v", {"v": {"SS": ["a", "b"]}}, {"ss": None}),
        ("DELETE nowhere :v", {"v": {"SS": ["a"]}}, {}),
        ("set s = :v remove n", {"v": S}, {"s": S, "n": None}),
    ],
)
def test_clauses(text: str, values: dict[str, Any], expected: dict[str, Any]) -> None:
    assert changed(text, **values) == expected


@pytest.mark.parametrize(
    ("text", "values", "message"),
    [
        (" ", {}, "Invalid UpdateExpression: The expression can not be empty;"),
        ("SET", {}, 'Invalid UpdateExpression: Syntax error; token: "<EOF>", near: "SET"'),
        ("PUT s = :v", {"v": S}, 'Invalid UpdateExpression: Syntax error; token: "PUT", near: "PUT s"'),
        ("SET s = :v,", {"v": S}, 'Invalid UpdateExpression: Syntax error; token: "<EOF>", near: ","'),
        (
            "SET s = :v SET n = :v",
            {"v": S},
            'Invalid UpdateExpression: The "SET" section can only be used once in an update expression;',
        ),
        (
            "SET s = :v REMOVE s",
            {"v": S},
            "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these "
            "paths; path one: [s], path two: [s]",
        ),
        (
            "SET m.a = :v, m.a.b = :v",
            {"v": S},
            "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these "
            "paths; path one: [m, a], path two: [m, a, b]",
        ),
        (
            "SET m.a = :v, m[0] = :v",
            {"v": S},
            "Invalid UpdateExpression: Two document paths conflict with each other; must remove or rewrite one of these "
            "paths; path one: [m, a], path two: [m, [0]]",
        ),
        (
            "SET s = attribute_exists(s)",
            {},
            "Invalid UpdateExpression: The function is not allowed in an update expression; function: attribute_exists",
        ),
        ("SET s = nope(s)", {}, "Invalid UpdateExpression: Invalid function name; function: nope"),
        (
            "SET n = n + :v",
            {"v": S},
            "Invalid UpdateExpression: Incorrect operand type for operator or function; operator or function: +, "
            "operand type: S",
        ),
        (
            "SET n = list_append(n, :v)",
            {"v": S},
            "Invalid UpdateExpression: Incorrect operand type for operator or function; "
            "operator or function: list_append, operand type: S",
        ),
        (
            "ADD n :v",
            {"v": S},
            "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: ADD, "
            "operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND",
        ),
        (
            "DELETE ss :v",
            {"v": N1},
            "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: DELETE, "
            "operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND",
        ),
        (
            "SET name = :v",
            {"v": S},
            "Invalid UpdateExpression: Attribute name is a reserved keyword; reserved keyword: name",
        ),
        ("SET z = nowhere", {}, "The provided expression refers to an attribute that does not exist in the item"),
        (
            "SET z = nowhere + :v",
            {"v": N1},
            "The provided expression refers to an attribute that does not exist in the item",
        ),
        ("SET s = s + :v", {"v": N1}, "An operand in the update expression has an incorrect data type"),
        ("ADD s :v", {"v": N1}, "An operand in the update expression has an incorrect data type"),
        ("SET nowhere.a = :v", {"v": S}, "The document path provided in the update expression is invalid for update"),
        ("SET s.a = :v", {"v": S}, "The document path provided in the update expression is invalid for update"),
        ("SET m[0] = :v", {"v": S}, "The document path provided in the update expression is invalid for update"),
        ("REMOVE nowhere.a", {}, "The document path provided in the update expression is invalid for update"),
        (
            "SET s = :v",
            {"v": S, "w": S},
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}",
        ),
    ],
)
def test_refusals(text: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(Fault) as caught:
        run(text, **values)
    assert (caught.value.code, caught.value.message) == ("ValidationException", message)
