"""Limits of keys, values, transactions and scans: up to them everything goes, beyond them nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from freehold.store.base import LimitExceeded, Store, Tx
from freehold.store.limits import MAX_KEY, MAX_SCAN, MAX_SCAN_BYTES, MAX_TX_BYTES, MAX_TX_ROWS, MAX_VALUE
from tests.store.conformance.support import dump, put_all
from tests.store.conftest import OnStore

LIMITS: list[tuple[str, Callable[[Tx], object]]] = [
    ("key", lambda tx: tx.put(bytes(MAX_KEY + 1), b"")),
    ("key to delete", lambda tx: tx.delete(bytes(MAX_KEY + 1))),
    ("value", lambda tx: tx.put(b"k", bytes(MAX_VALUE + 1))),
    ("log", lambda tx: tx.append(bytes(MAX_KEY - 9), b"")),
    ("appended value", lambda tx: tx.append(b"log", bytes(MAX_VALUE + 1))),
    ("rows", lambda tx: [tx.put(b"%d" % n, b"") for n in range(MAX_TX_ROWS + 1)]),  # type: ignore[func-returns-value]
    ("rows deleted", lambda tx: [tx.delete(b"%d" % n) for n in range(MAX_TX_ROWS + 1)]),  # type: ignore[func-returns-value]
    ("rows appended", lambda tx: [tx.append(b"log", b"") for _ in range(MAX_TX_ROWS + 1)]),
    ("bytes", lambda tx: [tx.put(b"%d" % n, bytes(MAX_VALUE)) for n in range(MAX_TX_BYTES // MAX_VALUE + 1)]),  # type: ignore[func-returns-value]
    ("rows scanned", lambda tx: tx.scan(b"", b"\xff", limit=MAX_SCAN + 1)),
    ("no rows", lambda tx: tx.scan(b"", b"\xff", limit=-1)),
    ("bytes scanned", lambda tx: tx.scan(b"", b"\xff", max_bytes=MAX_SCAN_BYTES + 1)),
    ("no bytes", lambda tx: tx.scan(b"", b"\xff", max_bytes=0)),
    ("keys read", lambda tx: tx.get_many([b"k"] * (MAX_SCAN + 1))),
]


@pytest.mark.parametrize("act", [pytest.param(act, id=name) for name, act in LIMITS])
def test_beyond_a_limit_nothing_is_written(on_store: OnStore, act: Callable[[Tx], Any]) -> None:
    def body(tx: Tx) -> None:
        tx.put(b"mine", b"")
        act(tx)

    async def check(store: Store) -> None:
        with pytest.raises(LimitExceeded):
            await store.transact(body)
        assert await dump(store) == []

    on_store(check)


def test_a_write_beyond_a_limit_cannot_be_swallowed(on_store: OnStore) -> None:
    def body(tx: Tx) -> None:
        tx.put(b"mine", b"")
        try:
            tx.put(b"k", bytes(MAX_VALUE + 1))
        except LimitExceeded:
            pass

    async def check(store: Store) -> None:
        with pytest.raises(LimitExceeded):
            await store.transact(body)
        assert await dump(store) == []

    on_store(check)


def test_reads_have_the_same_limits(on_store: OnStore) -> None:
    async def check(store: Store) -> None:
        for read in (store.read, store.read_many):
            with pytest.raises(LimitExceeded):
                await read(lambda tx: tx.scan(b"", b"\xff", limit=MAX_SCAN + 1))
            with pytest.raises(LimitExceeded):
                await read(lambda tx: tx.get_many([b"k"] * (MAX_SCAN + 1)))

    on_store(check)


def test_everything_at_its_limit_is_accepted(on_store: OnStore) -> None:
    key, value = bytes(MAX_KEY), bytes(MAX_VALUE)

    async def check(store: Store) -> None:
        await store.transact(put_all({key: value, b"\1": b"x"}))
        assert await store.read(lambda tx: tx.get(key)) == value
        assert await store.read(lambda tx: tx.scan(b"", b"\2")) == [(key, value)]  # the first row fills the scan
        await store.transact(put_all({b"rows/%04d" % n: b"" for n in range(MAX_TX_ROWS)}))
        assert len(await store.read_many(lambda tx: tx.scan(b"rows/", b"rows0", limit=MAX_SCAN))) == MAX_SCAN
        await store.transact(lambda tx: tx.append(bytes(MAX_KEY - 10), b"x"))
        await store.transact(put_all({b"bytes/%02d" % n: bytes(MAX_TX_BYTES // 32 - 8) for n in range(32)}))

    on_store(check)
