"""Appends: rows under their commit stamps, which readers of a log see in commit order, never a gap."""

from __future__ import annotations

import asyncio

import pytest

from freehold.store.base import Stamp, Store, StoreError, Tx
from tests.store.conformance.support import dump
from tests.store.conftest import OnStore


def test_an_append_is_a_row_under_its_stamp(on_store: OnStore) -> None:
    def body(tx: Tx) -> tuple[Stamp, Stamp]:
        before = tx.scan(b"log/", b"log0")
        first, second = tx.append(b"log/", b"first"), tx.append(b"log/", b"second")
        tx.append(b"other/", b"third")
        assert tx.scan(b"log/", b"log0") == before  # a body does not see its own appends
        with pytest.raises(StoreError):
            _ = first.value
        return first, second

    async def check(store: Store) -> None:
        first, second = await store.transact(body)
        assert len(first.value) == len(second.value) == 10
        assert first.value < second.value
        assert await dump(store, b"log/", b"log0") == [
            (b"log/" + first.value, b"first"),
            (b"log/" + second.value, b"second"),
        ]
        assert len(await dump(store)) == 3
        third, _ = await store.transact(body)
        assert third.value > second.value

    on_store(check)


def test_a_body_sees_the_appends_decided_before_it(on_store: OnStore) -> None:
    """Also within one group: what a later member counts includes the appends of the earlier ones."""

    def body(tx: Tx) -> int:
        seen = len(tx.scan(b"log/", b"log0"))
        tx.append(b"log/", b"%d" % seen)
        return seen

    async def check(store: Store) -> None:
        seen = await asyncio.gather(*(store.transact(body) for _ in range(20)))
        assert sorted(seen) == list(range(20))
        assert [int(value) for _, value in await dump(store)] == list(range(20))

    on_store(check)


def test_a_tail_of_a_log_never_misses_a_row(on_store: OnStore) -> None:
    async def producer(store: Store, name: int) -> None:
        for n in range(25):
            await store.transact(lambda tx, n=n: [tx.append(b"log/", b"%d/%d" % (name, n + m)) for m in (0, 1000)])  # type: ignore[misc]

    async def check(store: Store) -> None:
        producers = [asyncio.create_task(producer(store, name)) for name in range(6)]
        tailed: list[tuple[bytes, bytes]] = []
        done = False
        while not done:
            done = all(task.done() for task in producers)
            start = tailed[-1][0] + b"\0" if tailed else b"log/"
            tailed += await store.read(lambda tx, start=start: tx.scan(start, b"log0", limit=7))  # type: ignore[misc]
            await asyncio.sleep(0)
        await asyncio.gather(*producers)
        tailed += await store.read(lambda tx: tx.scan(tailed[-1][0] + b"\0", b"log0"))
        assert tailed == await dump(store, b"log/", b"log0")
        assert len(tailed) == 6 * 25 * 2
        for name in range(6):  # each producer's own appends are in its own order
            mine = [int(value.split(b"/")[1]) for _, value in tailed if value.startswith(b"%d/" % name)]
            assert mine == [n + m for n in range(25) for m in (0, 1000)]

    on_store(check)
