"""Rows kept in memory are never older than what was acknowledged, and never from two commits at once."""

import asyncio
import tracemalloc
from typing import cast

from freehold.store.sqlite import SqliteStore
from freehold.store.sqlite.cache import MAX_BYTES, CachedTable
from freehold.store.sqlite.table import KvTable

KEYS = [b"a%d" % number for number in range(6)]


def run(tmp_path, main):
    async def inner():
        store = SqliteStore.open(tmp_path)
        try:
            await main(store)
        finally:
            await store.close()

    asyncio.run(inner())


def test_readers_beside_writers_see_whole_commits_in_order(tmp_path):
    async def main(store):
        acknowledged = 0

        async def write():
            nonlocal acknowledged
            for number in range(1, 400):

                def body(tx, value=b"%d" % number):
                    assert len({tx.get(key) for key in KEYS}) == 1
                    for key in KEYS:
                        tx.put(key, value)

                await store.transact(body)
                acknowledged = number

        async def read(keys, many):
            while acknowledged < 399:
                before = acknowledged
                found = await store.read(lambda tx: tx.get_many(keys) if many else [tx.get(key) for key in keys])
                assert len(set(found)) == 1, "rows of two commits in one read"
                assert int(found[0] or 0) >= before, "older than what was acknowledged"
                await asyncio.sleep(0)

        await asyncio.gather(write(), read(KEYS, True), read(KEYS[::-1], False), read(KEYS[:3], True))

    run(tmp_path, main)


def test_rows_at_hand_beside_writers_are_of_one_commit_and_never_old(tmp_path):
    async def main(store):
        acknowledged = found = missing = 0

        async def write():
            nonlocal acknowledged
            for number in range(1, 400):
                await store.transact(lambda tx, value=b"%d" % number: [tx.put(key, value) for key in KEYS])
                acknowledged = number

        async def look():
            nonlocal found, missing
            while acknowledged < 399:
                rows = {row for key in KEYS if (row := store.at_hand(key)) is not None}
                assert len(rows) <= 1, "rows of two commits at once"
                assert all(int(row) >= acknowledged for row in rows), "older than what was acknowledged"
                found, missing = found + len(rows), missing + (acknowledged > 0 and not rows)
                await asyncio.sleep(0)

        await asyncio.gather(write(), look())
        assert found and missing, "both were to be seen: rows at hand, and rows that are being written"

    run(tmp_path, main)


def test_a_row_read_while_its_successor_is_on_its_way_is_not_kept(tmp_path):
    async def main(store):
        await store.transact(lambda tx: tx.put(b"k", b"1"))
        writing = asyncio.ensure_future(store.transact(lambda tx: tx.put(b"k", b"2")))
        await asyncio.sleep(0)  # the body has run; its commit is under way
        assert await store.read(lambda tx: tx.get(b"k")) in (b"1", b"2")
        await writing
        assert await store.read(lambda tx: tx.get(b"k")) == b"2"
        assert await store.transact(lambda tx: tx.get(b"k")) == b"2"

    run(tmp_path, main)


def test_a_row_that_was_missing_is_found_once_it_is_appended_or_put(tmp_path):
    async def main(store):
        first = await store.transact(lambda tx: tx.append(b"log", b"x"))
        number = int.from_bytes(first.value[:8], "big")
        following = b"log" + (number + 1).to_bytes(8, "big") + bytes(2)
        assert await store.read(lambda tx: tx.get(following)) is None
        assert await store.transact(lambda tx: tx.get(following)) is None
        second = await store.transact(lambda tx: tx.append(b"log", b"y"))
        assert b"log" + second.value == following
        assert await store.read(lambda tx: tx.get(following)) == b"y"
        await store.transact(lambda tx: tx.delete(following))
        assert await store.read(lambda tx: tx.get_many([following, b"log" + first.value])) == [None, b"x"]

    run(tmp_path, main)


def test_what_is_kept_is_bounded(tmp_path):
    async def main(store):
        long = b"x" * 1_900
        for number in range(2 * MAX_BYTES // len(long)):
            await store.read(lambda tx, number=number: tx.get(b"%d" % number + long))
        kept = store._cache.kept
        assert 0 < sum(len(key) for key in kept) <= MAX_BYTES

    run(tmp_path, main)


def test_small_rows_take_no_more_memory_than_is_said() -> None:
    class Empty:
        def get(self, key: bytes) -> bytes | None:
            return b"value of %b" % key

    cached = CachedTable(cast(KvTable, Empty()))
    tracemalloc.start()
    try:
        for number in range(200_000):
            cached.get(b"%012d" % number)
            if number % 10_000 == 0:
                assert tracemalloc.get_traced_memory()[0] < 1.1 * MAX_BYTES
    finally:
        tracemalloc.stop()
