"""Recursive loops are seen by their lineage and stopped."""

from __future__ import annotations

from typing import Any

import orjson

from freehold.ports.call import Cause
from freehold.ports.identity import Source
from freehold.runtime.base import FunctionSpec, Invocation, Outcome
from freehold.services.lambda_ import recursion
from tests.services.lambda_.helpers import refused, run
from tests.services.lambda_.messages import sent
from tests.services.lambda_.support import ACCOUNT, ARN, World
from tests.services.lambda_.test_destinations import DEAD, QUEUE, configure
from tests.services.lambda_.test_events import invoke, meter

A, B = "arn:aws:lambda:us-east-1:1:function:a", "arn:aws:lambda:us-east-1:1:function:b"


def test_a_lineage_counts_the_runs_of_each_function() -> None:
    header, count = recursion.entered("Root=1-0;Sampled=1", A)
    assert (header, count) == (f"Root=1-0;Sampled=1;Lineage=1:{recursion.hash_of(A)}:0", 0)
    header, count = recursion.entered(header, B)
    assert count == 0
    header, count = recursion.entered(header, A)
    assert (recursion.lineage(header), count) == ({recursion.hash_of(B): 0, recursion.hash_of(A): 1}, 1)
    assert recursion.runs(header, A) == 2 and recursion.runs(None, A) == 0
    assert recursion.without(header) == "Root=1-0;Sampled=1"
    assert recursion.entered(None, A)[0] == f"Lineage=1:{recursion.hash_of(A)}:0"


def test_lineages_as_aws_writes_them_and_as_clients_escape_them() -> None:
    assert recursion.lineage("Root=1;Lineage=037bed70:0") == {"037bed70": 0}
    assert recursion.lineage("Lineage=a87bd80c:1|68fd508a:5|c512fbe3:2;Root=1")["68fd508a"] == 5
    assert recursion.lineage("Lineage=1:a87bd80c:1%7C68fd508a:5")["68fd508a"] == 5
    for malformed in ("Lineage=", "Lineage=:::", "Lineage=x", "Lineage=a87bd80c:99999999999", "Root=1"):
        assert recursion.lineage(malformed) == {}


def test_of_a_batch_the_deepest_lineage_counts() -> None:
    one = recursion.entered("Root=1", A)[0]
    two = recursion.entered(one, A)[0]
    assert recursion.deepest([None, one, two, "Root=2"], A) == two
    assert recursion.deepest([None, ""], A) is None


def test_long_lineages_forget_their_oldest() -> None:
    header = "Root=1"
    for number in range(100):
        header = recursion.entered(header, f"{A}{number}")[0]
    assert len(recursion.lineage(header)) == 32 and recursion.runs(header, f"{A}99") == 1


def looping(world: World, runs: list[str]) -> Any:
    """A function that invokes itself, as its SDK would: with the trace header it was given."""

    async def body(spec: FunctionSpec, invocation: Invocation) -> Outcome:
        runs.append(spec.name)
        port: Any = world.platform.functions
        cause = Cause(invocation.trace_header)
        if len(runs) < 40:
            await port.invoke(spec.arn, invocation.payload, cause=cause, source="lambda", asynchronous=True)
        return Outcome(b"null")

    return body


def test_after_sixteen_runs_the_event_goes_to_the_dead_letter_queue_and_the_destination() -> None:
    async def body(world: World) -> None:
        runs: list[str] = []
        world.runtime.body = looping(world, runs)
        await world.create(DeadLetterConfig={"TargetArn": DEAD})
        await configure(world, failure=QUEUE)
        await invoke(world)
        await world.settle()
        assert len(runs) == 16
        assert await meter(world, "RecursiveInvocationsDropped") == 1
        (dead,) = await sent(world.platform.store, DEAD)
        assert dead["body"] == '{"a": 1}'
        (message,) = await sent(world.platform.store, QUEUE)
        assert orjson.loads(message["body"])["requestContext"]["approximateInvokeCount"] == 0

    run(body)


def test_allowed_loops_go_on() -> None:
    async def body(world: World) -> None:
        runs: list[str] = []
        world.runtime.body = looping(world, runs)
        await world.create()
        assert await world("GetFunctionRecursionConfig", FunctionName="hello") == {"RecursiveLoop": "Terminate"}
        put = await world("PutFunctionRecursionConfig", FunctionName="hello", RecursiveLoop="Allow")
        assert put == {"RecursiveLoop": "Allow"}
        assert await world("GetFunctionRecursionConfig", FunctionName="hello") == {"RecursiveLoop": "Allow"}
        await invoke(world)
        await world.settle()
        assert len(runs) == 40
        await refused(
            world("PutFunctionRecursionConfig", FunctionName="gone", RecursiveLoop="Allow"), "ResourceNotFoundException"
        )

    run(body)


def test_destinations_that_lead_back_are_a_loop_too() -> None:
    async def quiet(spec: FunctionSpec, invocation: Invocation) -> Outcome:
        return Outcome(b"null")

    async def body(world: World) -> None:
        world.runtime.body = quiet
        await world.create()
        await world.create("back")
        await configure(world, f"{ARN}:back")
        await configure(world, f"{ARN}:hello", FunctionName="back")
        await invoke(world)
        await world.settle()
        assert len(world.runtime.seen) == 32, "each of the two sixteen times"

    run(body)


def test_synchronous_loops_are_refused_to_their_caller() -> None:
    async def body(world: World) -> None:
        await world.create()
        header = f"Root=1-0;Lineage=1:{recursion.hash_of(f'{ARN}:hello')}:15"
        await refused(
            world.platform.functions.invoke(f"{ARN}:hello", b"{}", cause=Cause(header), source="x"),
            "RecursiveInvocationException",
            "recursive loop",
        )

    run(body)


def test_chains_through_eventbridge_are_not_watched() -> None:
    async def body(world: World) -> None:
        await world.create()
        header = f"Root=1-0;Lineage=1:{recursion.hash_of(f'{ARN}:hello')}:15"
        source = Source("events.amazonaws.com", "arn:aws:events:us-east-1:1:rule/r", ACCOUNT, "arn:aws:iam::1:role/r")
        await world.platform.store.transact(
            lambda tx: world.platform.functions.enqueue(
                tx, f"{ARN}:hello", b"{}", id="x", now_ms=world.clock.now_ms(), source=source, trace=header
            )
        )
        await world.settle()
        ((_, invocation),) = world.runtime.seen
        assert (invocation.trace_header or "").startswith("Root=1-0;")
        assert recursion.runs(invocation.trace_header, f"{ARN}:hello") == 1

    run(body)
