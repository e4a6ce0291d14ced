"""Watches: a wake rouses whoever watches its key, after the commit."""

from __future__ import annotations

import asyncio

import pytest

from freehold.store.base import Store, Tx
from tests.store.conformance.support import Refused
from tests.store.conftest import OnStore


async def later(store: Store) -> None:
    """Returns when a wake that was committed now has arrived, and with it every one that was committed before."""
    async with store.watch(b"later") as watch:
        await store.transact(lambda tx: tx.wake(b"later"))
        assert await watch.wait(30)


def test_a_wake_rouses_after_the_commit(on_store: OnStore) -> None:
    def body(tx: Tx) -> None:
        tx.put(b"k", b"v")
        tx.wake(b"bell")

    async def check(store: Store) -> None:
        async with store.watch(b"bell") as watch, store.watch(b"bell") as other, store.watch(b"else") as elsewhere:
            assert await store.read(lambda tx: tx.get(b"k")) is None
            waiting = asyncio.create_task(watch.wait(30))
            await asyncio.sleep(0)
            await store.transact(body)
            assert await waiting
            assert await store.read(lambda tx: tx.get(b"k")) == b"v"
            assert await other.wait(30)  # a wake before the wait is not lost
            await later(store)
            assert not await other.wait(0)  # and counts once
            assert not await elsewhere.wait(0)
            await store.transact(lambda tx: tx.wake(b"bell"))
            assert await watch.wait(30)

    on_store(check)


def test_a_body_that_raises_wakes_nobody(on_store: OnStore) -> None:
    def body(tx: Tx) -> None:
        tx.wake(b"bell")
        raise Refused

    async def check(store: Store) -> None:
        async with store.watch(b"bell") as watch:
            with pytest.raises(Refused):
                await store.transact(body)
            await later(store)
            assert not await watch.wait(0)

    on_store(check)


def test_a_listener_is_called_at_each_wake_until_the_watch_is_left(on_store: OnStore) -> None:
    async def check(store: Store) -> None:
        heard = asyncio.Event()
        async with store.watch(b"bell") as watch:
            watch.call(heard.set)
            for _ in range(2):
                await store.transact(lambda tx: tx.wake(b"bell"))
                await asyncio.wait_for(heard.wait(), 30)
                heard.clear()
        await store.transact(lambda tx: tx.wake(b"bell"))
        await later(store)
        assert not heard.is_set()

    on_store(check)


def test_a_cancelled_wait_can_be_repeated(on_store: OnStore) -> None:
    async def check(store: Store) -> None:
        async with store.watch(b"bell") as watch:
            waiting = asyncio.create_task(watch.wait(30))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await store.transact(lambda tx: tx.wake(b"bell"))
            assert await watch.wait(30)

    on_store(check)
