"""Random schedules, changes, pauses and crashes against a small model: nothing is lost and nothing repeated."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from freehold.rules import schedules
from freehold.services.scheduler.state import Space
from tests.services.scheduler.support import ACCOUNT, REGION, Scheduler, scenario, schedule, shown

EXPRESSIONS = ("rate(7 minutes)", "rate(1 hour)", "cron(0/20 * * * ? *)", "cron(15 3,9 ? * * *)", "cron(0 12 L * ? *)")
ZONES = ("UTC", "America/New_York", "Asia/Kolkata")
TEXT = "<aws.scheduler.schedule-arn> <aws.scheduler.scheduled-time>"


@dataclass
class Known:
    """A schedule as the model sees it."""

    expression: str
    zone: str
    state: str
    anchor_ms: int
    seen_ms: int
    """Occurrences up to here are accounted for."""

    def take(self, until_ms: int) -> list[int]:
        found: list[int] = []
        parsed, zone = schedules.parse(self.expression, scheduler=True), schedules.zone(self.zone)
        while self.state == "ENABLED":
            following = parsed.next_after(self.seen_ms, zone, anchor_ms=self.anchor_ms)
            if following is None or following > until_ms:
                break
            found.append(following)
            self.seen_ms = following
        self.seen_ms = max(self.seen_ms, until_ms)
        return found


@dataclass
class Model:
    """What must have been sent: (name, time) pairs."""

    known: dict[str, Known] = field(default_factory=dict)
    expected: set[tuple[str, str]] = field(default_factory=set)

    def advance(self, until_ms: int) -> None:
        for name, known in self.known.items():
            self.expected |= {(name, shown(ms) + "Z") for ms in known.take(until_ms)}


def pick(dice: random.Random, now_ms: int) -> dict[str, Any]:
    expression = dice.choice(EXPRESSIONS)
    if dice.random() < 0.3:
        expression = f"at({shown(now_ms + dice.randrange(86_400_000) // 1000 * 1000)})"
    return {
        "expression": expression,
        "zone": dice.choice(ZONES),
        "state": dice.choice(("ENABLED", "ENABLED", "DISABLED")),
    }


async def change(house: Scheduler, model: Model, dice: random.Random) -> None:
    name, now_ms = f"s{dice.randrange(6)}", house.clock.now_ms()
    known = model.known.get(name)
    if known is not None and dice.random() < 0.3:
        await house("DeleteSchedule", Name=name)
        del model.known[name]
        return
    chosen = pick(dice, now_ms)
    request = schedule(
        name,
        chosen["expression"],
        ScheduleExpressionTimezone=chosen["zone"],
        State=chosen["state"],
        target={"Input": TEXT},
    )
    await house("CreateSchedule" if known is None else "UpdateSchedule", **request)
    same = known is not None and known.expression == chosen["expression"]
    anchor = known.anchor_ms if known is not None and same else now_ms
    model.known[name] = Known(**chosen, anchor_ms=anchor, seen_ms=now_ms if same else now_ms - 1)


async def crash(house: Scheduler, model: Model, dice: random.Random) -> None:
    """Time moves, and in the middle of what that sets off the process dies; another one begins at once."""
    moving = asyncio.ensure_future(house.advance(dice.randrange(1, 280)))
    for _ in range(dice.randrange(1, 200)):
        await asyncio.sleep(0)
    moving.cancel()
    await asyncio.gather(moving, return_exceptions=True)
    await house.restart()
    model.advance(house.clock.now_ms())


@pytest.mark.parametrize("seed", range(6))
def test_random_lives(seed: int) -> None:
    @scenario
    async def body(house: Scheduler) -> None:
        dice, model, crashes = random.Random(seed), Model(), seed % 2 == 1
        for _ in range(40):
            await change(house, model, dice)
            if crashes and dice.random() < 0.2:
                await crash(house, model, dice)
            else:
                await house.advance(dice.randrange(4 * 3600))
                model.advance(house.clock.now_ms())
        got = [(sent.body.split()[0].rpartition("/")[2], sent.body.split()[1]) for sent in house.sent]
        assert set(got) == model.expected
        assert max(Counter(got).values()) == 1 and len(got) > 20
        await house.advance(0)
        assert await house.store.read(lambda tx: tx.scan(*Space(ACCOUNT, REGION).span("run"))) == []

    body()
