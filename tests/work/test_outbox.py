import asyncio
import itertools

import pytest

from freehold.kit.ids import Ids
from freehold.work.outbox import Outbox, Retry, pending, room
from freehold.work.tasks import Tasks
from tests.support import manual_clock, memory_store


class House:
    def __init__(self, store=None, clock=None):
        self.store, self.clock, self.tasks = store or memory_store(), clock or manual_clock(), Tasks()
        self.outbox = Outbox(self.store, self.clock, Ids(1), self.tasks)
        self.seen = []

    async def note(self, delivery):
        self.seen.append((delivery.id, delivery.payload, delivery.attempt))

    async def start(self, **deliverers):
        await self.outbox.start(deliverers or {"note": self.note})
        return self

    async def add(self, *ids, kind="note", due_ms=None, group=None):
        due = self.clock.now_ms() if due_ms is None else due_ms

        def body(tx):
            for id in ids:
                self.outbox.add(tx, kind, id.encode(), id=id, due_ms=due, group=group)

        await self.store.transact(body)

    async def waiting(self, kind="note"):
        return [id for _, id in await self.store.read(lambda tx: pending(tx, kind))]

    async def stop(self):
        await self.outbox.close()
        await self.tasks.close()


def ids_of(seen):
    return [id for id, *_ in seen]


def test_what_is_added_is_delivered_once_and_forgotten():
    async def main():
        house = await House().start()
        names = [f"d{n:03}" for n in range(700)]
        await house.add(*names)
        await house.outbox.settle()
        assert sorted(ids_of(house.seen)) == names
        assert await house.store.read(lambda tx: tx.scan(b"\x02outbox", b"\x02outbox\xff")) == []
        await house.stop()

    asyncio.run(main())


def test_a_body_that_raises_delivers_nothing():
    async def main():
        house = await House().start()

        def refused(tx):
            house.outbox.add(tx, "note", b"", id="x", due_ms=0)
            raise ValueError

        with pytest.raises(ValueError):
            await house.store.transact(refused)
        await house.outbox.settle()
        assert house.seen == []
        await house.stop()

    asyncio.run(main())


def test_nothing_is_delivered_before_it_is_due():
    async def main():
        house = await House().start()
        now = house.clock.now_ms()
        await house.add("later", due_ms=now + 5000)
        await house.add("sooner", due_ms=now + 2000)
        await house.outbox.settle()
        assert house.seen == []
        house.clock.advance(2)
        await house.outbox.settle()
        assert ids_of(house.seen) == ["sooner"]
        house.clock.advance(3)
        await house.outbox.settle()
        assert ids_of(house.seen) == ["sooner", "later"]
        await house.stop()

    asyncio.run(main())


def test_retries_wait_one_second_doubling_to_five_minutes_and_count_attempts():
    async def main():
        attempts = []

        async def broken(delivery):
            attempts.append((house.clock.now_ms(), delivery.attempt, delivery.first_ms))
            raise ValueError("still broken")

        house = House()
        await house.start(broken=broken)
        first = house.clock.now_ms()
        await house.add("x", kind="broken")
        for _ in range(13):
            await house.outbox.settle()
            house.clock.advance_to((await house.store.read(lambda tx: pending(tx, "broken")))[0][0])
        gaps = [b[0] - a[0] for a, b in itertools.pairwise(attempts)]
        most = [min(1000 << n, 300_000) for n in range(len(gaps))]
        assert len(gaps) >= 11
        assert all(limit / 2 <= gap <= limit for gap, limit in zip(gaps, most, strict=True))
        assert [a[1] for a in attempts] == list(range(1, len(attempts) + 1))
        assert {a[2] for a in attempts} == {first}
        await house.stop()

    asyncio.run(main())


def test_retry_says_when():
    async def main():
        times = []

        async def twice(delivery):
            times.append(house.clock.now_ms())
            if delivery.attempt == 1:
                raise Retry(7000)

        house = House()
        await house.start(twice=twice)
        await house.add("x", kind="twice")
        await house.outbox.settle()
        house.clock.advance(6.999)
        await house.outbox.settle()
        assert len(times) == 1
        house.clock.advance(0.001)
        await house.outbox.settle()
        assert times[1] - times[0] == 7000 and await house.waiting("twice") == []
        await house.stop()

    asyncio.run(main())


