"""Query and Scan on tables."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.kit.faults import Fault
from tests.services.dynamodb.support import Dynamo, n, run, s

Answer = dict[str, Any]


async def query(dynamo: Dynamo, condition: str, values: dict[str, Any], **more: Any) -> Answer:
    return await dynamo(
        "Query", TableName="tbl", KeyConditionExpression=condition, ExpressionAttributeValues=values, **more
    )


def sorts(answer: Answer) -> list[Any]:
    return [next(iter(item["sk"].values())) for item in answer["Items"]]


@pytest.mark.parametrize(
    ("condition", "operands", "expected"),
    [
        ("", [], [-20, -3, 0, 0.5, 7, 30]),
        ("sk = :x", [0], [0]),
        ("sk < :x", [0], [-20, -3]),
        ("sk <= :x", [0], [-20, -3, 0]),
        ("sk > :x", [0], [0.5, 7, 30]),
        ("sk >= :x", [0], [0, 0.5, 7, 30]),
        ("sk BETWEEN :x AND :y", [-3, 7], [-3, 0, 0.5, 7]),
        ("sk BETWEEN :x AND :y", [8, 9], []),
    ],
)
def test_numbers_are_found_in_their_order(condition: str, operands: list[int], expected: list[float]) -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(keys="pk:S sk:N")
        for number in (7, -3, 30, 0, "0.5", -20):
            await dynamo.put({"pk": s("p"), "sk": n(number)})
        await dynamo.put({"pk": s("q"), "sk": n(1)})
        values = {":p": s("p"), **{key: n(x) for key, x in zip((":x", ":y"), operands, strict=False)}}
        whole = "pk = :p" + (f" AND {condition}" if condition else "")
        assert [float(x) for x in sorts(await query(dynamo, whole, values))] == expected
        backwards = await query(dynamo, whole, values, ScanIndexForward=False)
        assert [float(x) for x in sorts(backwards)] == expected[::-1]

    run(body)


def test_begins_with_finds_prefixes_and_nothing_else() -> None:
    words = ["", "a", "ab", "ab\x00", "ab\uffff", "abc", "ac", "b"]

    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(keys="pk:S sk:S")
        for word in words[1:]:
            await dynamo.put({"pk": s("p"), "sk": s(word)})
        answer = await query(dynamo, "pk = :p AND begins_with(sk, :x)", {":p": s("p"), ":x": s("ab")})
        assert sorts(answer) == ["ab", "ab\x00", "abc", "ab\uffff"]

    run(body)


def test_binary_keys_order_by_unsigned_bytes() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(keys="pk:B sk:B")
        for raw in (b"\x80", b"\x7f", b"\xff\x00", b"\xff"):
            await dynamo.put({"pk": {"B": b"p"}, "sk": {"B": raw}})
        answer = await query(dynamo, "pk = :p", {":p": {"B": b"p"}})
        assert sorts(answer) == [b"\x7f", b"\x80", b"\xff", b"\xff\x00"]

    run(body)


@pytest.mark.parametrize("forward", [True, False])
def test_pages_by_limit_cover_everything_once(forward: bool) -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(keys="pk:S sk:N")
        for number in range(25):
            await dynamo.put({"pk": s("p"), "sk": n(number)})
        found: list[int] = []
        more: dict[str, Any] = {}
        pages = 0
        while True:
            answer = await query(dynamo, "pk = :p", {":p": s("p")}, Limit=10, ScanIndexForward=forward, **more)
            found += [int(x) for x in sorts(answer)]
            pages += 1
            if "LastEvaluatedKey" not in answer:
                break
            more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
        assert found == (list(range(25)) if forward else list(range(24, -1, -1)))
        assert pages == 3
        exact = await query(dynamo, "pk = :p", {":p": s("p")}, Limit=25)
        assert "LastEvaluatedKey" in exact, "AWS does not look beyond a limit that was reached"

    run(body)


def test_a_page_ends_at_1_mb_of_items_before_filtering() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(keys="pk:S sk:N")
        for number in range(12):
            await dynamo.put({"pk": s("p"), "sk": n(number), "x": s("x" * 100_000), "keep": {"BOOL": number % 2 == 0}})
        answer = await query(
            dynamo, "pk = :p", {":p": s("p"), ":t": {"BOOL": True}}, FilterExpression="keep = :t",
            ReturnConsumedCapacity="TOTAL",
        )  # fmt: skip
        assert (answer["Count"], answer["ScannedCount"]) == (6, 11)
        assert answer["LastEvaluatedKey"] == {"pk": s("p"), "sk": n(10)}
        assert 134 <= answer["ConsumedCapacity"]["CapacityUnits"] <= 135
        rest = await query(dynamo, "pk = :p", {":p": s("p")}, ExclusiveStartKey=answer["LastEvaluatedKey"])
        assert sorts(rest) == ["11"] and "LastEvaluatedKey" not in rest

    run(body)


def test_many_small_items_are_one_page() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(keys="pk:S sk:N")
        for at in range(0, 2500, 25):
            puts = [{"PutRequest": {"Item": {"pk": s("p"), "sk": n(number)}}} for number in range(at, at + 25)]
            await dynamo("BatchWriteItem", RequestItems={"tbl": puts})
        answer = await query(dynamo, "pk = :p", {":p": s("p")})
        assert [int(x) for x in sorts(answer)] == list(range(2500))
        assert "LastEvaluatedKey" not in answer
        assert (await dynamo("Scan", TableName="tbl", Select="COUNT")) == {"Count": 2500, "ScannedCount": 2500}

    run(body)


def test_select_and_projection() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        await dynamo.put({"pk": s("p"), "sk": s("1"), "a": n(1), "b": n(2)})
        count = await query(dynamo, "pk = :p", {":p": s("p")}, Select="COUNT")
        assert count == {"Count": 1, "ScannedCount": 1}
        part = await query(dynamo, "pk = :p", {":p": s("p")}, ProjectionExpression="a")
        assert part["Items"] == [{"a": n(1)}]
        legacy = await dynamo(
            "Query",
            TableName="tbl",
            KeyConditions={"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [s("p")]}},
            QueryFilter={"a": {"ComparisonOperator": "GT", "AttributeValueList": [n(0)]}},
            AttributesToGet=["b"],
        )
        assert legacy["Items"] == [{"b": n(2)}]

    run(body)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({}, "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."),
        ({"KeyConditionExpression": "sk = :p"}, "Query condition missed key schema element: pk"),
        (
            {"KeyConditionExpression": "pk = :p", "FilterExpression": "sk = :p"},
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk",
        ),
        (
            {"KeyConditionExpression": "pk = :p", "IndexName": "none"},
            "The table does not have the specified index: none",
        ),
        (
            {"KeyConditionExpression": "pk = :p", "Select": "ALL_PROJECTED_ATTRIBUTES"},
            "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
        ),
        (
            {"KeyConditionExpression": "pk = :p", "Select": "COUNT", "ProjectionExpression": "a"},
            "Cannot specify the ProjectionExpression when choosing to get only the Count",
        ),
        (
            {"KeyConditionExpression": "pk = :p", "ExclusiveStartKey": {"pk": s("p")}},
            "The provided starting key is invalid",
        ),
        (
            {"KeyConditionExpression": "pk = :p", "ExclusiveStartKey": {"pk": s("other"), "sk": s("1")}},
            "The provided starting key is outside query boundaries based on provided conditions",
        ),
        (
            {"KeyConditionExpression": "pk = :p", "ExclusiveStartKey": {"pk": s("p"), "sk": n(1)}},
            "The provided starting key is invalid: The provided key element does not match the schema",
        ),
        (
            {"KeyConditionExpression": "pk = :p", "QueryFilter": {}},
            "Can not use both expression and non-expression parameters in the same request: "
            "Non-expression parameters: {QueryFilter} Expression parameters: {KeyConditionExpression}",
        ),
    ],
)
def test_refused_queries(request_: dict[str, Any], message: str) -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        values = {"ExpressionAttributeValues": {":p": s("p")}} if request_ else {}
        fault = await dynamo.refused("Query", TableName="tbl", **request_, **values)
        assert (fault.code, fault.message) == ("ValidationException", message)

    run(body)


def test_scan_pages_filters_and_segments() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(keys="pk:S")
        names = {f"k{number}" for number in range(60)}
        for name in names:
            await dynamo.put({"pk": s(name), "even": {"BOOL": int(name[1:]) % 2 == 0}})
        found: list[str] = []
        more: dict[str, Any] = {}
        while True:
            answer = await dynamo("Scan", TableName="tbl", Limit=7, **more)
            found += [item["pk"]["S"] for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                break
            more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
        assert sorted(found) == sorted(names)
        assert found != sorted(found), "a scan is in the order of hashes"
        filtered = await dynamo(
            "Scan", TableName="tbl", FilterExpression="even = :t", ExpressionAttributeValues={":t": {"BOOL": True}}
        )
        assert (filtered["Count"], filtered["ScannedCount"]) == (30, 60)
        parts: list[str] = []
        for segment in range(4):
            answer = await dynamo("Scan", TableName="tbl", Segment=segment, TotalSegments=4)
            assert 0 < answer["Count"] < 60
            parts += [item["pk"]["S"] for item in answer["Items"]]
        assert sorted(parts) == sorted(names)

    run(body)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            {"Segment": 1},
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
        ),
        (
            {"TotalSegments": 1},
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
        ),
        (
            {"Segment": 4, "TotalSegments": 4},
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 4 is not less than "
            "TotalSegments: 4",
        ),
        ({"ExclusiveStartKey": {"x": s("a")}}, "The provided starting key is invalid"),
    ],
)
def test_refused_scans(request_: dict[str, Any], message: str) -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        fault = await dynamo.refused("Scan", TableName="tbl", **request_)
        assert fault.message == message

    run(body)


def test_a_start_key_of_another_segment_is_refused() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(keys="pk:S")
        faults = 0
        for segment in range(2):
            try:
                await dynamo(
                    "Scan", TableName="tbl", Segment=segment, TotalSegments=2, ExclusiveStartKey={"pk": s("k")}
                )
            except Fault as fault:
                assert "Please use ExclusiveStartKey with correct Segment. TotalSegments: 2" in str(fault)
                faults += 1
        assert faults == 1

    run(body)
