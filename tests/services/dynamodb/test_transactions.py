"""TransactWriteItems and TransactGetItems."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.services.dynamodb import idempotency
from tests.services.dynamodb.support import Dynamo, index, n, run, s


def put(key: str, **more: Any) -> dict[str, Any]:
    expressions = {name: more.pop(name) for name in list(more) if name[0].isupper()}
    return {"Put": {"TableName": "tbl", "Item": {"pk": s(key), **more}, **expressions}}


def key(name: str) -> dict[str, Any]:
    return {"TableName": "tbl", "Key": {"pk": s(name)}}


def test_all_kinds_of_members_in_one_transaction() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(keys="pk:S")
        for name in ("gone", "checked", "counted"):
            await dynamo.put({"pk": s(name), "v": n(1)})
        await dynamo(
            "TransactWriteItems",
            TransactItems=[
                put("new"),
                {"Delete": key("gone")},
                {"ConditionCheck": {**key("checked"), "ConditionExpression": "attribute_exists(pk)"}},
                {
                    "Update": {
                        **key("counted"),
                        "UpdateExpression": "ADD v :one",
                        "ExpressionAttributeValues": {":one": n(1)},
                    }
                },
            ],
        )
        assert await dynamo.get({"pk": s("gone")}) is None
        assert await dynamo.get({"pk": s("new")}) == {"pk": s("new")}
        assert await dynamo.get({"pk": s("counted")}) == {"pk": s("counted"), "v": n(2)}

    run(body)


def test_a_failed_condition_cancels_everything_and_says_why() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(keys="pk:S")
        await dynamo.put({"pk": s("there"), "v": n(1)})
        fault = await dynamo.refused(
            "TransactWriteItems",
            TransactItems=[
                put("new"),
                put(
                    "there",
                    ConditionExpression="attribute_not_exists(pk)",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                ),
                put("absent", ConditionExpression="attribute_exists(pk)"),
            ],
        )
        assert fault.code == "TransactionCanceledException"
        assert fault.message == (
            "Transaction cancelled, please refer cancellation reasons for specific reasons "
            "[None, ConditionalCheckFailed, ConditionalCheckFailed]"
        )
        failed = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
        assert fault.fields["CancellationReasons"] == [
            {"Code": "None"},
            {**failed, "Item": {"pk": s("there"), "v": n(1)}},
            failed,
        ]
        assert await dynamo.get({"pk": s("new")}) is None

    run(body)


def test_what_cannot_be_done_is_a_validation_error_of_its_member() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(keys="pk:S")
        await dynamo.put({"pk": s("a"), "v": s("text")})
        add = {
            "Update": {
                **key("a"),
                "UpdateExpression": "SET v = v + :one",
                "ExpressionAttributeValues": {":one": n(1)},
            }
        }
        fault = await dynamo.refused("TransactWriteItems", TransactItems=[put("b"), add])
        assert fault.fields["CancellationReasons"] == [
            {"Code": "None"},
            {"Code": "ValidationError", "Message": "An operand in the update expression has an incorrect data type"},
        ]
        wrong = {"Delete": {"TableName": "tbl", "Key": {"nope": s("a")}}}
        fault = await dynamo.refused("TransactWriteItems", TransactItems=[wrong, put("b")])
        assert fault.fields["CancellationReasons"][0]["Message"] == "The provided key element does not match the schema"
        assert await dynamo.get({"pk": s("b")}) is None

    run(body)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([put("a"), {"Delete": key("a")}], "Transaction request cannot include multiple operations on one item"),
        ([{**put("a"), "Delete": key("b")}], "TransactItems can only contain one of Check, Put, Update or Delete"),
        (
            [put("a", ConditionExpression="pk =")],
            'Invalid ConditionExpression: Syntax error; token: "<EOF>", near: "="',
        ),
        (
            [put(str(at), x=s("x" * 400_000)) for at in range(11)],
            "Collective size of items in the transaction exceeds the limit of 4 MB",
        ),
    ],
)
def test_refused_as_a_whole(members: list[Any], message: str) -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(keys="pk:S")
        fault = await dynamo.refused("TransactWriteItems", TransactItems=members)
        assert (fault.code, fault.message) == ("ValidationException", message)

    run(body)


def test_a_table_that_is_not_there() -> None:
    async def body(dynamo: Dynamo) -> None:
        fault = await dynamo.refused("TransactWriteItems", TransactItems=[put("a")])
        assert fault.code == "ResourceNotFoundException"
        fault = await dynamo.refused("TransactGetItems", TransactItems=[{"Get": key("a")}])
        assert fault.code == "ResourceNotFoundException"

    run(body)


def test_a_client_request_token_makes_it_once_for_ten_minutes() -> None:
    add = {"Update": {**key("a"), "UpdateExpression": "ADD v :one", "ExpressionAttributeValues": {":one": n(1)}}}

    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(keys="pk:S")
        for _ in range(3):
            await dynamo("TransactWriteItems", TransactItems=[add], ClientRequestToken="once")
        assert (await dynamo.get({"pk": s("a")}) or {})["v"] == n(1)
        again = await dynamo(
            "TransactWriteItems", TransactItems=[add], ClientRequestToken="once", ReturnConsumedCapacity="TOTAL"
        )
        assert again["ConsumedCapacity"] == [{"TableName": "tbl", "CapacityUnits": 2.0, "ReadCapacityUnits": 2.0}]
        fault = await dynamo.refused("TransactWriteItems", TransactItems=[put("b")], ClientRequestToken="once")
        assert fault.code == "IdempotentParameterMismatchException"
        dynamo.platform.clock.advance(600)
        await dynamo("TransactWriteItems", TransactItems=[add], ClientRequestToken="once")
        assert (await dynamo.get({"pk": s("a")}) or {})["v"] == n(2)

    run(body)


def test_expired_tokens_are_forgotten_and_fresh_ones_are_not() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(keys="pk:S")
        store = dynamo.platform.store
        everything = (b"\x00", b"\xff")
        before = len(await store.read(lambda tx: tx.scan(*everything)))
        await dynamo("TransactWriteItems", TransactItems=[{"Delete": key("a")}], ClientRequestToken="old")
        dynamo.platform.clock.advance(300)
        await dynamo("TransactWriteItems", TransactItems=[{"Delete": key("a")}], ClientRequestToken="young")
        dynamo.platform.clock.advance(301)
        await idempotency.forget_expired(dynamo.platform)  # type: ignore[arg-type]
        assert len(await store.read(lambda tx: tx.scan(*everything))) == before + 2
        fault = await dynamo.refused("TransactWriteItems", TransactItems=[put("b")], ClientRequestToken="young")
        assert fault.code == "IdempotentParameterMismatchException"

    run(body)


def test_gets_see_one_point_in_time_and_cost_double() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(keys="pk:S")
        await dynamo.put({"pk": s("a"), "v": n(1)})
        get = {"Get": {**key("a"), "ProjectionExpression": "v"}}
        answer = await dynamo(
            "TransactGetItems", TransactItems=[get, {"Get": key("absent")}], ReturnConsumedCapacity="TOTAL"
        )
        assert answer["Responses"] == [{"Item": {"v": n(1)}}, {}]
        assert answer["ConsumedCapacity"] == [{"TableName": "tbl", "CapacityUnits": 4.0, "ReadCapacityUnits": 4.0}]
        fault = await dynamo.refused("TransactGetItems", TransactItems=[get, get])
        assert fault.message == "Transaction request cannot include multiple operations on one item"

    run(body)


def test_writes_cost_double() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(keys="pk:S")
        answer = await dynamo(
            "TransactWriteItems", TransactItems=[put("a", x=s("x" * 1500)), put("b")], ReturnConsumedCapacity="INDEXES"
        )
        units = {"CapacityUnits": 6.0, "WriteCapacityUnits": 6.0}
        assert answer["ConsumedCapacity"] == [{"TableName": "tbl", **units, "Table": units}]

    run(body)


def test_a_changed_table_is_seen_by_a_transaction() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(keys="pk:S")
        await dynamo.put({"pk": s("a")})
        elsewhere = Dynamo(type(dynamo.platform)(store=dynamo.platform.store, ids=type(dynamo.platform.ids)(2)))
        await elsewhere("DeleteTable", TableName="tbl")
        await elsewhere.table(keys="id:S")
        member = {"Put": {"TableName": "tbl", "Item": {"id": s("x")}}}
        await dynamo("TransactWriteItems", TransactItems=[member])
        answer = await elsewhere(
            "TransactGetItems", TransactItems=[{"Get": {"TableName": "tbl", "Key": {"id": s("x")}}}]
        )
        assert answer["Responses"] == [{"Item": {"id": s("x")}}]
        await elsewhere.settle()

    run(body)


def test_a_transaction_beyond_the_stores_limits_is_refused_by_name() -> None:
    async def body(dynamo: Dynamo) -> None:
        indexes = [index(f"gsi{at}", "g") for at in range(20)]
        await dynamo.table(keys="pk:S g:S", key_count=1, GlobalSecondaryIndexes=indexes)
        members = [put(str(at), g=s("g")) for at in range(100)]
        fault = await dynamo.refused("TransactWriteItems", TransactItems=members)
        assert (fault.code, fault.status) == ("NotImplemented", 501)
        assert (await dynamo("Scan", TableName="tbl"))["Count"] == 0
        await dynamo("TransactWriteItems", TransactItems=members[:90])
        assert (await dynamo("Scan", TableName="tbl", IndexName="gsi19"))["Count"] == 90

    run(body)
