"""Random lives of a pipe: sends, failures, stops, starts, updates, crashes. Every message ends in the target or waits in
the source, and at the end of a quiet time all have arrived."""

from __future__ import annotations

import asyncio

import pytest

from freehold.kit.faults import Fault
from freehold.kit.ids import Ids
from freehold.services.pipes import supervisor
from tests.services.pipes.support import ROLE, SOURCE, Pipes

STEPS = 25
SEEDS = 100


async def crash(house: Pipes) -> None:
    """The process dies and starts again."""
    await house.die()
    await supervisor.start(house.platform)


async def step(house: Pipes, ids: Ids, sent: list[str]) -> None:
    choice = int(ids.uniform(0, 10))
    if choice < 4:
        bodies = [f"{len(sent) + n}" for n in range(1 + int(ids.uniform(0, 15)))]
        sent.extend(bodies)
        await house.send(*bodies)
    elif choice == 4:
        house.ports.refusing = {body for body in sent if ids.uniform() < 0.3}
    elif choice == 5:
        await crash(house)
    elif choice in (6, 7):
        operation = ("StopPipe", "StartPipe", "UpdatePipe")[int(ids.uniform(0, 3))]
        window = {
            "BatchSize": 1 + int(ids.uniform(0, 20)),
            "MaximumBatchingWindowInSeconds": int(ids.uniform(0, 3)) * 5,
        }
        more = (
            {"RoleArn": ROLE, "SourceParameters": {"SqsQueueParameters": window}} if operation == "UpdatePipe" else {}
        )
        try:
            await house(operation, Name="p", **more)
        except Fault as fault:
            assert fault.code == "ConflictException"
    for _ in range(int(ids.uniform(0, 4))):
        await asyncio.sleep(0)
    if ids.uniform() < 0.5:
        await house.advance(int(ids.uniform(0, 40)))


async def life(seed: int) -> None:
    house, ids = Pipes(), Ids(seed)
    sent: list[str] = []
    await supervisor.start(house.platform)
    try:
        await house.create(TargetParameters={"InputTemplate": "<$.body>"})
        for _ in range(STEPS):
            await step(house, ids, sent)
        await house.settle()
        assert set(sent) <= set(house.bodies()) | set(house.bodies(SOURCE))
        house.ports.refusing = set()
        if (await house("DescribePipe", Name="p"))["CurrentState"] == "STOPPED":
            await house("StartPipe", Name="p")
        await house.advance(120)
        assert set(sent) == set(house.bodies()) and house.bodies(SOURCE) == []
    finally:
        await house.tasks.close()


@pytest.mark.parametrize("first", range(0, SEEDS, 10))
def test_nothing_is_lost(first: int) -> None:
    for seed in range(first, first + 10):
        asyncio.run(life(seed))
