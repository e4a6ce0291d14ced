"""Asynchronous invocations: kept, run, tried again, ended."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import msgspec

from freehold.kit.tuples import span
from freehold.runtime.base import FunctionSpec, Invocation, Outcome, RuntimeUnavailable, Throttled
from freehold.services.lambda_.asynchronous import events
from freehold.services.lambda_.asynchronous.lanes import Lane
from freehold.store.base import Tx
from tests.services.lambda_.helpers import run
from tests.services.lambda_.nodes import until
from tests.services.lambda_.support import ACCOUNT, REGION, World


async def fail(spec: FunctionSpec, invocation: Invocation) -> Outcome:
    return Outcome(b'{"errorMessage": "no", "errorType": "E"}', "Unhandled", error_type="E")


async def invoke(world: World, name: str = "hello", payload: bytes = b'{"a": 1}', **more: Any) -> None:
    await world("Invoke", FunctionName=name, InvocationType="Event", Payload=payload, **more)


async def waiting(world: World) -> int:
    """Rows of events and of their payloads."""
    store = world.platform.store
    found = await store.read(lambda tx: tx.scan(*span("lambda", "event")) + tx.scan(*span("lambda", "event-payload")))
    return len(found)


async def meter(world: World, name: str) -> float:
    await world.platform.meters.flush()
    now = world.clock.now_ms()
    points = await world.platform.meters.read(ACCOUNT, REGION, f"AWS/Lambda:{name}", now - 7 * 86_400_000, now + 60_000)
    return sum(point.sum for point in points)


def adding(added: list[events.Event], due_ms: int) -> Callable[[Tx], None]:
    def body(tx: Tx) -> None:
        for event in added:
            events.add(tx, event, due_ms)

    return body


async def later(world: World, seconds: float) -> None:
    """Let service time pass, stopping wherever something is due, as `freehold clock advance` does."""
    await world.later(seconds)


def test_events_are_kept_and_run_and_failures_come_again_after_one_and_two_minutes() -> None:
    async def body(world: World) -> None:
        world.runtime.body = fail
        await world.create()
        answer = await world("Invoke", FunctionName="hello", InvocationType="Event", Payload=b'{"a": 1}')
        assert answer == {"StatusCode": 202, "Payload": b""}
        await world.settle()
        assert len(world.runtime.seen) == 1
        for seconds, runs in ((59, 1), (1, 2), (119, 2), (1, 3), (3600, 3)):
            world.clock.advance(seconds)
            await world.settle()
            assert len(world.runtime.seen) == runs
        requests = {invocation.request_id for _, invocation in world.runtime.seen}
        assert len(requests) == 1, "a retry keeps the request id"
        assert await waiting(world) == 0
        assert await meter(world, "AsyncEventsReceived") == 1
        assert await meter(world, "AsyncEventsDropped") == 1

    run(body)


def test_large_payloads_lie_beside_their_event_and_go_with_it() -> None:
    async def body(world: World) -> None:
        world.runtime.body = fail
        await world.create()
        await invoke(world, payload=b'"' + b"x" * 5_000 + b'"')
        assert await waiting(world) == 2
        await later(world, 60)
        assert [len(invocation.payload) for _, invocation in world.runtime.seen] == [5_002, 5_002]
        assert await waiting(world) == 2
        await later(world, 3600)
        assert await waiting(world) == 0

    run(body)


def test_an_event_of_a_function_without_room_waits_untouched_and_runs_when_there_is() -> None:
    async def body(world: World) -> None:
        gate = asyncio.Event()

        async def wait(spec: FunctionSpec, invocation: Invocation) -> Outcome:
            await gate.wait()
            return Outcome(b"null")

        world.runtime.body = wait
        await world.create()
        await world("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=1)
        holding = asyncio.ensure_future(world("Invoke", FunctionName="hello"))
        await asyncio.sleep(0)
        await invoke(world)
        await world.settle()
        for seconds in (1, 2, 4, 8, 16):
            await later(world, seconds)
        assert len(world.runtime.seen) == 1
        gate.set()
        await holding
        await later(world, 300)
        assert len(world.runtime.seen) == 2, "throttles do not count as tries"
        assert await meter(world, "AsyncEventAge") >= 31_000

    run(body)


def test_when_concurrency_is_set_anew_waiting_events_run_at_once() -> None:
    async def body(world: World) -> None:
        gate = asyncio.Event()

        async def wait(spec: FunctionSpec, invocation: Invocation) -> Outcome:
            await gate.wait()
            return Outcome(b"null")

        world.runtime.body = wait
        await world.create()
        await world("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=1)
        for _ in range(4):
            await invoke(world)
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(world.runtime.seen) == 1
        await world("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=3)
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(world.runtime.seen) == 3
        gate.set()
        await world.settle()
        assert len(world.runtime.seen) == 4

    run(body)


def test_throttles_are_tried_again_after_1_second_doubling_to_5_minutes_up_to_six_hours() -> None:
    async def body(world: World) -> None:
        tries: list[int] = []
        start = world.clock.now_ms()

        async def throttle(spec: FunctionSpec, invocation: Invocation) -> Outcome:
            tries.append((world.clock.now_ms() - start) // 1000)
            raise Throttled("ConcurrentInvocationLimitExceeded")

        world.runtime.body = throttle
        await world.create()
        await invoke(world)
        await world.settle()
        await later(world, 7 * 3600)
        assert tries[:11] == [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811]
        assert {after - before for before, after in itertools.pairwise(tries[10:])} == {300}
        assert tries[-1] <= 6 * 3600 and len(tries) < 90
        assert await waiting(world) == 0
        assert await meter(world, "AsyncEventsDropped") == 1

    run(body)


def test_what_lambda_itself_fails_at_is_not_a_try_of_the_function() -> None:
    async def body(world: World) -> None:
        broken = True

        async def trouble(spec: FunctionSpec, invocation: Invocation) -> Outcome:
            if broken:
                raise RuntimeUnavailable("no interpreter")
            return Outcome(b"null")

        world.runtime.body = trouble
        await world.create()
        await invoke(world)
        await later(world, 3600)
        assert len(world.runtime.seen) > 10
        broken = False
        await later(world, 300)
        assert await waiting(world) == 0 and await meter(world, "AsyncEventsDropped") == 0

    run(body)


def test_events_of_a_deleted_function_are_dropped() -> None:
    async def body(world: World) -> None:
        world.runtime.body = fail
        await world.create()
        await invoke(world)
        await world.settle()
        await world("DeleteFunction", FunctionName="hello")
        await later(world, 60)
        assert await waiting(world) == 0 and len(world.runtime.seen) == 1
        assert await meter(world, "AsyncEventsDropped") == 1

    run(body)


def test_settings_of_the_moment_decide_about_events_under_way() -> None:
    async def body(world: World) -> None:
        world.runtime.body = fail
        await world.create()
        await world("PutFunctionEventInvokeConfig", FunctionName="hello", MaximumRetryAttempts=2)
        await invoke(world)
        await world.settle()
        await world("UpdateFunctionEventInvokeConfig", FunctionName="hello", MaximumRetryAttempts=1)
        await later(world, 3600)
        assert len(world.runtime.seen) == 2

    run(body)


def test_no_retries_and_a_short_life() -> None:
    async def body(world: World) -> None:
        world.runtime.body = fail
        await world.create()
        await world("PutFunctionEventInvokeConfig", FunctionName="hello", MaximumRetryAttempts=0)
        await invoke(world)
        await later(world, 3600)
        assert len(world.runtime.seen) == 1
        await world("PutFunctionEventInvokeConfig", FunctionName="hello", MaximumEventAgeInSeconds=90)
        await invoke(world)
        await later(world, 3600)
        assert len(world.runtime.seen) == 3, "the second retry would come after the event's 90 seconds"

    run(body)


def test_however_large_rows_are_all_of_them_are_found() -> None:
    async def body(world: World) -> None:
        await world.create()
        now = world.clock.now_ms()
        many = [
            events.Event(ACCOUNT, REGION, "hello", "", f"{n:04}", b"1" * 1_024, now, "c" * 3_583, "t" * size)
            for n in range(150)
            for size in (2_048 + n % 2,)
        ]
        await world.platform.store.transact(adding(many, now))
        await world.settle()
        assert len(world.runtime.seen) == 150
        assert {(invocation.trace_header or "").startswith("ttt") for _, invocation in world.runtime.seen} == {
            True,
            False,
        }

    run(body)


def test_invoke_async_is_an_event_too() -> None:
    async def body(world: World) -> None:
        await world.create()
        assert await world("InvokeAsync", FunctionName="hello", InvokeArgs=b'{"old": 1}') == {"Status": 202}
        await world.settle()
        assert [invocation.payload for _, invocation in world.runtime.seen] == [b'{"old": 1}']

    run(body)


def test_events_that_an_earlier_version_left_in_the_outbox_run() -> None:
    async def body(world: World) -> None:
        await world.create()
        old = (ACCOUNT, REGION, "hello", "", "id", b'{"a": 1}', world.clock.now_ms(), None, None, 0)
        add, now = world.platform.outbox.add, world.clock.now_ms()
        await world.platform.store.transact(
            lambda tx: add(tx, events.KIND, msgspec.msgpack.encode(old), id="id.0", due_ms=now)
        )
        await world.platform.outbox.settle()
        await world.settle()
        assert [invocation.request_id for _, invocation in world.runtime.seen] == ["id"]

    run(body)


def test_a_crash_runs_events_again_and_loses_none() -> None:
    async def body(world: World) -> None:
        async def hang(spec: FunctionSpec, invocation: Invocation) -> Outcome:
            await asyncio.Event().wait()
            raise AssertionError

        world.runtime.body = hang
        await world.create()
        await invoke(world)
        await until(lambda: len(world.runtime.seen) == 1)
        await world.restart_lanes()
        world.runtime.body = fail
        await world.settle()
        assert len(world.runtime.seen) == 2 and await waiting(world) == 1

    run(body)


def test_two_events_of_one_request_end_once_each_and_leave_nothing() -> None:
    async def body(world: World) -> None:
        world.runtime.body = fail
        await world.create()
        event = events.Event(ACCOUNT, REGION, "hello", "", "same", b"1" * 2_000, world.clock.now_ms())
        for shift in (0, 1):
            due = world.clock.now_ms() + shift
            await world.platform.store.transact(adding([event], due))
        await later(world, 3600)
        assert await waiting(world) == 0

    run(body)


def test_ten_thousand_waiting_events_of_one_function_do_not_delay_another_s() -> None:
    async def body(world: World) -> None:
        gate = asyncio.Event()

        async def slow(spec: FunctionSpec, invocation: Invocation) -> Outcome:
            if spec.name == "slow":
                await gate.wait()
            return Outcome(b"null")

        world.runtime.body = slow
        await world.create("slow")
        await world.create("quick")
        await world("PutFunctionConcurrency", FunctionName="slow", ReservedConcurrentExecutions=5)
        now = world.clock.now_ms()
        for page in range(20):
            added = [events.Event(ACCOUNT, REGION, "slow", "", f"{page:03}-{n:03}", b"{}", now) for n in range(500)]
            await world.platform.store.transact(adding(added, now))
        for _ in range(200):
            await asyncio.sleep(0)
        assert [spec.name for spec, _ in world.runtime.seen] == ["slow"] * 5
        throttles = await meter(world, "Throttles")
        assert throttles <= 128, "what waits is not tried"
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for _ in range(100):
            await invoke(world, "quick")
            while world.runtime.seen[-1][0].name != "quick":
                await asyncio.sleep(0)
            world.runtime.seen.pop()
        assert (loop.time() - begun) / 100 < 0.01
        for seconds in (1, 2, 4, 8):
            world.clock.advance(seconds)
            await asyncio.sleep(0.01)
        assert await meter(world, "Throttles") - throttles < 40
        gate.set()
        await world.settle()
        assert len(world.runtime.seen) == 10_000 and await waiting(world) == 0

    run(body)


def test_a_lane_learns_its_room_and_tries_for_more() -> None:
    lane = Lane()
    lane.flying = {bytes([n]): 0.0 for n in range(16)}
    for n in range(5, 16):
        del lane.flying[bytes([n])]
        lane.refused(0)
    assert lane.most == 5 and lane.room(999, 0) == 0 and lane.refusals == 1
    del lane.flying[b"\x00"]
    lane.ran()
    assert lane.room(999, 0) == 1
    lane.flying[b"\x00"] = 0.0
    assert lane.room(1_000, 0) == 5, "a second later it tries for as many again"
    lane.refused(1_000)
    assert lane.room(2_999, 0) == 0 and lane.room(3_000, 0) == 5
    lane.flying |= {bytes([n]): 0.0 for n in range(5, 10)}
    assert lane.room(3_099, 0) == 0 and lane.room(3_100, 0) == 6, "what was not refused is soon followed by more"
    lane.under((5, None))
    lane.under((5, None))
    assert lane.refusals
    lane.under((20, None))
    assert lane.room(3_100, 0) == 6 and lane.most == 1_000


def test_a_lane_of_long_runs_gets_more_places_step_by_step() -> None:
    lane = Lane()
    assert lane.room(0, 0.0) == 16
    lane.flying = {bytes([n]): 0.0 for n in range(16)}
    assert lane.room(0, 0.4) == 0 and lane.climbs
    assert lane.room(0, 0.5) == 16
    lane.flying |= {bytes([n]): 0.5 for n in range(16, 32)}
    assert lane.room(0, 0.9) == 0, "half of them are too young"
    assert lane.room(0, 1.0) == 32
    lane.ramp = 1_000
    lane.flying = {n.to_bytes(2, "big"): 0.0 for n in range(1_000)}
    assert lane.room(0, 9.0) == 0 and not lane.climbs
