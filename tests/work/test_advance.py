import asyncio

from freehold.kit.ids import Ids
from freehold.work.advance import SERVICE_TIME, Advance
from freehold.work.outbox import Outbox, Retry
from freehold.work.tasks import Tasks
from freehold.work.timers import Timers
from tests.support import manual_clock, memory_store


class House:
    """Timers that set off deliveries, some of which need another try."""

    def __init__(self):
        self.store, self.clock, self.tasks = memory_store(), manual_clock(), Tasks()
        self.timers = Timers(self.store, self.clock, self.tasks)
        self.outbox = Outbox(self.store, self.clock, Ids(seed=1), self.tasks)
        self.advance = Advance(self.clock, self.store, [self.timers.settle, self.outbox.settle], self.flush)
        self.begin = self.clock.now_ms()
        self.seen = []

    def since(self):
        return (self.clock.now_ms() - self.begin) // 1000

    async def flush(self):
        self.seen.append(("flush", self.since()))

    async def fire(self, key):
        self.seen.append(("timer", self.since()))
        now = self.clock.now_ms()
        await self.store.transact(lambda tx: self.outbox.add(tx, "k", b"x", id=f"{now}", due_ms=now + 5_000))
        return now + 60_000

    async def deliver(self, delivery):
        self.seen.append((f"try {delivery.attempt}", self.since()))
        await asyncio.sleep(0)  # real work takes a while, during which service time stands
        if delivery.attempt == 1:
            raise Retry(10_000)

    async def start(self):
        await self.timers.start({"t": self.fire})
        await self.outbox.start({"k": self.deliver})
        await self.store.transact(lambda tx: self.timers.set(tx, "t", b"", self.begin + 60_000))

    async def stop(self):
        await self.timers.close()
        await self.outbox.close()
        await self.tasks.close()


def test_time_stops_at_every_due_time_in_due_order_and_what_is_due_ends_before_it_moves_on():
    async def main():
        house = House()
        await house.start()
        assert await house.advance.by(130_000) == house.begin + 130_000
        assert house.seen == [
            ("timer", 60),
            ("try 1", 65),
            ("try 2", 75),
            ("timer", 120),
            ("try 1", 125),
            ("flush", 130),
        ]
        await house.advance.by(5_000)
        assert house.seen[-2] == ("try 2", 135)
        await house.stop()

    asyncio.run(main())


def test_the_time_reached_is_kept_and_every_watcher_is_roused():
    async def main():
        house = House()
        await house.start()
        async with house.store.watch(b"somebody waits") as watch:
            await house.advance.by(1_500)
            assert await watch.wait(0)
        kept = await house.store.read(lambda tx: tx.get(SERVICE_TIME))
        assert int.from_bytes(kept, "big") == house.begin + 1_500
        await house.stop()

    asyncio.run(main())
