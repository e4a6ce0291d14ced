"""What is said and counted of invocations, and when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from freehold.runtime.base import FunctionSpec, Invocation, Outcome
from freehold.services.lambda_.sink import LogSink
from freehold.work.meters import MINUTE_MS
from tests.services.lambda_.helpers import run
from tests.services.lambda_.support import World

SPEC = FunctionSpec(
    key="k", arn="arn", account="111122223333", region="us-east-1", name="f", version="$LATEST", runtime="python3.12",
    handler="app.handler", code=Path("/"), memory_mb=256, log_group="/aws/lambda/f",
)  # fmt: skip
STREAM = "2026/01/01/[$LATEST]" + "0" * 32


class Lines:
    """A log writer that keeps what it is given."""

    def __init__(self) -> None:
        self.events: list[tuple[int, str]] = []

    def write(self, account: str, region: str, group: str, stream: str, events: Any) -> None:
        assert (account, region, group, stream) == (SPEC.account, SPEC.region, SPEC.log_group, STREAM)
        self.events += [(at, line.partition("\t")[0].strip()) for at, line in events]


def made(world: World) -> tuple[LogSink, Lines]:
    lines = world.platform.logs = Lines()  # type: ignore[assignment]
    return LogSink(world.platform), lines  # type: ignore[return-value]


def asked(number: int) -> Invocation:
    return Invocation(f"r{number}", b"{}", SPEC.arn)


def test_the_three_lines_of_an_invocation_bear_their_own_times() -> None:
    async def body(world: World) -> None:
        sink, lines = made(world)
        begin = world.clock.now_ms()
        sink.invocation_started(SPEC, STREAM, asked(1))
        assert not lines.events
        world.clock.advance(2)
        sink.invocation_ended(SPEC, STREAM, asked(1), Outcome(b"{}", duration_ms=2000.0, billed_ms=2000))
        assert lines.events == [
            (begin, "START RequestId: r1 Version: $LATEST"),
            (begin + 2000, "END RequestId: r1"),
            (begin + 2000, "REPORT RequestId: r1"),
        ]

    run(body)


def test_start_comes_before_what_the_function_says() -> None:
    async def body(world: World) -> None:
        sink, lines = made(world)
        sink.invocation_started(SPEC, STREAM, asked(1))
        sink.output(SPEC, STREAM, "r1", b"one\n")
        sink.output(SPEC, STREAM, "r1", b"two\n")
        sink.invocation_ended(SPEC, STREAM, asked(1), Outcome(b"{}"))
        assert [line.split(" ")[0] for _, line in lines.events] == ["START", "one", "two", "END", "REPORT"]

    run(body)


def test_start_of_what_runs_on_is_written_once_after_a_moment() -> None:
    async def body(world: World) -> None:
        sink, lines = made(world)
        sink.invocation_started(SPEC, STREAM, asked(1))
        sink.invocation_started(SPEC, STREAM, asked(2))
        assert sink._ring is not None and not lines.events
        sink.invocation_ended(SPEC, STREAM, asked(2), Outcome(b"{}"))
        sink.write_begun()  # as the ring does, and the service when it stops
        assert [line for _, line in lines.events][3:] == ["START RequestId: r1 Version: $LATEST"]
        sink.invocation_started(SPEC, STREAM, asked(3))
        assert sink._ring is not None
        sink.invocation_ended(SPEC, STREAM, asked(1), Outcome(b"{}"))
        assert sum(line.startswith("START RequestId: r1") for _, line in lines.events) == 1
        sink.write_begun()

    run(body)


def test_invocations_are_counted_by_the_minute() -> None:
    async def body(world: World) -> None:
        sink, _ = made(world)
        meters, begin = world.platform.meters, world.clock.now_ms() // MINUTE_MS * MINUTE_MS
        ends = [
            Outcome(b"{}", duration_ms=3.5, billed_ms=4, memory_used_mb=50),
            Outcome(b"{}", "Unhandled", duration_ms=1.5, billed_ms=2, memory_used_mb=40),
        ]
        for running, outcome in enumerate(ends, 1):
            sink.concurrency(SPEC, running)
            sink.invocation_ended(SPEC, STREAM, asked(running), outcome)
        world.clock.advance(60)
        sink.concurrency(SPEC, 7)
        sink.invocation_ended(SPEC, STREAM, asked(3), Outcome(b"{}", init_ms=9.5, duration_ms=1.0, billed_ms=11))
        await meters.flush()
        sink.concurrency(SPEC, 1)
        await meters.flush()

        async def of(name: str) -> list[tuple[int, float, float, float]]:
            found = await meters.read(
                SPEC.account, SPEC.region, f"AWS/Lambda:{name}", begin, begin + 2 * MINUTE_MS, {"FunctionName": "f"}
            )
            assert [point.start_ms for point in found] == [begin, begin + MINUTE_MS][-len(found) :]
            return [(point.count, point.sum, point.min, point.max) for point in found]

        assert await of("Invocations") == [(2, 2, 1, 1), (1, 1, 1, 1)]
        assert await of("Errors") == [(2, 1, 0, 1), (1, 0, 0, 0)]
        assert await of("Duration") == [(2, 5, 1.5, 3.5), (1, 1, 1, 1)]
        assert await of("BilledMegabyteMilliseconds") == [
            (2, 6 * 256, 2 * 256, 4 * 256),
            (1, 11 * 256, 11 * 256, 11 * 256),
        ]
        assert await of("MemoryUsed") == [(2, 90, 40, 50), (1, 0, 0, 0)]
        assert await of("ConcurrentExecutions") == [(2, 3, 1, 2), (2, 8, 1, 7)]
        assert await of("InitDuration") == [(1, 9.5, 9.5, 9.5)]

    run(body)
