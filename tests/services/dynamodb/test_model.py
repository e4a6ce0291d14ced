"""Random operations against a model: a dict of items, from which every index can be derived."""

from __future__ import annotations

import random
from typing import Any

import pytest

from freehold.kit.faults import Fault
from tests.services.dynamodb.support import Dynamo, index, n, run, s

Item = dict[str, Any]


def random_item(source: random.Random) -> Item:
    item: Item = {"pk": s(source.choice("ab")), "sk": n(source.randint(-3, 3))}
    if source.random() < 0.7:
        item["g"] = s(source.choice("xyz"))
    if source.random() < 0.7:
        item["gs"] = n(source.choice(["-1.5", "0", "2e1", "7"]))
    if source.random() < 0.5:
        item["v"] = n(source.randint(0, 9))
    return item


def key(item: Item) -> Item:
    return {"pk": item["pk"], "sk": item["sk"]}


def place(item: Item) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["N"]


async def step(dynamo: Dynamo, model: dict[tuple[str, str], Item], source: random.Random) -> None:
    item = random_item(source)
    at = place(item)
    existing = model.get(at)
    action = source.choice(["put", "put", "insert", "delete", "move", "count", "transact"])
    try:
        if action == "put":
            await dynamo.put(item)
            model[at] = item
        elif action == "insert":
            await dynamo.put(item, ConditionExpression="attribute_not_exists(pk)")
            assert existing is None
            model[at] = item
        elif action == "delete":
            await dynamo("DeleteItem", TableName="tbl", Key=key(item))
            model.pop(at, None)
        elif action == "move":
            to = source.choice("xyz")
            await dynamo(
                "UpdateItem", TableName="tbl", Key=key(item), UpdateExpression="SET g = :g REMOVE gs",
                ExpressionAttributeValues={":g": s(to)},
            )  # fmt: skip
            changed = {**(existing or key(item)), "g": s(to)}
            changed.pop("gs", None)
            model[at] = changed
        elif action == "count":
            await dynamo(
                "UpdateItem", TableName="tbl", Key=key(item), UpdateExpression="ADD v :one",
                ConditionExpression="attribute_exists(v)", ExpressionAttributeValues={":one": n(1)},
            )  # fmt: skip
            assert existing is not None
            model[at] = {**existing, "v": n(int(existing["v"]["N"]) + 1)}
        else:
            other = random_item(source)
            members = [
                {"Put": {"TableName": "tbl", "Item": item, "ConditionExpression": "attribute_not_exists(v)"}},
                {"Delete": {"TableName": "tbl", "Key": key(other)}},
            ]
            await dynamo("TransactWriteItems", TransactItems=members)
            assert existing is None or "v" not in existing
            model[at] = item
            model.pop(place(other), None)
    except Fault as fault:
        expected = {
            "insert": ("ConditionalCheckFailedException", existing is not None),
            "count": ("ConditionalCheckFailedException", existing is None or "v" not in existing),
        }.get(action, ("", False))
        if action == "transact":
            assert fault.code in ("TransactionCanceledException", "ValidationException")
        else:
            assert (fault.code, True) == expected


async def check(dynamo: Dynamo, model: dict[tuple[str, str], Item]) -> None:
    scanned = await dynamo("Scan", TableName="tbl")
    normal = {at: {**item, **({"gs": n(20)} if item.get("gs") == n("2e1") else {})} for at, item in model.items()}
    assert {place(item): item for item in scanned["Items"]} == normal
    for partition in "ab":
        answer = await dynamo(
            "Query", TableName="tbl", KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": s(partition)}
        )
        wanted = sorted(
            (item for item in normal.values() if item["pk"] == s(partition)), key=lambda i: int(i["sk"]["N"])
        )
        assert answer["Items"] == wanted
    for group in "xyz":
        answer = await dynamo(
            "Query", TableName="tbl", IndexName="gsi", KeyConditionExpression="g = :g",
            ExpressionAttributeValues={":g": s(group)},
        )  # fmt: skip
        inside = [item for item in normal.values() if item.get("g") == s(group) and "gs" in item]
        found = answer["Items"]
        assert sorted(map(place, found)) == sorted(map(place, inside))
        assert [float(item["gs"]["N"]) for item in found] == sorted(float(item["gs"]["N"]) for item in inside)
        kept = ("pk", "sk", "g", "gs", "v")
        by_place = {place(item): {name: item[name] for name in kept if name in item} for item in inside}
        assert {place(item): item for item in found} == by_place


@pytest.mark.parametrize("seed", range(12))
def test_table_and_indexes_agree_after_any_writes(seed: int) -> None:
    async def body(dynamo: Dynamo) -> None:
        source = random.Random(seed)
        await dynamo.table(
            keys="pk:S sk:N g:S gs:N", GlobalSecondaryIndexes=[index("gsi", "g", "gs", "INCLUDE", "v")],
            LocalSecondaryIndexes=[index("lsi", "pk", "gs", "KEYS_ONLY")],
        )  # fmt: skip
        model: dict[tuple[str, str], Item] = {}
        for round_ in range(60):
            await step(dynamo, model, source)
            if round_ % 10 == 9:
                await check(dynamo, model)
        rows = await dynamo.platform.store.read(lambda tx: tx.scan(b"\x00", b"\xff"))
        in_gsi = sum("g" in item and "gs" in item for item in model.values())
        in_lsi = sum("gs" in item for item in model.values())
        assert len(rows) == 2 + len(model) + in_gsi + in_lsi, "no index row outlives its item"

    run(body)
