"""What becomes of messages: batches, windows, failures, stops, crashes; on a manual clock."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from freehold.services.pipes import supervisor
from freehold.services.pipes.runner import CONCURRENCY
from freehold.services.pipes.supervisor import Supervisor
from tests.services.pipes.support import (
    BUS,
    DESTINATION,
    FUNCTION,
    OTHER,
    ROLE,
    SOURCE,
    TARGET,
    TOPIC,
    Message,
    Pipes,
    scenario,
)

BODY = {"InputTemplate": "<$.body>"}


async def fine(batch: Any) -> Any:
    return None


async def broken(batch: Any) -> Any:
    raise ValueError("no")


@scenario
async def test_messages_that_waited_go_in_batches(house: Pipes) -> None:
    house.ports.handler = fine
    await house.send(*[str(n) for n in range(25)])
    shown = await house.create(target=FUNCTION, SourceParameters={"SqsQueueParameters": {"BatchSize": 10}})
    assert shown["CurrentState"] == "RUNNING"
    assert sorted(len(batch) for batch in house.ports.invoked) == [5, 10, 10]
    assert house.ports.queues[SOURCE] == []
    record = house.ports.invoked[0][0]
    assert record["body"] == "0" and record["eventSourceARN"] == SOURCE and record["awsRegion"] == "us-east-1"


@scenario
async def test_a_window_gathers_until_its_time_or_a_full_batch(house: Pipes) -> None:
    house.ports.handler = fine
    queue = {"BatchSize": 3, "MaximumBatchingWindowInSeconds": 20}
    await house.create(target=FUNCTION, SourceParameters={"SqsQueueParameters": queue})
    await house.send("a")
    await house.advance(19)
    assert house.ports.invoked == []
    await house.send("b")
    await house.advance(1)
    assert [len(batch) for batch in house.ports.invoked] == [2]
    await house.send("c", "d", "e", "f")
    await house.settle()
    assert [len(batch) for batch in house.ports.invoked] == [2, 3]
    await house.advance(20)
    assert [len(batch) for batch in house.ports.invoked] == [2, 3, 1]


@scenario
async def test_a_batch_is_no_larger_than_a_function_takes(house: Pipes) -> None:
    house.ports.handler = fine
    await house.send(*['"' * 500_000 + str(n) for n in range(10)])
    await house.create(target=FUNCTION)
    assert sum(map(len, house.ports.invoked)) == 10
    assert max(len(orjson.dumps(batch)) for batch in house.ports.invoked) < 6_000_000


@scenario
async def test_what_failed_comes_again_after_its_visibility_timeout(house: Pipes) -> None:
    house.ports.handler = broken
    await house.create(target=FUNCTION)
    await house.send("a")
    await house.settle()
    assert len(house.ports.invoked) == 1 and house.bodies(SOURCE) == ["a"]
    house.ports.handler = fine
    await house.advance(29)
    assert len(house.ports.invoked) == 1
    await house.advance(1)
    assert len(house.ports.invoked) == 2 and house.bodies(SOURCE) == []


@scenario
async def test_a_target_that_takes_some_keeps_the_others_in_the_source(house: Pipes) -> None:
    await house.create(TargetParameters=BODY)
    house.ports.refusing.add("b")
    await house.send("a", "b", "c")
    await house.settle()
    assert (house.bodies(), house.bodies(SOURCE)) == (["a", "c"], ["b"])


@scenario
async def test_what_follows_a_failure_in_its_group_waits_with_it(house: Pipes) -> None:
    await house.create(TargetParameters=BODY)
    house.ports.refusing.add("b")
    for body, group in (("a", "g"), ("b", "g"), ("c", "g"), ("d", "h")):
        house.ports.queues[SOURCE].append(Message(body, body, house.clock.now_ms(), group))
    await house.send()
    await house.settle()
    assert (house.bodies(), house.bodies(SOURCE)) == (["a", "d"], ["b", "c"])


@scenario
async def test_unknown_identifiers_of_failures_bring_the_whole_batch_again(house: Pipes) -> None:
    async def odd(batch: Any) -> Any:
        return {"batchItemFailures": [{"itemIdentifier": "none"}]}

    house.ports.handler = odd
    await house.create(target=FUNCTION)
    await house.send("a", "b")
    await house.settle()
    assert house.bodies(SOURCE) == ["a", "b"]

    async def one(batch: Any) -> Any:
        return {"batchItemFailures": [{"itemIdentifier": batch[0]["messageId"]}]}

    house.ports.handler = one
    await house.advance(30)
    assert len(house.bodies(SOURCE)) == 1


@scenario
async def test_a_slow_pipe_delays_no_other(house: Pipes) -> None:
    go = asyncio.Event()

    async def slow(batch: Any) -> Any:
        await go.wait()

    house.ports.handler = slow
    await house.create("slow", FUNCTION)
    await house.create("quick", TARGET, OTHER, TargetParameters=BODY)
    for number in range(CONCURRENCY):
        await house.send(str(number))
        await house.invoked(number + 1)
    await house.send(*[f"more {number}" for number in range(3)])
    await house.send("x", arn=OTHER)
    await house.until(lambda: house.bodies() == ["x"])
    assert len(house.ports.invoked) == CONCURRENCY
    go.set()
    await house.settle()
    assert house.bodies(SOURCE) == []


@scenario
async def test_a_stop_finishes_what_was_taken(house: Pipes) -> None:
    go = asyncio.Event()

    async def slow(batch: Any) -> Any:
        await go.wait()

    house.ports.handler = slow
    await house.create(target=FUNCTION)
    await house.send("a")
    await house.invoked(1)
    assert (await house("StopPipe", Name="p"))["CurrentState"] == "STOPPING"
    for _ in range(200):
        await asyncio.sleep(0)
    assert (await house("DescribePipe", Name="p"))["CurrentState"] == "STOPPING"
    go.set()
    await house.settle()
    assert (await house("DescribePipe", Name="p"))["CurrentState"] == "STOPPED"
    assert house.bodies(SOURCE) == []
    await house.send("b")
    await house.advance(100)
    assert house.bodies(SOURCE) == ["b"]
    await house("StartPipe", Name="p")
    await house.settle()
    assert house.bodies(SOURCE) == []
    await house("DeletePipe", Name="p")
    await house.settle()
    assert (await house("ListPipes"))["Pipes"] == []


@scenario
async def test_a_server_that_died_goes_on(house: Pipes) -> None:
    await house.create(TargetParameters=BODY)
    await house.create("stopped", source=OTHER, TargetParameters=BODY, DesiredState="STOPPED")
    await house.die()
    await house.send("a")
    await house.send("b", arn=OTHER)
    await house("StartPipe", Name="stopped")  # a transition that nobody works on yet
    assert house.bodies() == []
    await supervisor.start(house.platform)
    assert isinstance(supervisor.of(house.platform), Supervisor)
    await house.settle()
    assert sorted(house.bodies()) == ["a", "b"]
    assert (await house("DescribePipe", Name="stopped"))["CurrentState"] == "RUNNING"


@scenario
async def test_an_idle_pipe_looks_at_nothing(house: Pipes) -> None:
    await house.create()
    looked = house.ports.looked
    for _ in range(200):
        await asyncio.sleep(0)
    assert house.ports.looked == looked
    await house.send("a")
    await house.until(lambda: house.ports.looked > looked)


@scenario
async def test_a_pipe_that_keeps_failing_pauses(house: Pipes) -> None:
    house.ports.handler = broken
    await house.create(target=FUNCTION, SourceParameters={"SqsQueueParameters": {"BatchSize": 1}})
    for body in "abc":
        await house.send(body)
        await house.settle()
    assert len(house.ports.invoked) == 3
    await house.send("d")
    await house.settle()
    assert len(house.ports.invoked) == 3
    await house.advance(0.2)
    assert len(house.ports.invoked) == 4


@scenario
async def test_a_source_that_is_gone_and_comes_back(house: Pipes) -> None:
    await house.create(TargetParameters=BODY)
    del house.ports.queues[SOURCE]
    await house.store.transact(lambda tx: tx.wake(house.ports.watch_key(SOURCE)))
    await house.settle()
    house.ports.queues[SOURCE] = []
    await house.send("a")
    await house.settle()
    assert house.bodies() == ["a"]


@scenario
async def test_targets_that_take_part_in_the_commit(house: Pipes) -> None:
    bus = {"Source": "mine", "DetailType": "$.body.t", "Resources": ["$.messageId"], "Time": "$.body.at"}
    await house.create("bus", BUS, TargetParameters={"EventBridgeEventBusParameters": bus, **BODY})
    await house.send('{"t":"T","at":"2026-01-01T00:00:00Z"}', '{"t":"T"}', "[1]")
    await house.settle()
    [event] = house.ports.put_events.values()
    assert (event.source, event.detail_type, event.time_s) == ("mine", "T", 1_767_225_600.0)
    assert event.detail == {"t": "T", "at": "2026-01-01T00:00:00Z"} and len(house.bodies(SOURCE)) == 2
    await house("DeletePipe", Name="bus")
    house.ports.queues[SOURCE].clear()
    await house.settle()
    await house.create("topic", TOPIC, TargetParameters=BODY)
    await house.send("plain")
    await house.settle()
    assert list(house.ports.notes.values()) == ["plain"]
    await house("DeletePipe", Name="topic")
    await house.settle()
    invocation = {"InvocationType": "FIRE_AND_FORGET"}
    await house.create("function", FUNCTION, TargetParameters={"LambdaFunctionParameters": invocation, **BODY})
    await house.send("text")
    await house.settle()
    assert list(house.ports.notes.values()) == ["plain", '["text"]']


@scenario
async def test_api_destinations_are_called_event_by_event_with_values_of_the_event(house: Pipes) -> None:
    http = {
        "PathParameterValues": ["$.body.id"],
        "HeaderParameters": {"x": "$.messageId"},
        "QueryStringParameters": {"q": "v"},
    }
    await house.create(target=DESTINATION, TargetParameters={"HttpParameters": http, **BODY})
    house.ports.refusing.add('{"id":2}')
    await house.send('{"id":1}', '{"id":2}', "{}")
    await house.settle()
    first, second = house.ports.called
    assert (first["body"], first["path_values"], first["query"]) == ('{"id":1}', ["1"], {"q": "v"})
    assert second["body"] == '{"id":2}' and house.bodies(SOURCE) == ['{"id":2}', "{}"]


@scenario
async def test_an_enrichment_that_answers_nothing_ends_the_execution_successfully(house: Pipes) -> None:
    answers: list[Any] = [[], {}, None, ""]

    async def nothing(batch: Any) -> Any:
        return answers.pop()

    house.ports.handler = nothing
    await house.create(Enrichment=FUNCTION)
    for number in range(4):
        await house.send(str(number))
        await house.settle()
    assert house.bodies() == [] and house.bodies(SOURCE) == [] and answers == []


@scenario
async def test_an_enrichment_by_http_makes_events_of_each_message(house: Pipes) -> None:
    await house.create(Enrichment=DESTINATION, TargetParameters={"InputTemplate": '{"n": <$.a>}'})
    await house.send("x")
    await house.settle()
    assert house.bodies() == ['{"n":1}', '{"n":2}']


@scenario
async def test_a_failed_enrichment_brings_the_messages_again(house: Pipes) -> None:
    house.ports.handler = broken
    template = {"InputTemplate": '{"b": <$.body>}'}
    await house.create(Enrichment=FUNCTION, EnrichmentParameters=template)
    await house.send("x")
    await house.settle()
    assert house.ports.invoked == [[{"b": "x"}]] and house.bodies(SOURCE) == ["x"] and house.bodies() == []


@scenario
async def test_updates_merge_and_take_away(house: Pipes) -> None:
    queue = {"SqsQueueParameters": {"BatchSize": 2}, "FilterCriteria": {"Filters": [{"Pattern": '{"body":["a"]}'}]}}
    await house.create(SourceParameters=queue, TargetParameters=BODY, Description="d")
    await house("UpdatePipe", Name="p", RoleArn=ROLE, SourceParameters={"FilterCriteria": {"Filters": []}})
    await house.settle()
    shown = await house("DescribePipe", Name="p")
    assert shown["SourceParameters"] == {"SqsQueueParameters": {"BatchSize": 2}} and shown["Description"] == "d"
    await house("UpdatePipe", Name="p", RoleArn=ROLE, Target=BUS)
    await house.settle()
    shown = await house("DescribePipe", Name="p")
    assert (shown["Target"], shown["TargetParameters"]) == (BUS, BODY)
    assert orjson.dumps(shown["Tags"]) == b"{}"
    await house("TagResource", resourceArn=shown["Arn"], tags={"a": "1", "b": "2"})
    await house("UntagResource", resourceArn=shown["Arn"], tagKeys=["a"])
    assert (await house("ListTagsForResource", resourceArn=shown["Arn"]))["tags"] == {"b": "2"}
