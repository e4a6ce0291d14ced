import asyncio

from freehold.kit.tuples import span
from freehold.work.meters import DAY_MS, KEEP_DAYS, MINUTE_MS, Bucket, Meters
from freehold.work.tasks import Tasks
from tests.support import manual_clock, memory_store

ME = ("111122223333", "us-east-1")


def house():
    store, clock = memory_store(), manual_clock()
    return store, clock, Meters(store, clock, Tasks())


def test_additions_become_buckets_of_one_minute():
    async def main():
        _, clock, meters = house()
        begin = clock.now_ms()
        for value in (3, 1, 2):
            meters.add(*ME, "Duration", value, function="f")
        await meters.flush()
        meters.add(*ME, "Duration", 10, function="f")
        meters.add(*ME, "Duration", 7, function="g")
        clock.advance(60)
        meters.add(*ME, "Duration", 5, function="f")
        await meters.flush()
        found = await meters.read(*ME, "Duration", begin, begin + 120_000, {"function": "f"})
        assert [(p.start_ms - begin, p.count, p.sum, p.min, p.max) for p in found] == [
            (0, 4, 16, 1, 10),
            (60_000, 1, 5, 5, 5),
        ]
        everything = await meters.read(*ME, "Duration", begin, begin + 60_000)
        assert sorted((p.dimensions["function"], p.count) for p in everything) == [("f", 4), ("g", 1)]
        assert await meters.read("222222222222", ME[1], "Duration", begin, begin + 60_000) == []

    asyncio.run(main())


def test_sums_of_others_count_as_single_additions_do():
    async def main():
        _, clock, meters = house()
        begin = clock.now_ms()
        waiting = [Bucket(2, 2.0, -1.0, 3.0)]

        def source():
            while waiting:
                meters.merge(begin // MINUTE_MS, *ME, "Duration", waiting.pop(), function="f")

        meters.ask(source)
        for value in (3.0, -1.0, 7.0):
            meters.add(*ME, "Single", value, function="f")
        meters.add(*ME, "Duration", 7.0, function="f")
        await meters.flush()
        waiting.append(Bucket(1, 5.0, 5.0, 5.0))
        meters.add(*ME, "Single", 5.0, function="f")
        await meters.flush()

        async def of(meter):
            return await meters.read(*ME, meter, begin, begin + MINUTE_MS, {"function": "f"})

        assert await of("Duration") == await of("Single") != []

    asyncio.run(main())


def test_dimensions_are_a_set_in_whatever_order_they_are_named():
    async def main():
        _, clock, meters = house()
        meters.add(*ME, "Count", 1, a="1", b="2")
        meters.add(*ME, "Count", 1, b="2", a="1")
        await meters.flush()
        (point,) = await meters.read(*ME, "Count", clock.now_ms(), clock.now_ms() + 1, {"b": "2", "a": "1"})
        assert point.count == 2

    asyncio.run(main())


def test_readings_cross_days_and_old_days_go():
    async def main():
        store, clock, meters = house()
        begin = clock.now_ms()
        for _ in range(KEEP_DAYS + 3):
            meters.add(*ME, "Count", 1)
            await meters.flush()
            clock.advance(DAY_MS / 1000)
        found = await meters.read(*ME, "Count", begin, clock.now_ms())
        assert len(found) == KEEP_DAYS + 1
        assert len(await store.read(lambda tx: tx.scan(*span("meter")))) == KEEP_DAYS + 1

    asyncio.run(main())


def test_nothing_is_lost_at_close():
    async def main():
        _, clock, meters = house()
        meters.add(*ME, "Count", 1)
        await meters.close()
        assert len(await meters.read(*ME, "Count", clock.now_ms(), clock.now_ms() + 1)) == 1

    asyncio.run(main())


def test_a_body_in_a_thread_counts_too():
    async def main():
        _, clock, meters = house()
        await meters.start()
        await asyncio.to_thread(meters.add, *ME, "Count", 1)
        await asyncio.sleep(0)
        assert meters._timer is not None  # it will be written without anybody's asking
        await meters.close()
        assert len(await meters.read(*ME, "Count", clock.now_ms(), clock.now_ms() + 1)) == 1

    asyncio.run(main())
