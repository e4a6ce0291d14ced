"""Long polls: woken by messages, by time, and never a herd."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from freehold.kit.faults import Fault
from freehold.services.sqs import polling
from freehold.services.sqs.catalog import leave
from freehold.services.sqs.model import Place
from tests.services.sqs.support import ACCOUNT, REGION, Sqs, scenario


def poll(sqs: Sqs, url: str, **more: Any) -> asyncio.Task[list[str]]:
    return asyncio.create_task(sqs.bodies(url, **({"WaitTimeSeconds": 20} | more)))


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@scenario
async def test_a_message_wakes_a_poll(sqs: Sqs) -> None:
    url = await sqs.queue()
    waiting = poll(sqs, url)
    await turns()
    assert not waiting.done()
    await sqs.send(url, "x")
    assert await waiting == ["x"]


@scenario
async def test_the_queue_says_how_long_a_poll_waits(sqs: Sqs) -> None:
    url = await sqs.queue(ReceiveMessageWaitTimeSeconds=5)
    waiting = asyncio.create_task(sqs.bodies(url))
    await turns()
    await sqs.advance(4.9)
    await turns()
    assert not waiting.done()
    await sqs.advance(0.1)
    assert await waiting == []
    assert await sqs.bodies(url, WaitTimeSeconds=0) == []


@scenario
async def test_a_poll_gets_what_comes_due_by_time(sqs: Sqs) -> None:
    """Delay, visibility timeout, and a FIFO group that is free again."""
    url, fifo = await sqs.queue(VisibilityTimeout=7), await sqs.queue("q.fifo", ContentBasedDeduplication="true")
    await sqs.send(url, "x", DelaySeconds=5)
    waiting = poll(sqs, url)
    await turns()
    await sqs.advance(5)
    assert await waiting == ["x"]
    waiting = poll(sqs, url)
    await turns()
    await sqs.advance(7)
    assert await waiting == ["x"]
    for body in "ab":
        await sqs.send(fifo, body, MessageGroupId="g")
    (first,) = await sqs.receive(fifo, 1)
    waiting = poll(sqs, fifo)
    await turns()
    assert not waiting.done()
    await sqs.delete(fifo, first)
    assert await waiting == ["b"]


@scenario
async def test_a_change_of_visibility_wakes_a_poll(sqs: Sqs) -> None:
    url = await sqs.queue()
    await sqs.send(url, "x")
    (message,) = await sqs.receive(url)
    waiting = poll(sqs, url)
    await turns()
    await sqs("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    assert await waiting == ["x"]


@scenario
async def test_a_thousand_polls_and_one_message_are_one_receive(sqs: Sqs) -> None:
    most = 1_000
    url = await sqs.queue()
    waiting = [poll(sqs, url, most=1) for _ in range(most)]
    await turns()
    transactions = 0
    transact = sqs.store.transact

    async def counted(body: Callable[[Any], Any], **options: Any) -> Any:
        nonlocal transactions
        transactions += 1
        return await transact(body, **options)

    sqs.platform.store.transact = counted
    await sqs.send(url, "x")
    await turns()
    assert [task.result() for task in waiting if task.done()] == [["x"]]
    assert transactions <= 4  # the send, the receive, and little else
    for n in range(most - 1):
        await sqs.send(url, str(n))
    await turns()
    received = [body for bodies in await asyncio.gather(*waiting) for body in bodies]
    assert sorted(received) == sorted(["x", *map(str, range(most - 1))])


@scenario
async def test_a_poll_whose_client_went_away_leaves_the_message_to_the_next(sqs: Sqs) -> None:
    url = await sqs.queue()
    left = asyncio.Event()

    async def gone() -> None:
        await left.wait()

    async def ask() -> list[Any]:
        place = Place(ACCOUNT, REGION, "q")
        asked = polling.Poll(sqs.platform, place, 10, None, gone=gone)
        return (await asked.receive(20))[1].deliveries

    waiting = asyncio.create_task(ask())
    await turns()
    left.set()
    assert await waiting == []
    await sqs.send(url, "x")
    assert await sqs.bodies(url) == ["x"]


@scenario
async def test_a_cancelled_poll_passes_its_turn_on(sqs: Sqs) -> None:
    url = await sqs.queue()
    first, second = poll(sqs, url), poll(sqs, url)
    await turns()
    await sqs.send(url, "x")
    first.cancel()
    assert await asyncio.wait_for(second, 5) == ["x"]


@scenario
async def test_a_poll_of_a_queue_that_is_deleted_is_told_so(sqs: Sqs) -> None:
    url = await sqs.queue()
    waiting = poll(sqs, url)
    await turns()
    await sqs("DeleteQueue", QueueUrl=url)
    with pytest.raises(Fault) as caught:
        await waiting
    assert caught.value.code == "QueueDoesNotExist"


@scenario
async def test_nobody_waits_when_the_server_is_about_to_stop(sqs: Sqs) -> None:
    url = await sqs.queue()
    waiting = poll(sqs, url)
    await turns()
    leave(sqs.platform)
    assert await asyncio.wait_for(waiting, 5) == []
    assert await asyncio.wait_for(poll(sqs, url), 5) == []
