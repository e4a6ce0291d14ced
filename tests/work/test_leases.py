import asyncio

import pytest

from freehold.kit.clock import ManualClock
from freehold.kit.ids import Ids
from freehold.work.leases import LeaseLost, Leases
from tests.support import memory_store


class HandClock(ManualClock):
    """Monotonic time by hand, too."""

    seconds = 0.0

    def monotonic(self):
        return self.seconds


def two():
    store, clock = memory_store(), HandClock()
    return store, clock, Leases(store, clock, Ids(1)), Leases(store, clock, Ids(2))


def test_a_replaced_holder_cannot_write():
    async def main():
        store, _, one, other = two()
        old = await one.take("x")
        await store.transact(old.check)
        new = await other.take("x")

        def write(tx):
            old.check(tx)
            tx.put(b"k", b"v")

        with pytest.raises(LeaseLost):
            await store.transact(write)
        assert await store.read(lambda tx: tx.get(b"k")) is None
        await store.transact(new.check)

    asyncio.run(main())


def test_a_lease_expires_by_the_contenders_monotonic_clock_alone():
    async def main():
        _, clock, one, other = two()
        held = await one.acquire("x", 10)
        assert held is not None
        clock.advance(10_000)
        assert await other.acquire("x", 10) is None
        clock.advance(10_000)
        assert await other.acquire("x", 10) is None, "service time says nothing"
        clock.seconds = 9
        await one.beat(held)
        assert await other.acquire("x", 10) is None, "a beat was seen: the watch starts again"
        clock.seconds = 18
        assert await other.acquire("x", 10) is None
        clock.seconds = 19
        taken = await other.acquire("x", 10)
        assert taken is not None and taken.epoch == held.epoch + 1
        with pytest.raises(LeaseLost):
            await one.beat(held)

    asyncio.run(main())


def test_a_released_lease_is_free_at_once_and_a_late_release_takes_nothing():
    async def main():
        store, _, one, other = two()
        held = await one.acquire("x", 10)
        await one.release(held)
        taken = await other.acquire("x", 10)
        assert taken is not None
        await one.release(held)
        await store.transact(taken.check)

    asyncio.run(main())


def test_of_two_contenders_one_wins():
    async def main():
        _, _, one, other = two()
        won = await asyncio.gather(one.acquire("x", 10), other.acquire("x", 10))
        assert sum(lease is not None for lease in won) == 1

    asyncio.run(main())
