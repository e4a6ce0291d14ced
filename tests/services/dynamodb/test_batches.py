"""BatchGetItem and BatchWriteItem."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.dynamodb.support import Dynamo, index, n, run, s


def put(key: str, **more: Any) -> dict[str, Any]:
    return {"PutRequest": {"Item": {"pk": s(key), **more}}}


def delete(key: str) -> dict[str, Any]:
    return {"DeleteRequest": {"Key": {"pk": s(key)}}}


def test_writes_and_gets_over_several_tables() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table("one", keys="pk:S")
        await dynamo.table("two", keys="pk:S")
        await dynamo.put({"pk": s("old")}, "one")
        answer = await dynamo(
            "BatchWriteItem",
            RequestItems={"one": [put("a", v=n(1)), delete("old")], "two": [put("b")]},
            ReturnConsumedCapacity="TOTAL",
        )
        assert answer["UnprocessedItems"] == {}
        assert answer["ConsumedCapacity"] == [
            {"TableName": "one", "CapacityUnits": 2.0},
            {"TableName": "two", "CapacityUnits": 1.0},
        ]
        found = await dynamo(
            "BatchGetItem",
            RequestItems={
                "one": {"Keys": [{"pk": s("a")}, {"pk": s("old")}], "ProjectionExpression": "v"},
                "two": {"Keys": [{"pk": s("b")}], "ConsistentRead": True},
            },
            ReturnConsumedCapacity="TOTAL",
        )
        assert found["Responses"] == {"one": [{"v": n(1)}], "two": [{"pk": s("b")}]}
        assert found["UnprocessedKeys"] == {}
        assert [entry["CapacityUnits"] for entry in found["ConsumedCapacity"]] == [1.0, 1.0]

    run(body)


@pytest.mark.parametrize(
    ("requests", "message"),
    [
        ([put("a"), put("a")], "Provided list of item keys contains duplicates"),
        ([put("a"), delete("a")], "Provided list of item keys contains duplicates"),
        ([put(str(at)) for at in range(26)], "Too many items requested for the BatchWriteItem call"),
        ([put("a"), put("b", x={"SS": []})], "One or more parameter values were invalid: An string set  may not be empty"),
        ([put("a"), delete("")], "One or more parameter values are not valid. The AttributeValue for a key attribute cannot "
         "contain an empty string value. Key: pk"),
    ],
)  # fmt: skip
def test_a_batch_of_writes_is_checked_before_anything_is_written(requests: list[Any], message: str) -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(keys="pk:S")
        fault = await dynamo.refused("BatchWriteItem", RequestItems={"tbl": requests})
        assert (fault.code, fault.message) == ("ValidationException", message)
        assert await dynamo.get({"pk": s("a")}) is None

    run(body)


def test_refused_gets() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(keys="pk:S")
        keys = [{"pk": s("a")}] * 2
        fault = await dynamo.refused("BatchGetItem", RequestItems={"tbl": {"Keys": keys}})
        assert fault.message == "Provided list of item keys contains duplicates"
        keys = [{"pk": s(str(at))} for at in range(101)]
        fault = await dynamo.refused("BatchGetItem", RequestItems={"tbl": {"Keys": keys}})
        assert fault.message == "Too many items requested for the BatchGetItem call"
        fault = await dynamo.refused("BatchGetItem", RequestItems={"none": {"Keys": keys[:1]}})
        assert fault.code == "ResourceNotFoundException"

    run(body)


def test_an_answer_takes_16_mb_and_the_rest_is_unprocessed() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(keys="pk:S")
        big = "x" * 400_000
        for at in range(45):
            await dynamo.put({"pk": s(str(at)), "x": s(big)})
        asked = {"Keys": [{"pk": s(str(at))} for at in range(45)], "ConsistentRead": True}
        answer = await dynamo("BatchGetItem", RequestItems={"tbl": asked})
        assert len(answer["Responses"]["tbl"]) == 41
        left = answer["UnprocessedKeys"]
        assert left == {"tbl": {"Keys": asked["Keys"][41:], "ConsistentRead": True}}
        rest = await dynamo("BatchGetItem", RequestItems=left)
        assert len(rest["Responses"]["tbl"]) == 4 and rest["UnprocessedKeys"] == {}

    run(body)


def test_a_batch_of_the_largest_items_with_indexes_is_written_whole() -> None:
    async def body(dynamo: Dynamo) -> None:
        indexes = [index(f"gsi{at}", "g") for at in range(4)]
        await dynamo.table(keys="pk:S g:S", key_count=1, GlobalSecondaryIndexes=indexes)
        writes = [put(str(at), g=s("g"), x=s("x" * 400_000)) for at in range(25)]
        answer = await dynamo("BatchWriteItem", RequestItems={"tbl": writes})
        assert answer["UnprocessedItems"] == {}
        described = (await dynamo("DescribeTable", TableName="tbl"))["Table"]
        assert described["ItemCount"] == 25
        assert [entry["ItemCount"] for entry in described["GlobalSecondaryIndexes"]] == [25] * 4

    run(body)
