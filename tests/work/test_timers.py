import asyncio

from freehold.work.tasks import Tasks
from freehold.work.timers import Timers
from tests.support import manual_clock, memory_store


class House:
    def __init__(self, store=None, clock=None):
        self.store, self.clock, self.tasks = store or memory_store(), clock or manual_clock(), Tasks()
        self.timers = Timers(self.store, self.clock, self.tasks)
        self.fired = []
        self.begin = self.clock.now_ms()

    async def note(self, key):
        self.fired.append((self.clock.now_ms() - self.begin, key))
        return None

    async def start(self, handler=None):
        await self.timers.start({"t": handler or self.note})
        return self

    async def set(self, key, seconds, owner="t"):
        due = None if seconds is None else self.begin + int(seconds * 1000)
        await self.store.transact(lambda tx: self.timers.set(tx, owner, key, due))

    async def advance(self, seconds):
        self.clock.advance(seconds)
        await self.timers.settle()

    async def rows(self):
        return await self.store.read(lambda tx: len(tx.scan(b"\x02timer", b"\x02timer\xff")))

    async def stop(self):
        await self.timers.close()
        await self.tasks.close()


def test_timers_fire_when_due_in_due_order_and_leave_nothing():
    async def main():
        house = await House().start()
        await house.set(b"c", 3)
        await house.set(b"a", 1)
        await house.set(b"b", 2)
        await house.timers.settle()
        assert house.fired == []
        await house.advance(1)
        assert house.fired == [(1000, b"a")]
        await house.advance(5)
        assert house.fired[1:] == [(6000, b"b"), (6000, b"c")]
        assert await house.rows() == 0
        await house.stop()

    asyncio.run(main())


def test_a_timer_moves_earlier_and_later_and_goes():
    async def main():
        house = await House().start()
        for key, first, then in ((b"earlier", 9, 1), (b"later", 1, 4), (b"gone", 1, None)):
            await house.set(key, first)
            await house.timers.settle()
            await house.set(key, then)
        await house.advance(1)
        assert house.fired == [(1000, b"earlier")]
        await house.advance(9)
        assert house.fired == [(1000, b"earlier"), (10_000, b"later")]
        assert await house.rows() == 0
        await house.stop()

    asyncio.run(main())


def test_a_handler_names_its_next_due_time():
    async def main():
        house = House()

        async def every_second(key):
            await house.note(key)
            return house.clock.now_ms() + 1000

        await house.start(every_second)
        await house.set(b"k", 1)
        for _ in range(3):
            await house.advance(1)
        assert house.fired == [(1000, b"k"), (2000, b"k"), (3000, b"k")]
        await house.stop()

    asyncio.run(main())


def test_a_timer_set_while_its_handler_runs_is_not_lost_even_to_the_same_time():
    async def main():
        house = House()

        async def busy(key):
            await house.note(key)
            if len(house.fired) == 1:
                await house.set(key, 1)
            return None

        await house.start(busy)
        await house.set(b"k", 1)
        await house.advance(1)
        assert len(house.fired) == 2
        assert await house.rows() == 0
        await house.stop()

    asyncio.run(main())


def test_of_a_returned_and_a_set_due_time_the_earlier_holds():
    async def main():
        house = House()

        async def busy(key):
            await house.note(key)
            if len(house.fired) == 1:
                await house.set(key, 5)
                return house.begin + 9000
            return None

        await house.start(busy)
        await house.set(b"k", 1)
        await house.advance(1)
        assert await house.store.read(lambda tx: house.timers.due(tx, "t", b"k")) == house.begin + 5000
        await house.stop()

    asyncio.run(main())


def test_a_handler_that_fails_is_asked_again_with_growing_pauses_and_stops_no_other():
    async def main():
        house = House()

        async def handler(key):
            await house.note(key)
            if key == b"bad" and len([k for _, k in house.fired if k == b"bad"]) < 4:
                raise ValueError
            return None

        await house.start(handler)
        await house.set(b"bad", 1)
        await house.set(b"good", 1)
        for _ in range(20):
            await house.advance(1)
        assert [at for at, key in house.fired if key == b"bad"] == [1000, 2000, 4000, 8000]
        assert [at for at, key in house.fired if key == b"good"] == [1000]
        await house.stop()

    asyncio.run(main())


def test_a_crash_while_a_handler_runs_runs_it_again():
    async def main():
        begun = asyncio.Event()

        async def hang(key):
            begun.set()
            await asyncio.Event().wait()

        first = await House().start(hang)
        await first.set(b"k", 0)
        await begun.wait()
        await first.stop()
        second = await House(first.store, first.clock).start()
        await second.timers.settle()
        assert second.fired == [(0, b"k")]
        await second.stop()

    asyncio.run(main())


def test_a_thousand_timers_of_one_moment_all_fire():
    async def main():
        house = await House().start()
        for n in range(1000):
            await house.set(n.to_bytes(2, "big"), 1)
        await house.advance(1)
        assert len(house.fired) == 1000 and await house.rows() == 0
        await house.stop()

    asyncio.run(main())


def test_timers_of_an_owner_that_nobody_handles_wait():
    async def main():
        house = await House().start()
        await house.set(b"k", 1, owner="stranger")
        await house.set(b"k", 1)
        await house.advance(2)
        assert len(house.fired) == 1 and await house.rows() == 2
        await house.stop()

    asyncio.run(main())
