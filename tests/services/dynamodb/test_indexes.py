"""Global and local secondary indexes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.dynamodb.support import Dynamo, index, n, run, s

Item = dict[str, Any]


async def table(dynamo: Dynamo, projection: str = "ALL", *non_key: str) -> None:
    await dynamo.table(
        keys="pk:S sk:S g:S gs:N ls:N",
        GlobalSecondaryIndexes=[index("gsi", "g", "gs", projection, *non_key)],
        LocalSecondaryIndexes=[index("lsi", "pk", "ls", projection, *non_key)],
    )


async def query(dynamo: Dynamo, name: str, attribute: str, value: str, **more: Any) -> dict[str, Any]:
    values = {":v": s(value), **more.pop("values", {})}
    condition = f"{attribute} = :v" + more.pop("condition", "")
    return await dynamo(
        "Query",
        TableName="tbl",
        IndexName=name,
        KeyConditionExpression=condition,
        ExpressionAttributeValues=values,
        **more,
    )


def item(sk: str, g: str | None = "x", gs: int | None = 1, ls: int | None = 1, **more: Item) -> Item:
    made = {"pk": s("p"), "sk": s(sk), **more}
    for name, value in (("g", s(g) if g else None), ("gs", n(gs) if gs is not None else None)):
        if value:
            made[name] = value
    if ls is not None:
        made["ls"] = n(ls)
    return made


def keys(answer: dict[str, Any]) -> list[str]:
    return [found["sk"]["S"] for found in answer["Items"]]


def test_indexes_order_by_their_sort_key_and_allow_duplicates() -> None:
    async def body(dynamo: Dynamo) -> None:
        await table(dynamo)
        for sk, number in (("a", 3), ("b", 1), ("c", 2), ("d", 2)):
            await dynamo.put(item(sk, gs=number, ls=-number))
        found = keys(await query(dynamo, "gsi", "g", "x"))
        assert (found[0], sorted(found[1:3]), found[3]) == ("b", ["c", "d"], "a")
        found = keys(await query(dynamo, "lsi", "pk", "p"))
        assert (found[0], sorted(found[1:3]), found[3]) == ("a", ["c", "d"], "b")
        some = await query(dynamo, "gsi", "g", "x", condition=" AND gs > :n", values={":n": n(1)})
        assert sorted(keys(some)) == ["a", "c", "d"]
        some = await query(
            dynamo, "lsi", "pk", "p", condition=" AND ls BETWEEN :n AND :m", values={":n": n(-2), ":m": n(-1)}
        )
        assert sorted(keys(some)) == ["b", "c", "d"]

    run(body)


def test_an_index_is_sparse_and_follows_every_write() -> None:
    async def body(dynamo: Dynamo) -> None:
        await table(dynamo)
        await dynamo.put(item("a", g=None))
        await dynamo.put(item("b", gs=None))
        assert keys(await query(dynamo, "gsi", "g", "x")) == []
        update = {"TableName": "tbl", "Key": {"pk": s("p"), "sk": s("a")}}
        await dynamo("UpdateItem", **update, UpdateExpression="SET g = :x", ExpressionAttributeValues={":x": s("x")})
        assert keys(await query(dynamo, "gsi", "g", "x")) == ["a"]
        await dynamo("UpdateItem", **update, UpdateExpression="SET g = :x", ExpressionAttributeValues={":x": s("y")})
        assert keys(await query(dynamo, "gsi", "g", "x")) == []
        assert keys(await query(dynamo, "gsi", "g", "y")) == ["a"]
        await dynamo("UpdateItem", **update, UpdateExpression="SET v = :x", ExpressionAttributeValues={":x": s("new")})
        assert (await query(dynamo, "gsi", "g", "y"))["Items"][0]["v"] == s("new")
        await dynamo("UpdateItem", **update, UpdateExpression="REMOVE g")
        assert keys(await query(dynamo, "gsi", "g", "y")) == []
        await dynamo.put(item("a"))
        await dynamo("DeleteItem", **update)
        assert keys(await query(dynamo, "gsi", "g", "x")) == []
        assert keys(await query(dynamo, "lsi", "pk", "p")) == ["b"]

    run(body)


def test_projections_hold_keys_and_what_they_include() -> None:
    async def body(dynamo: Dynamo) -> None:
        await table(dynamo, "INCLUDE", "v")
        await dynamo.put(item("a", v=s("kept"), w=s("left out")))
        expected = item("a", ls=None, v=s("kept"))
        assert (await query(dynamo, "gsi", "g", "x"))["Items"] == [expected]
        fault = await dynamo.refused(
            "Query", TableName="tbl", IndexName="gsi", KeyConditionExpression="g = :v",
            ExpressionAttributeValues={":v": s("x")}, ProjectionExpression="w",
        )  # fmt: skip
        assert fault.message == (
            "One or more parameter values were invalid: Global secondary index gsi does not project [w]"
        )
        fault = await dynamo.refused(
            "Query", TableName="tbl", IndexName="gsi", KeyConditionExpression="g = :v",
            ExpressionAttributeValues={":v": s("x")}, Select="ALL_ATTRIBUTES",
        )  # fmt: skip
        assert fault.message == (
            "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global secondary "
            "index gsi because its projection type is not ALL"
        )

    run(body)


def test_a_local_index_fetches_what_it_does_not_hold_and_that_costs() -> None:
    async def body(dynamo: Dynamo) -> None:
        await table(dynamo, "KEYS_ONLY")
        whole = item("a", w=s("x" * 5000))
        await dynamo.put(whole)
        keys_only = await query(dynamo, "lsi", "pk", "p", ReturnConsumedCapacity="INDEXES")
        assert keys_only["Items"] == [{"pk": s("p"), "sk": s("a"), "ls": n(1)}]
        assert keys_only["ConsumedCapacity"]["CapacityUnits"] == 0.5
        fetched = await query(dynamo, "lsi", "pk", "p", Select="ALL_ATTRIBUTES", ReturnConsumedCapacity="INDEXES")
        assert fetched["Items"] == [whole]
        assert fetched["ConsumedCapacity"] == {
            "TableName": "tbl",
            "CapacityUnits": 1.5,
            "Table": {"CapacityUnits": 1.0},
            "LocalSecondaryIndexes": {"lsi": {"CapacityUnits": 0.5}},
        }
        part = await query(dynamo, "lsi", "pk", "p", ProjectionExpression="w")
        assert part["Items"] == [{"w": whole["w"]}]

    run(body)


def test_index_pages_resume_by_index_and_table_key() -> None:
    async def body(dynamo: Dynamo) -> None:
        await table(dynamo, "KEYS_ONLY")
        names = [f"{number:02}" for number in range(20)]
        for name in names:
            await dynamo.put(item(name, gs=int(name) // 5))
        for forward in (True, False):
            found: list[str] = []
            more: dict[str, Any] = {}
            while True:
                answer = await query(dynamo, "gsi", "g", "x", Limit=3, ScanIndexForward=forward, **more)
                found += keys(answer)
                if "LastEvaluatedKey" not in answer:
                    break
                assert answer["LastEvaluatedKey"].keys() == {"pk", "sk", "g", "gs"}
                more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
            assert sorted(found) == names
        scanned = await dynamo("Scan", TableName="tbl", IndexName="gsi")
        assert sorted(keys(scanned)) == names

    run(body)


def test_global_indexes_have_no_consistent_reads() -> None:
    async def body(dynamo: Dynamo) -> None:
        await table(dynamo)
        fault = await dynamo.refused(
            "Query", TableName="tbl", IndexName="gsi", KeyConditionExpression="g = :v",
            ExpressionAttributeValues={":v": s("x")}, ConsistentRead=True,
        )  # fmt: skip
        assert fault.message == "Consistent reads are not supported on global secondary indexes"
        await query(dynamo, "lsi", "pk", "p", ConsistentRead=True)

    run(body)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            {"g": n(1)},
            "One or more parameter values were invalid: Type mismatch for Index Key g Expected: S Actual: N IndexName: gsi",
        ),
        (
            {"g": s("")},
            "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The "
            "AttributeValue for a key attribute cannot contain an empty string value. IndexName: gsi, IndexKey: g",
        ),
    ],
)
def test_index_keys_have_their_declared_type(attributes: Item, message: str) -> None:
    async def body(dynamo: Dynamo) -> None:
        await table(dynamo)
        fault = await dynamo.refused("PutItem", TableName="tbl", Item={"pk": s("p"), "sk": s("a"), **attributes})
        assert fault.message == message
        fault = await dynamo.refused(
            "UpdateItem", TableName="tbl", Key={"pk": s("p"), "sk": s("a")}, UpdateExpression="SET g = :v",
            ExpressionAttributeValues={":v": attributes["g"]},
        )  # fmt: skip
        assert "update" in fault.message and fault.code == "ValidationException"

    run(body)


def test_writes_consume_what_they_change_in_indexes() -> None:
    async def body(dynamo: Dynamo) -> None:
        await table(dynamo)
        answer = await dynamo.put(item("a"), ReturnConsumedCapacity="INDEXES")
        assert answer["ConsumedCapacity"] == {
            "TableName": "tbl",
            "CapacityUnits": 3.0,
            "Table": {"CapacityUnits": 1.0},
            "LocalSecondaryIndexes": {"lsi": {"CapacityUnits": 1.0}},
            "GlobalSecondaryIndexes": {"gsi": {"CapacityUnits": 1.0}},
        }
        same = await dynamo.put(item("a"), ReturnConsumedCapacity="INDEXES")
        assert same["ConsumedCapacity"]["CapacityUnits"] == 1.0
        moved = await dynamo.put(item("a", g="y"), ReturnConsumedCapacity="INDEXES")
        assert moved["ConsumedCapacity"]["GlobalSecondaryIndexes"]["gsi"] == {"CapacityUnits": 2.0}

    run(body)


def test_a_new_index_is_filled_while_writes_go_on() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        for number in range(450):
            await dynamo.put({"pk": s("p"), "sk": s(f"{number:03}"), "g": s("x"), "bad": s("no number")})
        await dynamo.put({"pk": s("p"), "sk": s("number"), "g": n(1)})
        answer = await dynamo(
            "UpdateTable",
            TableName="tbl",
            AttributeDefinitions=[{"AttributeName": "g", "AttributeType": "S"}],
            GlobalSecondaryIndexUpdates=[{"Create": index("late", "g", None, "KEYS_ONLY")}],
        )
        assert answer["TableDescription"]["TableStatus"] == "UPDATING"
        creating = (await dynamo("DescribeTable", TableName="tbl"))["Table"]
        assert creating["TableStatus"] == "UPDATING"
        assert creating["GlobalSecondaryIndexes"][0]["IndexStatus"] == "CREATING"
        fault = await dynamo.refused(
            "Query", TableName="tbl", IndexName="late", KeyConditionExpression="g = :v",
            ExpressionAttributeValues={":v": s("x")},
        )  # fmt: skip
        assert "backfilling" in fault.message
        await dynamo("DeleteItem", TableName="tbl", Key={"pk": s("p"), "sk": s("000")})
        await dynamo.put({"pk": s("p"), "sk": s("new"), "g": s("x")})
        await dynamo(
            "UpdateItem", TableName="tbl", Key={"pk": s("p"), "sk": s("number")}, UpdateExpression="SET w = :w",
            ExpressionAttributeValues={":w": s("still no string")},
        )  # fmt: skip
        await dynamo.settle()
        described = (await dynamo("DescribeTable", TableName="tbl"))["Table"]
        assert described["TableStatus"] == described["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE"
        found = await dynamo(
            "Query", TableName="tbl", IndexName="late", KeyConditionExpression="g = :v",
            ExpressionAttributeValues={":v": s("x")},
        )  # fmt: skip
        assert found["Count"] == 450 and "000" not in keys(found) and "new" in keys(found)
        assert described["GlobalSecondaryIndexes"][0]["ItemCount"] == 450

    run(body)


def test_a_dropped_index_leaves_no_rows_and_its_name_may_be_used_again() -> None:
    async def body(dynamo: Dynamo) -> None:
        await table(dynamo)
        await dynamo.put(item("a"))
        await dynamo("UpdateTable", TableName="tbl", GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "gsi"}}])
        described = (await dynamo("DescribeTable", TableName="tbl"))["Table"]
        assert "GlobalSecondaryIndexes" not in described
        assert {d["AttributeName"] for d in described["AttributeDefinitions"]} == {"pk", "sk", "ls"}
        await dynamo.settle()
        definitions = [{"AttributeName": name, "AttributeType": kind} for name, kind in (("g", "S"), ("gs", "N"))]
        await dynamo(
            "UpdateTable", TableName="tbl", AttributeDefinitions=definitions,
            GlobalSecondaryIndexUpdates=[{"Create": index("gsi", "g", "gs")}],
        )  # fmt: skip
        await dynamo.settle()
        assert keys(await query(dynamo, "gsi", "g", "x")) == ["a"]

    run(body)


def test_collection_metrics_are_for_tables_with_local_indexes() -> None:
    async def body(dynamo: Dynamo) -> None:
        await table(dynamo)
        answer = await dynamo.put(item("a"), ReturnItemCollectionMetrics="SIZE")
        assert answer["ItemCollectionMetrics"] == {
            "ItemCollectionKey": {"pk": s("p")}, "SizeEstimateRangeGB": [0.0, 1.0]
        }  # fmt: skip
        await dynamo.table("plain")
        assert await dynamo.put({"pk": s("p"), "sk": s("a")}, "plain", ReturnItemCollectionMetrics="SIZE") == {}

    run(body)


def test_an_index_key_of_any_bytes_fits_and_keeps_its_order() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(keys="pk:S sk:S b:B", GlobalSecondaryIndexes=[index("gsi", "pk", "b", "KEYS_ONLY")])
        raws = [b"\x00" * 1024, b"\x00" * 1023 + b"\x01", b"\x00", b"\x00\x00", b"\xff" * 1024]
        for at, raw in enumerate(raws):
            await dynamo.put({"pk": s("p"), "sk": s(str(at) * 1024), "b": {"B": raw}})
        answer = await query(dynamo, "gsi", "pk", "p")
        assert [found["b"]["B"] for found in answer["Items"]] == sorted(raws)
        prefix = await query(
            dynamo, "gsi", "pk", "p", condition=" AND begins_with(b, :b)", values={":b": {"B": b"\x00\x00"}}
        )
        assert prefix["Count"] == 3

    run(body)
