"""Keys, ranges and scans: what is stored lies in order, and a scan stops where it is told to."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.store.base import ReadTx, Store, Tx
from freehold.store.limits import MAX_SCAN
from tests.store.conformance.support import dump, put_all
from tests.store.conftest import OnStore


def test_keys_order_as_unsigned_bytes(on_store: OnStore) -> None:
    keys = [
        b"",
        b"\0",
        b"\0\0",
        b"\x01",
        b"A",
        b"a",
        b"a\0",
        b"a\xff",
        b"b",
        b"\x7f",
        b"\x80",
        b"\xfe\xff",
        b"\xff",
        b"\xff\0",
    ]

    async def check(store: Store) -> None:
        await store.transact(put_all({key: b"v" + key for key in reversed(keys)}))
        assert [key for key, _ in await dump(store)] == keys
        assert await store.read(lambda tx: [tx.get(key) for key in keys]) == [b"v" + key for key in keys]
        backwards = await store.read(lambda tx: tx.scan(b"", b"\xff" * 8, reverse=True))
        assert [key for key, _ in backwards] == keys[::-1]

    on_store(check)


def test_a_range_holds_its_start_but_not_its_end(on_store: OnStore) -> None:
    async def check(store: Store) -> None:
        await store.transact(put_all({b"a": b"1", b"b": b"2", b"c": b"3"}))
        assert await dump(store, b"a", b"c") == [(b"a", b"1"), (b"b", b"2")]
        assert await dump(store, b"a\0", b"c\0") == [(b"b", b"2"), (b"c", b"3")]
        assert await dump(store, b"b", b"b") == await dump(store, b"c", b"a") == []

    on_store(check)


def test_a_scan_stops_at_its_limit_or_its_bytes(on_store: OnStore) -> None:
    rows = {b"k%03d" % n: bytes(96) for n in range(50)}  # 100 bytes each

    async def check(store: Store) -> None:
        await store.transact(put_all(rows))

        def scans(tx: ReadTx) -> None:
            def count(**how: Any) -> int:
                return len(tx.scan(b"k", b"l", **how))

            assert count() == 50
            assert count(limit=0) == 0
            assert count(limit=7) == 7
            assert count(max_bytes=1) == 1
            assert count(max_bytes=100) == 1
            assert count(max_bytes=101) == count(max_bytes=200) == 2
            assert count(limit=3, max_bytes=1000) == 3
            assert count(limit=30, max_bytes=1000, reverse=True) == 10
            assert tx.scan(b"k", b"l", limit=2, reverse=True) == [(b"k049", bytes(96)), (b"k048", bytes(96))]

        def scans_with_writes(tx: Tx) -> None:
            scans(tx)
            tx.put(b"k000", bytes(96))
            tx.put(b"k049", bytes(96))
            tx.put(b"other", b"")
            scans(tx)

        await store.read(scans)
        await store.read_many(scans)
        await store.transact(scans_with_writes)

    on_store(check)


def test_a_scan_skips_what_the_body_deleted_and_still_fills_its_limit(on_store: OnStore) -> None:
    def body(tx: Tx) -> None:
        for n in range(0, 100):
            if n % 10:
                tx.delete(b"k%03d" % n)
        assert [key for key, _ in tx.scan(b"k", b"l", limit=5)] == [b"k%03d" % n for n in (0, 10, 20, 30, 40)]
        assert [key for key, _ in tx.scan(b"k", b"l", limit=2, reverse=True)] == [b"k090", b"k080"]
        assert len(tx.scan(b"k", b"l", max_bytes=12)) == 2  # five bytes in the first two, ten in them, fifteen in three
        tx.put(b"k", b"")
        tx.put(b"k999", b"")
        assert [key for key, _ in tx.scan(b"k", b"l")][::11] == [b"k", b"k999"]

    async def check(store: Store) -> None:
        await store.transact(put_all({b"k%03d" % n: b"12" for n in range(100)}))
        await store.transact(body)
        assert len(await dump(store, b"k", b"l")) == 12

    on_store(check)


def test_clear_deletes_a_range_and_counts(on_store: OnStore) -> None:
    def body(tx: Tx) -> None:
        tx.put(b"k10x", b"")
        tx.delete(b"k11")
        assert tx.clear(b"k10", b"k13") == 3  # k10, k10x, k12
        assert tx.clear(b"k10", b"k13") == 0
        assert [key for key, _ in tx.scan(b"k09", b"k15")] == [b"k09", b"k13", b"k14"]

    async def check(store: Store) -> None:
        await store.transact(put_all({b"k%02d" % n: b"" for n in range(20)}))
        await store.transact(body)
        assert len(await dump(store)) == 17
        for n in range(2):
            await store.transact(put_all({b"big/%d%04d" % (n, m): b"" for m in range(700)}))
        assert await store.transact(lambda tx: tx.clear(b"big/", b"big0")) == MAX_SCAN
        assert await store.transact(lambda tx: tx.clear(b"big/", b"big0")) == 1_400 - MAX_SCAN
        assert len(await dump(store)) == 17

    on_store(check)


def test_only_bytes_are_stored(on_store: OnStore) -> None:
    async def check(store: Store) -> None:
        for body in (
            lambda tx: tx.put(b"k", "text"),
            lambda tx: tx.put("text", b"v"),
            lambda tx: tx.put(b"k", bytearray(b"v")),
            lambda tx: tx.delete("text"),
            lambda tx: tx.append("log", b"v"),
        ):
            with pytest.raises(TypeError):
                await store.transact(body)
        assert await dump(store) == []

    on_store(check)
