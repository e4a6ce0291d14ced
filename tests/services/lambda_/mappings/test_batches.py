"""What becomes of a batch: processed, failed, reported in part, filtered, gathered in a window."""

from __future__ import annotations

from typing import Any

from tests.services.lambda_.mappings.support import QUEUE, Bench, bodies, run


def test_messages_are_processed_and_deleted() -> None:
    async def body(bench: Bench) -> None:
        await bench.queues.send(QUEUE, *bodies(25))
        await bench.map()
        assert await bench.settle()
        assert sorted(bench.seen()) == sorted(bodies(25))
        assert max(map(len, bench.batches)) == 10
        assert bench.left() == []
        assert not await bench.settle()

    run(body)


def test_a_failed_batch_is_visible_again_after_the_visibility_timeout() -> None:
    async def body(bench: Bench) -> None:
        def fail(records: list[dict[str, Any]]) -> None:
            raise ValueError("no luck")

        bench.answer = fail
        await bench.map()
        await bench.queues.send(QUEUE, "a", "b")
        await bench.settle()
        assert len(bench.batches) == 1
        assert bench.left() == ["a", "b"]
        await bench.world.later(29)
        assert len(bench.batches) == 1
        counts: list[str] = []
        bench.answer = lambda records: counts.extend(one["attributes"]["ApproximateReceiveCount"] for one in records)
        await bench.world.later(1)
        assert bench.batches[1:] == [["a", "b"]]
        assert counts == ["2", "2"]
        assert bench.left() == []

    run(body)


def test_reported_items_stay_the_others_are_deleted() -> None:
    async def body(bench: Bench) -> None:
        def bad(records: list[dict[str, Any]]) -> dict[str, Any]:
            failed = [record["messageId"] for record in records if "bad" in record["body"]]
            return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}

        bench.answer = bad
        uuid = await bench.map(FunctionResponseTypes=["ReportBatchItemFailures"])
        await bench.queues.send(QUEUE, "a", "bad", "c")
        await bench.settle()
        assert bench.left() == ["bad"]
        await bench.world.later(30)
        assert bench.batches == [["a", "bad", "c"], ["bad"]]
        # Without the setting, what a function returns means nothing.
        await bench.world("UpdateEventSourceMapping", UUID=uuid, FunctionResponseTypes=[])
        await bench.world.later(30)
        assert bench.left() == []

    run(body)


def test_a_response_that_makes_no_sense_fails_the_whole_batch() -> None:
    async def body(bench: Bench) -> None:
        bench.answer = lambda records: {"batchItemFailures": [{"itemIdentifier": ""}]}
        await bench.map(FunctionResponseTypes=["ReportBatchItemFailures"])
        await bench.queues.send(QUEUE, "a", "b")
        await bench.settle()
        assert bench.left() == ["a", "b"]
        bench.answer = lambda records: b"null"
        await bench.world.later(30)
        assert bench.left() == []

    run(body)


def test_filters_delete_what_does_not_match() -> None:
    async def body(bench: Bench) -> None:
        filters = [{"Pattern": '{"body": {"kind": ["big"]}}'}, {"Pattern": '{"body": ["yes"]}'}]
        await bench.map(FilterCriteria={"Filters": filters})
        await bench.queues.send(QUEUE, '{"kind": "big"}', '{"kind": "small"}', "yes", "no")
        await bench.settle()
        assert bench.batches == [['{"kind": "big"}', "yes"]]
        assert bench.left() == []

    run(body)


def test_a_window_gathers_a_batch() -> None:
    async def body(bench: Bench) -> None:
        await bench.map(BatchSize=100, MaximumBatchingWindowInSeconds=10)
        await bench.queues.send(QUEUE, "a")
        await bench.world.later(4)
        await bench.queues.send(QUEUE, "b")
        await bench.world.later(5)
        assert bench.batches == []
        await bench.world.later(1)
        assert bench.batches == [["a", "b"]]
        await bench.queues.send(QUEUE, *bodies(130))
        await bench.settle()
        assert [len(batch) for batch in bench.batches] == [2, 100]
        await bench.world.later(10)
        assert [len(batch) for batch in bench.batches] == [2, 100, 30]
        assert bench.left() == []

    run(body)
