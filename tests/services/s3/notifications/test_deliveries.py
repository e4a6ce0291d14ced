"""Who is told when: with the change that makes it happen, of each object, and what becomes of what cannot be told."""

from __future__ import annotations

from typing import Any

from freehold.services.s3 import service
from freehold.store.base import LimitExceeded, Tx
from tests.services.s3.notifications.support import QUEUE, TOPIC, configure, listening, records_of, to_queue, told
from tests.services.s3.support import S3, refused, run


def test_deletes_are_told_only_where_there_was_something() -> None:
    async def test(s3: S3) -> None:
        listening(s3)
        await configure(s3, QueueConfigurations=[to_queue("s3:ObjectCreated:*", "s3:ObjectRemoved:*")])
        await told(s3)
        await s3("DeleteObject", Bucket="bucket", Key="never")
        await s3.put("k")
        await s3("DeleteObject", Bucket="bucket", Key="k")
        s3.clock.advance(1)
        await s3.put("k", b"again")
        first, removed, second = await records_of(s3)
        assert removed["eventName"] == "ObjectRemoved:Delete"
        assert removed["s3"]["object"].keys() == {"key", "sequencer"}
        assert first["eventName"] == second["eventName"] == "ObjectCreated:Put"

    run(test)


def test_each_key_of_a_multi_object_delete_is_told() -> None:
    async def test(s3: S3) -> None:
        listening(s3)
        await configure(s3, QueueConfigurations=[to_queue("s3:ObjectRemoved:Delete")])
        await told(s3)
        keys = [f"k{n}" for n in range(7)]
        for key in keys:
            await s3.put(key)
        await s3("DeleteObjects", Bucket="bucket", Delete={"Objects": [{"Key": key} for key in (*keys, "never")]})
        assert [one["s3"]["object"]["key"] for one in await records_of(s3)] == keys

    run(test)


def test_a_multi_object_delete_that_notifies_too_many_is_done_in_pieces() -> None:
    async def test(s3: S3) -> None:
        port = listening(s3)
        await configure(s3, TopicConfigurations=[{"TopicArn": TOPIC, "Events": ["s3:ObjectRemoved:Delete"]}])
        await told(s3, TOPIC)
        for n in range(4):
            await s3.put(f"k{n}")
        calls = []
        publish = port.publish

        def limited(tx: Tx, *args: Any, **options: Any) -> None:
            calls.append(1)
            if len(calls) == 3:  # what the store says of a transaction that has grown too large
                raise LimitExceeded("too much")
            publish(tx, *args, **options)

        port.publish = limited  # type: ignore[method-assign]
        done = await s3("DeleteObjects", Bucket="bucket", Delete={"Objects": [{"Key": f"k{n}"} for n in range(4)]})
        assert len(done["Deleted"]) == 4 and not done["Errors"]
        assert [one["s3"]["object"]["key"] for one in await records_of(s3, TOPIC)] == ["k0", "k1", "k2", "k3"]

    run(test)


def test_a_change_that_is_refused_tells_nobody() -> None:
    async def test(s3: S3) -> None:
        listening(s3)
        await configure(s3, QueueConfigurations=[to_queue("s3:ObjectCreated:*", "s3:ObjectRemoved:*")])
        await s3.put("k")
        await told(s3)
        await refused(s3.put("k", b"y", IfNoneMatch="*"), "PreconditionFailed")
        assert await told(s3) == []

    run(test)


def test_a_destination_that_is_gone_is_dropped_and_counted() -> None:
    async def test(s3: S3) -> None:
        port = listening(s3)
        await configure(s3, QueueConfigurations=[to_queue("s3:ObjectCreated:*") | {"Id": "c"}])
        port.gone[QUEUE] = "QueueDoesNotExist"
        await s3.put("a")
        await s3.put("b")
        assert await s3.get("b") == b"x"
        found = await service.MANIFEST.control["s3-notifications"](s3.platform, {"bucket": "bucket"})
        assert found == {
            "undelivered": [
                {
                    "configurationId": "c", "destination": QUEUE, "count": 2, "lastCode": "QueueDoesNotExist",
                    "lastTimeMs": s3.clock.now_ms(),
                }
            ]
        }  # fmt: skip

    run(test)
