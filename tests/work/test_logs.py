import asyncio

import msgspec

from freehold.kit.ids import Ids
from freehold.kit.tuples import span
from freehold.work import logrows
from freehold.work import logs as room
from freehold.work.logrows import Chunk
from freehold.work.logs import LogWriter
from freehold.work.tasks import Tasks
from tests.support import manual_clock, memory_store

ME = ("111122223333", "us-east-1")


class House:
    def __init__(self):
        self.store, self.clock, self.tasks = memory_store(), manual_clock(), Tasks()
        self.logs = LogWriter(self.store, self.clock, self.tasks, Ids(1))
        self.now = self.clock.now_ms()

    def write(self, *lines, group="/aws/lambda/f", stream="s", at=None):
        self.logs.write(*ME, group, stream, [(self.now if at is None else at, line) for line in lines])

    async def group(self, name="/aws/lambda/f"):
        return await self.store.read(lambda tx: logrows.find_group(tx, *ME, name))

    async def stream(self, name="s"):
        group = await self.group()
        return await self.store.read(lambda tx: logrows.find_stream(tx, *ME, group.id, name))

    async def chunks(self):
        rows = await self.store.read(lambda tx: tx.scan(*span("logs", *ME, "d")))
        return [msgspec.msgpack.decode(value, type=Chunk) for _, value in rows]

    async def messages(self):
        return [message for chunk in await self.chunks() for _, message in chunk.events]


def test_many_lines_become_one_row_and_group_and_stream_come_into_being():
    async def main():
        house = House()
        for n in range(100):
            house.write(f"line {n}")
        house.clock.advance(1)
        await house.logs.flush()
        (chunk,) = await house.chunks()
        assert [m for _, m in chunk.events] == [f"line {n}" for n in range(100)]
        assert chunk.ingested_ms == house.now + 1000
        group, stream = await house.group(), await house.stream()
        assert group.created_ms == stream.created_ms == house.now + 1000
        assert (stream.first_ms, stream.last_ms, stream.ingested_ms) == (house.now, house.now, house.now + 1000)
        size = await house.store.read(lambda tx: logrows.totals(tx, *ME, group.id).size)
        assert size == sum(len(f"line {n}") + 26 for n in range(100))

    asyncio.run(main())


def test_lines_are_stored_by_themselves_after_a_moment():
    async def main():
        house = House()
        async with house.store.watch(b"") as _:
            house.write("a")
            house.write("b", stream="other")
            assert await house.chunks() == []
            while len(await house.chunks()) < 2:
                await asyncio.sleep(0.01)
        await house.tasks.close()

    asyncio.run(main())


def test_a_full_buffer_does_not_wait(monkeypatch):
    monkeypatch.setattr(room, "FLUSH_S", 3600)

    async def main():
        house = House()
        house.write("small", stream="quiet")
        house.write("x" * 70_000)
        while not await house.chunks():
            await asyncio.sleep(0)
        assert await house.messages() == ["x" * 70_000], "the quiet stream still waits"
        await house.logs.close()
        assert "small" in await house.messages()
        await house.tasks.close()

    asyncio.run(main())


def test_events_are_kept_in_order_of_time_and_chunks_stay_short():
    async def main():
        house = House()
        hour = house.now
        house.write("late", at=hour + 2 * logrows.CHUNK_MS)
        house.write("early", at=hour)
        house.write("same, second", at=hour)
        await house.logs.flush()
        assert await house.messages() == ["early", "same, second", "late"]
        for chunk in await house.chunks():
            assert chunk.events[-1][0] - chunk.events[0][0] <= logrows.CHUNK_MS
        house.write("earliest", at=hour - 1)
        await house.logs.flush()
        stream = await house.stream()
        assert (stream.first_ms, stream.last_ms, stream.chunks) == (hour - 1, hour + 2 * logrows.CHUNK_MS, 3)

    asyncio.run(main())


def test_long_lines_become_several_events():
    async def main():
        house = House()
        house.write("ä" * 400_000)
        await house.logs.flush()
        messages = await house.messages()
        assert "".join(messages) == "ä" * 400_000 and len(messages) == 2

    asyncio.run(main())


def test_under_pressure_the_oldest_lines_go_and_a_line_says_how_many(monkeypatch):
    monkeypatch.setattr(room, "MAX_BUFFER", 10_000)

    async def main():
        house = House()
        for n in range(1000):
            house.write(f"{n:074}")
        house.write("calm", stream="other")
        await house.logs.flush()
        messages = await house.messages()
        lines = [m for m in messages if m.startswith("0")]
        assert lines == [f"{n:074}" for n in range(900, 1000)]
        assert "[freehold] 900 log events were dropped here" in messages[messages.index(lines[0]) - 1]
        assert "calm" in messages

    asyncio.run(main())


def test_a_tail_is_fed_in_commit_order():
    async def main():
        house = House()
        house.write("before")
        await house.logs.flush()
        group = await house.group()
        await house.store.transact(lambda tx: tx.put(logrows.live_key(*ME, group.id, "session"), b""))
        async with house.store.watch(logrows.wake_key(*ME, group.id)) as watch:
            house.write("new", at=house.now + 5)
            await house.logs.flush()
            house.write("newer, but of an earlier time")
            await house.logs.flush()
            assert await watch.wait(1)
        feed = logrows.feed_key(*ME, group.id, "session")
        rows = await house.store.read(lambda tx: tx.scan(feed, feed + b"\xff"))
        keys = [msgspec.msgpack.decode(value)[1] for _, value in rows]
        values = await house.store.read(lambda tx: tx.get_many(keys))
        events = [msgspec.msgpack.decode(value, type=Chunk).events for value in values]
        assert [e[0][1] for e in events] == ["new", "newer, but of an earlier time"]

    asyncio.run(main())
