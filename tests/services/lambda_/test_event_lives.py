"""Random lives of asynchronous events: whatever functions, settings, time and crashes do, each ends once and says how."""

from __future__ import annotations

import asyncio
from collections import Counter

import orjson
import pytest

from freehold.kit.ids import Ids
from freehold.runtime.base import FunctionSpec, Invocation, Outcome, RuntimeUnavailable, Throttled
from tests.services.lambda_.helpers import run
from tests.services.lambda_.messages import sent
from tests.services.lambda_.support import ACCOUNT, REGION, World
from tests.services.lambda_.test_events import waiting

RECORDS = f"arn:aws:sqs:{REGION}:{ACCOUNT}:records"
DEAD = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"
NAMES = ("one", "two", "three")
STEPS = 40


class Life:
    """What happens to three functions, drawn from a seed."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.ids = world, Ids(seed)
        self.mood = dict.fromkeys(NAMES, "works")
        self.sent: list[str] = []
        self.runs: Counter[str] = Counter()
        self.hanging = 0
        world.runtime.body = self.behave

    def pick(self, *choices: str) -> str:
        return choices[int(self.ids.uniform(0, len(choices)))]

    async def behave(self, spec: FunctionSpec, invocation: Invocation) -> Outcome:
        self.runs[orjson.loads(invocation.payload)["n"]] += 1
        mood = self.mood[spec.name]
        if mood == "hangs":
            self.hanging += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.hanging -= 1
        if mood == "throttled":
            raise Throttled("ConcurrentInvocationLimitExceeded")
        if mood == "troubled":
            raise RuntimeUnavailable("no")
        return Outcome(b"{}", "Unhandled" if mood == "fails" else None)

    async def begin(self) -> None:
        sides = {side: {"Destination": RECORDS} for side in ("OnSuccess", "OnFailure")}
        for name in NAMES:
            await self.world.create(name, DeadLetterConfig={"TargetArn": DEAD})
            await self.world("PutFunctionEventInvokeConfig", FunctionName=name, DestinationConfig=sides)

    async def step(self) -> None:
        name = self.pick(*NAMES)
        match self.pick("invoke", "invoke", "invoke", "mood", "wait", "wait", "reserve", "crash", "settings"):
            case "invoke":
                payload = orjson.dumps({"n": str(len(self.sent)), "x": "x" * int(self.ids.uniform(0, 3_000))})
                self.sent.append(str(len(self.sent)))
                await self.world("Invoke", FunctionName=name, InvocationType="Event", Payload=payload)
            case "mood":
                self.mood[name] = self.pick("works", "fails", "throttled", "troubled", "hangs")
            case "wait":
                await self.wait(self.ids.uniform(0, 200))
            case "reserve":
                amount = self.pick("0", "1", "none")
                if amount == "none":
                    await self.world("DeleteFunctionConcurrency", FunctionName=name)
                else:
                    await self.world(
                        "PutFunctionConcurrency", FunctionName=name, ReservedConcurrentExecutions=int(amount)
                    )
            case "crash":
                await self.crash()
            case "settings":
                await self.world(
                    "UpdateFunctionEventInvokeConfig",
                    FunctionName=name,
                    MaximumRetryAttempts=int(self.ids.uniform(0, 3)),
                    MaximumEventAgeInSeconds=int(self.ids.uniform(60, 21_600)),
                )

    async def wait(self, seconds: float) -> None:
        """Time passes; while functions hang, which only a crash ends, nothing can settle."""
        if not self.hanging and "hangs" not in self.mood.values():
            await self.world.later(seconds)
            return
        self.world.clock.advance(seconds)
        for _ in range(50):
            await asyncio.sleep(0)

    async def crash(self) -> None:
        await self.world.restart_lanes()

    async def end(self) -> None:
        self.mood = dict.fromkeys(NAMES, "works")
        for name in NAMES:
            await self.world("DeleteFunctionConcurrency", FunctionName=name)
        await self.crash()
        await self.world.later(7 * 3600)


@pytest.mark.parametrize("seed", range(40))
def test_every_accepted_event_ends_once_and_says_how(seed: int) -> None:
    async def body(world: World) -> None:
        life = Life(world, seed)
        await life.begin()
        for _ in range(STEPS):
            await life.step()
        await life.end()
        assert await waiting(world) == 0
        store = world.platform.store
        records = [orjson.loads(message["body"]) for message in await sent(store, RECORDS)]
        assert sorted(record["requestPayload"]["n"] for record in records) == sorted(life.sent)
        failed = [record for record in records if record["requestContext"]["condition"] != "Success"]
        dead = [orjson.loads(message["body"])["n"] for message in await sent(store, DEAD)]
        assert sorted(dead) == sorted(record["requestPayload"]["n"] for record in failed)
        assert all(record["requestContext"]["approximateInvokeCount"] <= 3 for record in records)

    run(body)
