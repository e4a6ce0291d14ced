"""GetItem, PutItem, UpdateItem, DeleteItem."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from tests.services.dynamodb.support import Dynamo, n, run, s

KEY = {"pk": s("a"), "sk": s("b")}


def test_an_item_comes_back_as_it_was_put_in_normal_form() -> None:
    item: dict[str, Any] = {
        **KEY,
        "num": n("1.50"),
        "bin": {"B": b"\x00\xff"},
        "bins": {"BS": [b"b", b"a"]},
        "doc": {"M": {"list": {"L": [{"NULL": True}, {"B": b"x"}]}, "empty": {"M": {}}}},
        "text": s(""),
    }
    expected = {**item, "num": n("1.5"), "bins": {"BS": [b"a", b"b"]}}

    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        await dynamo.put(item)
        assert await dynamo.get(KEY) == expected
        assert await dynamo.get({"pk": s("a"), "sk": s("c")}) is None

    run(body)


def test_on_the_wire_an_item_is_the_json_of_its_row() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        await dynamo.put({**KEY, "bin": {"B": b"\x00"}})
        wire = Dynamo(dynamo.platform, http=SimpleNamespace())
        answer = await wire("GetItem", TableName="tbl", Key=KEY)
        assert orjson.loads(orjson.dumps(answer)) == {"Item": {**KEY, "bin": {"B": "AA=="}}}

    run(body)


def test_projection_and_legacy_attributes_to_get() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        await dynamo.put({**KEY, "a": s("1"), "m": {"M": {"x": s("2"), "y": s("3")}}})
        answer = await dynamo("GetItem", TableName="tbl", Key=KEY, ProjectionExpression="a, m.x")
        assert answer["Item"] == {"a": s("1"), "m": {"M": {"x": s("2")}}}
        answer = await dynamo("GetItem", TableName="tbl", Key=KEY, AttributesToGet=["a"])
        assert answer["Item"] == {"a": s("1")}

    run(body)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"pk": s("a")}, "One or more parameter values were invalid: Missing the key sk in the item"),
        (
            {"pk": n(1), "sk": s("b")},
            "One or more parameter values were invalid: Type mismatch for key pk expected: S actual: N",
        ),
        (
            {"pk": s(""), "sk": s("b")},
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty "
            "string value. Key: pk",
        ),
        (
            {"pk": s("x" * 2049), "sk": s("b")},
            "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes",
        ),
        (
            {"pk": s("a"), "sk": s("x" * 1025)},
            "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of "
            "1024 bytes",
        ),
        ({**KEY, "big": s("x" * (400 << 10))}, "Item size has exceeded the maximum allowed size"),
        ({**KEY, "bad": n("x")}, "The parameter cannot be converted to a numeric value: x"),
    ],
)
def test_items_that_cannot_be_put(item: dict[str, Any], message: str) -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        fault = await dynamo.refused("PutItem", TableName="tbl", Item=item)
        assert (fault.code, fault.message) == ("ValidationException", message)

    run(body)


@pytest.mark.parametrize(
    "key", [{"pk": s("a")}, {"pk": s("a"), "x": s("b")}, {"pk": s("a"), "sk": n(1)}, {**KEY, "x": s("")}]
)
@pytest.mark.parametrize("operation", ["GetItem", "DeleteItem", "UpdateItem"])
def test_a_key_matches_the_schema_exactly(operation: str, key: dict[str, Any]) -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        fault = await dynamo.refused(operation, TableName="tbl", Key=key)
        assert fault.message == "The provided key element does not match the schema"

    run(body)


def test_an_item_of_exactly_400_kb_and_the_longest_keys_fit() -> None:
    key = {"pk": s("p" * 2048), "sk": s("\x00" * 1024)}

    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        room = (400 << 10) - 2 - 2048 - 2 - 1024 - 1
        await dynamo.put({**key, "x": s("é" * (room // 2) + "a" * (room % 2))})
        found = await dynamo.get(key)
        assert found is not None and len(found["x"]["S"].encode()) == room
        fault = await dynamo.refused("PutItem", TableName="tbl", Item={**key, "x": s("a" * (room + 1))})
        assert fault.message == "Item size has exceeded the maximum allowed size"

    run(body)


def test_a_table_that_is_not_there() -> None:
    async def body(dynamo: Dynamo) -> None:
        for operation in ("GetItem", "PutItem"):
            member = "Key" if operation == "GetItem" else "Item"
            fault = await dynamo.refused(operation, TableName="none", **{member: KEY})
            assert (fault.code, fault.message) == ("ResourceNotFoundException", "Requested resource not found")

    run(body)


def test_accounts_and_regions_are_apart() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        await dynamo.put(KEY)
        for where in ({"account": "222222222222"}, {"region": "eu-west-1"}):
            other = Dynamo(dynamo.platform, **where)
            assert (await other.refused("GetItem", TableName="tbl", Key=KEY)).code == "ResourceNotFoundException"
            await other.table()
            assert await other.get(KEY) is None

    run(body)


def test_a_table_may_be_named_by_its_arn() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        arn = "arn:aws:dynamodb:us-east-1:111111111111:table/tbl"
        await dynamo.put(KEY, table=arn)
        assert await dynamo.get(KEY, table=arn) == KEY == await dynamo.get(KEY)

    run(body)


def test_a_condition_that_fails_returns_the_item_when_asked() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        await dynamo.put({**KEY, "v": n(1)})
        condition = {"ConditionExpression": "attribute_not_exists(pk)"}
        fault = await dynamo.refused("PutItem", TableName="tbl", Item=KEY, **condition)
        assert (fault.code, fault.message) == ("ConditionalCheckFailedException", "The conditional request failed")
        assert fault.fields["Item"] is None
        fault = await dynamo.refused(
            "PutItem", TableName="tbl", Item=KEY, ReturnValuesOnConditionCheckFailure="ALL_OLD", **condition
        )
        assert fault.fields["Item"] == {**KEY, "v": n(1)}
        assert await dynamo.get(KEY) == {**KEY, "v": n(1)}

    run(body)


def test_legacy_expected() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        await dynamo.put(KEY, Expected={"pk": {"Exists": False}})
        fault = await dynamo.refused("PutItem", TableName="tbl", Item=KEY, Expected={"pk": {"Exists": False}})
        assert fault.code == "ConditionalCheckFailedException"
        await dynamo("DeleteItem", TableName="tbl", Key=KEY, Expected={"pk": {"Value": s("a")}})
        assert await dynamo.get(KEY) is None

    run(body)


def test_put_and_delete_return_the_old_item_when_asked() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        assert await dynamo.put({**KEY, "v": n(1)}, ReturnValues="ALL_OLD") == {}
        assert (await dynamo.put({**KEY, "v": n(2)}, ReturnValues="ALL_OLD"))["Attributes"]["v"] == n(1)
        assert "Attributes" not in await dynamo.put({**KEY, "v": n(3)})
        gone = await dynamo("DeleteItem", TableName="tbl", Key=KEY, ReturnValues="ALL_OLD")
        assert gone["Attributes"]["v"] == n(3)
        assert await dynamo("DeleteItem", TableName="tbl", Key=KEY, ReturnValues="ALL_OLD") == {}
        fault = await dynamo.refused("PutItem", TableName="tbl", Item=KEY, ReturnValues="ALL_NEW")
        assert fault.message == "ReturnValues can only be ALL_OLD or NONE"

    run(body)


@pytest.mark.parametrize(
    ("wanted", "attributes"),
    [
        ("NONE", None),
        ("ALL_OLD", {**KEY, "a": n(1), "m": {"M": {"x": n(1), "y": n(2)}}}),
        ("UPDATED_OLD", {"a": n(1), "m": {"M": {"x": n(1)}}}),
        ("ALL_NEW", {**KEY, "a": n(2), "m": {"M": {"x": n(5), "y": n(2)}}, "b": s("n")}),
        ("UPDATED_NEW", {"a": n(2), "m": {"M": {"x": n(5)}}, "b": s("n")}),
    ],
)
def test_update_return_values(wanted: str, attributes: dict[str, Any] | None) -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        await dynamo.put({**KEY, "a": n(1), "m": {"M": {"x": n(1), "y": n(2)}}})
        answer = await dynamo(
            "UpdateItem",
            TableName="tbl",
            Key=KEY,
            UpdateExpression="SET a = a + :one, m.x = :five, b = :n",
            ExpressionAttributeValues={":one": n(1), ":five": n(5), ":n": s("n")},
            ReturnValues=wanted,
        )
        assert answer.get("Attributes") == attributes

    run(body)


def test_an_update_makes_an_item_where_there_is_none() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        await dynamo("UpdateItem", TableName="tbl", Key=KEY)
        assert await dynamo.get(KEY) == KEY
        await dynamo("UpdateItem", TableName="tbl", Key=KEY, AttributeUpdates={"c": {"Action": "ADD", "Value": n(3)}})
        assert await dynamo.get(KEY) == {**KEY, "c": n(3)}

    run(body)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            "SET pk = :v",
            "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key",
        ),
        ("SET big = :big", "Item size to update has exceeded the maximum allowed size"),
        ("SET a = nowhere", "The provided expression refers to an attribute that does not exist in the item"),
    ],
)
def test_updates_that_are_refused_leave_nothing(expression: str, message: str) -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        values = {key: value for key, value in ((":v", s("x")), (":big", s("x" * 410_000))) if key in expression}
        request: dict[str, Any] = {"ExpressionAttributeValues": values} if values else {}
        fault = await dynamo.refused("UpdateItem", TableName="tbl", Key=KEY, UpdateExpression=expression, **request)
        assert (fault.code, fault.message) == ("ValidationException", message)
        assert await dynamo.get(KEY) is None

    run(body)


def test_consumed_capacity_of_single_items() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        big = {**KEY, "x": s("x" * 5000)}
        answer = await dynamo.put(big, ReturnConsumedCapacity="TOTAL")
        assert answer["ConsumedCapacity"] == {"TableName": "tbl", "CapacityUnits": 5.0}
        answer = await dynamo.put(KEY, ReturnConsumedCapacity="INDEXES")
        assert answer["ConsumedCapacity"] == {
            "TableName": "tbl",
            "CapacityUnits": 5.0,  # the larger of the item before and after
            "Table": {"CapacityUnits": 5.0},
        }
        await dynamo.put(big)
        for consistent, units in ((False, 1.0), (True, 2.0)):
            answer = await dynamo(
                "GetItem", TableName="tbl", Key=KEY, ConsistentRead=consistent, ReturnConsumedCapacity="TOTAL"
            )
            assert answer["ConsumedCapacity"]["CapacityUnits"] == units
        none = await dynamo(
            "GetItem", TableName="tbl", Key={"pk": s("z"), "sk": s("z")}, ReturnConsumedCapacity="TOTAL"
        )
        assert none["ConsumedCapacity"]["CapacityUnits"] == 0.5

    run(body)


def test_a_schema_that_changed_elsewhere_is_noticed_in_the_transaction() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        await dynamo.put(KEY)
        # Another node drops the table and makes it again: this node's cache is stale.
        elsewhere = Dynamo(type(dynamo.platform)(store=dynamo.platform.store, ids=type(dynamo.platform.ids)(2)))
        await elsewhere("DeleteTable", TableName="tbl")
        fault = await dynamo.refused("GetItem", TableName="tbl", Key=KEY)
        assert fault.code == "ResourceNotFoundException"
        await elsewhere.table(keys="id:N")
        await dynamo.put({"id": n(7)})
        assert await elsewhere.get({"id": n("7.0")}) == {"id": n(7)}
        await elsewhere.settle()

    run(body)


@pytest.mark.parametrize(
    "value", [{"L": [{"NULL": True}] * 130_000}, {"S": "\x01" * 390_000}, {"B": b"\xff" * 409_000}]
)
def test_an_item_whose_json_is_far_larger_than_its_size_is_kept(value: dict[str, Any]) -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        await dynamo.put({**KEY, "x": value})
        assert await dynamo.get(KEY) == {**KEY, "x": value}
        wire = Dynamo(dynamo.platform, http=SimpleNamespace())
        found = orjson.loads(orjson.dumps(await wire("Scan", TableName="tbl")))
        assert found["Count"] == 1 and found["Items"][0]["sk"] == s("b")

    run(body)
