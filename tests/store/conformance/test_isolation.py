"""Isolation: transactions are serializable, ranges included, and see every commit before them; a read is one snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from freehold.store.base import ReadTx, Store, Tx
from tests.store.conformance.support import dump, put_all
from tests.store.conftest import OnStore


def test_a_body_sees_its_own_writes(on_store: OnStore) -> None:
    def body(tx: Tx) -> None:
        tx.put(b"b", b"new")
        tx.put(b"bb", b"")
        tx.delete(b"c")
        tx.delete(b"nothing")
        assert tx.get(b"b") == b"new"
        assert tx.get(b"c") is None
        assert tx.get_many([b"a", b"b", b"c", b"d", b"a"]) == [b"1", b"new", None, b"4", b"1"]
        rows = [(b"a", b"1"), (b"b", b"new"), (b"bb", b""), (b"d", b"4")]
        assert tx.scan(b"a", b"z") == rows
        assert tx.scan(b"a", b"z", reverse=True) == rows[::-1]
        assert tx.scan(b"a", b"z", limit=3) == rows[:3]
        assert tx.scan(b"a", b"z", limit=1, reverse=True) == rows[3:]
        tx.put(b"c", b"again")
        assert tx.scan(b"c", b"d") == [(b"c", b"again")]

    async def check(store: Store) -> None:
        await store.transact(put_all({b"a": b"1", b"b": b"2", b"c": b"3", b"d": b"4"}))
        await store.transact(body)
        assert [key for key, _ in await dump(store)] == [b"a", b"b", b"bb", b"c", b"d"]

    on_store(check)


def test_a_commit_is_seen_by_whatever_begins_after_it(on_store: OnStore) -> None:
    async def client(store: Store, name: bytes) -> None:
        for n in range(30):
            value = b"%d" % n
            await store.transact(lambda tx, value=value: tx.put(name, value))  # type: ignore[misc]
            assert await store.read(lambda tx: tx.get(name)) == value
            assert await store.transact(lambda tx: tx.get(name)) == value
            if n % 10 == 0:
                assert await store.read_many(lambda tx: tx.get(name)) == value

    async def check(store: Store) -> None:
        await asyncio.gather(*(client(store, b"c%d" % n) for n in range(8)))

    on_store(check)


def test_no_update_is_lost(on_store: OnStore) -> None:
    def add(tx: Tx) -> int:
        count = int(tx.get(b"count") or b"0") + 1
        tx.put(b"count", b"%d" % count)
        return count

    async def check(store: Store) -> None:
        results = await asyncio.gather(*(store.transact(add, lane=b"count") for _ in range(60)))
        assert sorted(results) == list(range(1, 61))
        assert await store.read(lambda tx: tx.get(b"count")) == b"60"

    on_store(check)


def test_no_write_skew(on_store: OnStore) -> None:
    """Two doctors are on call; each may leave while the other stays."""

    def leave(me: bytes, other: bytes) -> Callable[[Tx], bool]:
        def body(tx: Tx) -> bool:
            if tx.get(other) != b"on call":
                return False
            tx.put(me, b"home")
            return True

        return body

    async def check(store: Store) -> None:
        for round_ in range(10):
            a, b = b"%d/a" % round_, b"%d/b" % round_
            await store.transact(put_all({a: b"on call", b: b"on call"}))
            left = await asyncio.gather(store.transact(leave(a, b)), store.transact(leave(b, a)))
            assert sorted(left) == [False, True]

    on_store(check)


def test_no_phantom(on_store: OnStore) -> None:
    """A range that was counted does not grow behind the body's back."""

    def book(guest: int) -> Callable[[Tx], bool]:
        def body(tx: Tx) -> bool:
            if len(tx.scan(b"room/", b"room0")) >= 5:
                return False
            tx.put(b"room/%03d" % guest, b"")
            return True

        return body

    async def check(store: Store) -> None:
        booked = await asyncio.gather(*(store.transact(book(guest)) for guest in range(20)))
        assert sum(booked) == 5
        assert len(await dump(store)) == 5

    on_store(check)


def test_a_read_is_one_snapshot(on_store: OnStore) -> None:
    def move(tx: Tx) -> None:
        a, b = int(tx.get(b"a") or b"0"), int(tx.get(b"b") or b"0")
        tx.put(b"a", b"%d" % (a + 1))
        tx.put(b"b", b"%d" % (b - 1))

    def total(tx: ReadTx) -> int:
        before = int(tx.get(b"a") or b"0")
        (_, a), (_, b) = tx.scan(b"a", b"c")
        assert int(a) == before
        return int(a) + int(b)

    async def writer(store: Store) -> None:
        for _ in range(100):
            await store.transact(move)

    async def check(store: Store) -> None:
        await store.transact(move)
        writing = [asyncio.create_task(writer(store)) for _ in range(2)]
        while not all(task.done() for task in writing):
            assert await store.read(total) == 0
            assert await store.read_many(total) == 0
            await asyncio.sleep(0)
        await asyncio.gather(*writing)

    on_store(check)


def test_every_view_is_whole_while_commits_land(on_store: OnStore) -> None:
    """Transfers between accounts, each after a look at all of them: every look, of bodies and reads, adds up."""
    accounts = [b"account/%02d" % n for n in range(12)]

    def total(tx: ReadTx) -> int:
        return sum(int(balance) for _, balance in tx.scan(b"account/", b"account0"))

    def transfer(n: int) -> Callable[[Tx], int]:
        giver, taker = accounts[n % 12], accounts[(n * 7 + 5) % 12]

        def body(tx: Tx) -> int:
            before = total(tx)
            for account, change in ((giver, -n), (taker, n)):
                tx.put(account, b"%d" % (int(tx.get(account) or b"0") + change))
            assert total(tx) == before
            return before

        return body

    async def client(store: Store, number: int) -> None:
        for n in range(25):
            assert await store.transact(transfer(number * 31 + n), lane=b"bank") == 1_200
            assert await store.read(total) == 1_200

    async def check(store: Store) -> None:
        await store.transact(put_all(dict.fromkeys(accounts, b"100")))
        await asyncio.gather(*(client(store, number) for number in range(12)))
        assert await store.read_many(total) == 1_200

    on_store(check)
