"""Provisioned throughput."""

from __future__ import annotations

from typing import Any, cast

import pytest

from freehold.services.dynamodb.catalog import memory
from freehold.services.dynamodb.throttling import BURST_SECONDS, Bucket
from freehold.work.members import Members
from tests.services.dynamodb.support import Dynamo, index, n, run, s

ONE = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
PROVISIONED: dict[str, Any] = {"BillingMode": "PROVISIONED", "ProvisionedThroughput": ONE}


def test_a_bucket_keeps_300_seconds_and_goes_into_debt() -> None:
    bucket = Bucket(2.0, now=0.0)
    assert bucket.admits(2.0, 0.0)
    bucket.take(2.0 * BURST_SECONDS + 10)
    assert not bucket.admits(2.0, 4.0)
    assert bucket.admits(2.0, 6.0)
    assert bucket.admits(2.0, 1e9)
    bucket.take(2.0 * BURST_SECONDS)
    assert not bucket.admits(2.0, 1e9)


def test_writes_beyond_the_burst_are_refused_and_reads_are_not() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(keys="pk:S", **PROVISIONED)
        for at in range(2):
            await dynamo.put({"pk": s(str(at)), "x": s("x" * 200_000)})
        fault = await dynamo.refused("PutItem", TableName="tbl", Item={"pk": s("2")})
        assert fault.code == "ProvisionedThroughputExceededException"
        assert fault.message == (
            "The level of configured provisioned throughput for the table was exceeded. "
            "Consider increasing your provisioning level with the UpdateTable API."
        )
        assert await dynamo.get({"pk": s("0")}) is not None
        batch = {"tbl": [{"PutRequest": {"Item": {"pk": s("3")}}}]}
        assert (await dynamo.refused("BatchWriteItem", RequestItems=batch)).code == fault.code
        await dynamo.table("free", keys="pk:S")
        mixed = await dynamo("BatchWriteItem", RequestItems={**batch, "free": batch["tbl"]})
        assert mixed["UnprocessedItems"] == batch
        member = {"Put": {"TableName": "tbl", "Item": {"pk": s("3")}}}
        cancelled = await dynamo.refused("TransactWriteItems", TransactItems=[member])
        assert cancelled.fields["CancellationReasons"][0]["Code"] == "ProvisionedThroughputExceeded"
        await dynamo("UpdateTable", TableName="tbl", BillingMode="PAY_PER_REQUEST")
        await dynamo.put({"pk": s("3")})

    run(body)


def test_a_node_of_two_has_half_of_the_throughput(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(keys="pk:S", **PROVISIONED)
        monkeypatch.setattr(Members, "size", 2)
        await dynamo.put({"pk": s("0"), "x": s("x" * 200_000)})
        fault = await dynamo.refused("PutItem", TableName="tbl", Item={"pk": s("1")})
        assert fault.code == "ProvisionedThroughputExceededException"

    run(body)


def test_reads_of_a_global_index_have_its_own_throughput() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(
            keys="pk:S g:S",
            key_count=1,
            GlobalSecondaryIndexes=[{**index("gsi", "g"), "ProvisionedThroughput": {**ONE, "WriteCapacityUnits": 9}}],
            **{**PROVISIONED, "ProvisionedThroughput": {"ReadCapacityUnits": 100, "WriteCapacityUnits": 9}},
        )
        for at in range(6):
            await dynamo.put({"pk": s(str(at)), "g": s("g"), "x": s("x" * 300_000), "n": n(at)})
        scan = {"TableName": "tbl", "IndexName": "gsi", "Select": "COUNT"}
        for _ in range(3):
            await dynamo("Scan", **scan)
        fault = await dynamo.refused("Scan", **scan)
        assert "one or more global secondary indexes" in fault.message
        assert fault.fields["ThrottlingReasons"][0]["reason"] == "IndexReadProvisionedThroughputExceeded"
        assert (await dynamo("Scan", TableName="tbl", Select="COUNT"))["Count"] == 4

    run(body)


def test_nothing_of_a_deleted_table_stays_in_memory() -> None:
    async def body(dynamo: Dynamo) -> None:
        known = memory(cast(Any, dynamo.platform))
        await dynamo.table(keys="pk:S", **PROVISIONED)
        await dynamo.put({"pk": s("1")})
        assert known.schemas and known.buckets
        await dynamo("DeleteTable", TableName="tbl")
        assert not known.schemas and not known.buckets and not known.counts

    run(body)