def test_waiting_for_a_turn_is_no_attempt():
    async def main():
        attempts = []

        async def limited(delivery):
            attempts.append(delivery.attempt)
            if len(attempts) < 4:
                raise Retry(1000, counts=len(attempts) == 3)

        house = House()
        await house.start(limited=limited)
        await house.add("x", kind="limited")
        for _ in range(4):
            await house.outbox.settle()
            house.clock.advance(1)
        assert attempts == [1, 1, 1, 2] and await house.waiting("limited") == []
        await house.stop()

    asyncio.run(main())


def test_a_poison_payload_stops_nobody():
    async def main():
        async def picky(delivery):
            if delivery.id == "poison":
                raise ValueError
            await house.note(delivery)

        house = House()
        await house.start(picky=picky)
        await house.add("poison", "a", "b", kind="picky")
        await house.outbox.settle()
        assert ids_of(house.seen) == ["a", "b"]
        assert await house.waiting("picky") == ["poison"]
        await house.stop()

    asyncio.run(main())


def test_large_payloads_survive_retries_and_leave_nothing():
    async def main():
        async def second_time(delivery):
            if delivery.attempt == 1:
                raise Retry(1000)
            house.seen.append((delivery.id, delivery.payload, delivery.attempt))

        house = House()
        await house.start(second_time=second_time)
        large = bytes(range(256)) * 4096

        def body(tx):
            for id, group in (("a", None), ("b", b"g"), ("c", b"g")):
                house.outbox.add(tx, "second_time", large, id=id, due_ms=0, group=group)

        await house.store.transact(body)
        for _ in range(3):
            await house.outbox.settle()
            house.clock.advance(1)
        assert sorted((id, attempt) for id, _, attempt in house.seen) == [("a", 2), ("b", 2), ("c", 2)]
        assert all(payload == large for _, payload, _ in house.seen)
        assert await house.store.read(lambda tx: tx.scan(b"\x02outbox", b"\x02outbox\xff")) == []
        await house.stop()

    asyncio.run(main())


def test_a_group_keeps_its_order_even_when_its_head_must_wait():
    async def main():
        async def stumbling(delivery):
            if delivery.id == "a1" and delivery.attempt < 3:
                raise Retry(1000)
            await house.note(delivery)

        house = House()
        await house.start(stumbling=stumbling)
        await house.add("a1", "a2", kind="stumbling", group=b"a")
        await house.add("b1", kind="stumbling", group=b"b")
        await house.add("a3", kind="stumbling", group=b"a")
        for _ in range(3):
            await house.outbox.settle()
            house.clock.advance(1)
        await house.outbox.settle()
        assert ids_of(house.seen) == ["b1", "a1", "a2", "a3"]
        await house.add("a4", kind="stumbling", group=b"a")
        await house.outbox.settle()
        assert ids_of(house.seen)[-1] == "a4"
        assert await house.store.read(lambda tx: tx.scan(b"\x02outbox", b"\x02outbox\xff")) == []
        await house.stop()

    asyncio.run(main())


def test_concurrency_is_bounded_per_kind_and_a_stuck_kind_holds_up_no_other(monkeypatch):
    monkeypatch.setattr(room, "CONCURRENCY", 3)

    async def main():
        gate, begun = asyncio.Event(), []

        async def stuck(delivery):
            begun.append(delivery.id)
            await gate.wait()

        house = House()
        await house.start(stuck=stuck, note=house.note)
        await house.add(*"abcdefg", kind="stuck")
        await house.add("x")
        while not house.seen:
            await asyncio.sleep(0)
        assert begun == ["a", "b", "c"]
        gate.set()
        await house.outbox.settle()
        assert begun == list("abcdefg")
        await house.stop()

    asyncio.run(main())


def test_what_was_under_way_in_a_crash_is_performed_again():
    async def main():
        begun = asyncio.Event()

        async def hang(delivery):
            begun.set()
            await asyncio.Event().wait()

        first = House()
        await first.start(note=hang)
        await first.add("x")
        await begun.wait()
        await first.stop()
        second = await House(first.store, first.clock).start()
        await second.outbox.settle()
        assert second.seen == [("x", b"x", 1)]
        await second.stop()

    asyncio.run(main())


def test_an_unknown_kind_is_refused():
    async def main():
        house = await House().start()
        with pytest.raises(ValueError, match="no deliverer"):
            await house.add("x", kind="nobody")
        await house.stop()

    asyncio.run(main())
