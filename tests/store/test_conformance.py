"""The laws of freehold/store/base.py. Every engine passes; an engine that cannot is not a store."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from freehold.store.base import LimitExceeded, ReadTx, Stamp, Store, StoreError, Tx, Views
from freehold.store.limits import MAX_KEY, MAX_SCAN, MAX_SCAN_BYTES, MAX_TX_BYTES, MAX_TX_ROWS, MAX_VALUE
from tests.store.conftest import OnStore


class Refused(Exception):
    """Raised by bodies here."""


def put_all(rows: dict[bytes, bytes]) -> Callable[[Tx], None]:
    def body(tx: Tx) -> None:
        for key, value in rows.items():
            tx.put(key, value)

    return body


async def dump(store: Store, start: bytes = b"", end: bytes = b"\xff" * 8) -> list[tuple[bytes, bytes]]:
    return await store.read(lambda tx: tx.scan(start, end))


# Law 1: order and limits


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


LIMITS: list[tuple[str, Callable[[Tx], Any]]] = [
    ("key", lambda tx: tx.put(bytes(MAX_KEY + 1), b"")),
    ("key to delete", lambda tx: tx.delete(bytes(MAX_KEY + 1))),
    ("value", lambda tx: tx.put(b"k", bytes(MAX_VALUE + 1))),
    ("log", lambda tx: tx.append(bytes(MAX_KEY - 9), b"")),
    ("appended value", lambda tx: tx.append(b"log", bytes(MAX_VALUE + 1))),
    ("rows", lambda tx: [tx.put(b"%d" % n, b"") for n in range(MAX_TX_ROWS + 1)]),
    ("rows deleted", lambda tx: [tx.delete(b"%d" % n) for n in range(MAX_TX_ROWS + 1)]),
    ("rows appended", lambda tx: [tx.append(b"log", b"") for _ in range(MAX_TX_ROWS + 1)]),
    ("bytes", lambda tx: [tx.put(b"%d" % n, bytes(MAX_VALUE)) for n in range(MAX_TX_BYTES // MAX_VALUE + 1)]),
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


# Law 2: serializable, and up to date


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


def test_a_commit_is_seen_by_whatever_begins_after_it(on_store: OnStore) -> None:
    async def client(store: Store, name: bytes) -> None:
        for n in range(30):
            value = b"%d" % n
            await store.transact(lambda tx, value=value: tx.put(name, value))
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


# Law 3: bodies


def test_a_body_that_raises_leaves_nothing_behind(on_store: OnStore) -> None:
    def body(tx: Tx) -> None:
        tx.put(b"k", b"")
        tx.delete(b"there")
        tx.append(b"log", b"")
        raise Refused("no")

    async def check(store: Store) -> None:
        await store.transact(put_all({b"there": b""}))
        with pytest.raises(Refused, match="no"):
            await store.transact(body)
        assert await dump(store) == [(b"there", b"")]

    on_store(check)


def test_a_failing_member_leaves_its_group_alone(on_store: OnStore) -> None:
    def member(n: int) -> Callable[[Tx], int]:
        def body(tx: Tx) -> int:
            tx.put(b"m/%02d" % n, b"")
            tx.put(b"last", b"%d" % n)
            if n % 3 == 0:
                raise Refused(str(n))
            return n

        return body

    async def check(store: Store) -> None:
        outcomes = await asyncio.gather(*(store.transact(member(n)) for n in range(31)), return_exceptions=True)
        for n, outcome in enumerate(outcomes):
            assert outcome == n if n % 3 else isinstance(outcome, Refused)
        assert [key for key, _ in await dump(store, b"m", b"n")] == [b"m/%02d" % n for n in range(31) if n % 3]
        last = await store.read(lambda tx: tx.get(b"last"))
        assert last is not None and int(last) % 3

    on_store(check)


@pytest.mark.parametrize("error", [StopIteration(), asyncio.CancelledError(), KeyError("k")])
def test_any_error_reaches_its_caller_and_nobody_else(on_store: OnStore, error: BaseException) -> None:
    def body(tx: Tx) -> None:
        raise error

    async def check(store: Store) -> None:
        outcomes = await asyncio.gather(
            store.transact(put_all({b"a": b""})),
            store.transact(body),
            store.transact(put_all({b"b": b""})),
            return_exceptions=True,
        )
        assert outcomes[0] is outcomes[2] is None
        assert isinstance(outcomes[1], BaseException)
        assert len(await dump(store)) == 2

    on_store(check)


def test_a_cancelled_caller_does_not_harm_the_others(on_store: OnStore) -> None:
    async def check(store: Store) -> None:
        for round_ in range(10):
            tasks = [asyncio.create_task(store.transact(put_all({b"%d/%d" % (round_, n): b""}))) for n in range(8)]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert outcomes[1::2] == [None] * 4
            rows = {key for key, _ in await dump(store, b"%d/" % round_, b"%d0" % round_)}
            assert {b"%d/%d" % (round_, n) for n in (1, 3, 5, 7)} <= rows

    on_store(check)


# Appends


def stamps_of(rows: list[tuple[bytes, bytes]], log: bytes) -> list[bytes]:
    return [key.removeprefix(log) for key, _ in rows]


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
            await store.transact(lambda tx, n=n: [tx.append(b"log/", b"%d/%d" % (name, n + m)) for m in (0, 1000)])

    async def check(store: Store) -> None:
        producers = [asyncio.create_task(producer(store, name)) for name in range(6)]
        tailed: list[tuple[bytes, bytes]] = []
        done = False
        while not done:
            done = all(task.done() for task in producers)
            start = tailed[-1][0] + b"\0" if tailed else b"log/"
            tailed += await store.read(lambda tx, start=start: tx.scan(start, b"log0", limit=7))
            await asyncio.sleep(0)
        await asyncio.gather(*producers)
        tailed += await store.read(lambda tx: tx.scan(tailed[-1][0] + b"\0", b"log0"))
        assert tailed == await dump(store, b"log/", b"log0")
        assert len(tailed) == 6 * 25 * 2
        for name in range(6):  # each producer's own appends are in its own order
            mine = [int(value.split(b"/")[1]) for _, value in tailed if value.startswith(b"%d/" % name)]
            assert mine == [n + m for n in range(25) for m in (0, 1000)]

    on_store(check)


# Watches


def test_a_wake_rouses_after_the_commit(on_store: OnStore) -> None:
    def body(tx: Tx) -> None:
        tx.put(b"k", b"v")
        tx.wake(b"bell")

    async def check(store: Store) -> None:
        async with store.watch(b"bell") as watch, store.watch(b"bell") as other, store.watch(b"else") as elsewhere:
            assert await store.read(lambda tx: tx.get(b"k")) is None
            waiting = asyncio.create_task(watch.wait(30))
            await asyncio.sleep(0)
            await store.transact(body)
            assert await waiting
            assert await store.read(lambda tx: tx.get(b"k")) == b"v"
            assert await other.wait(30)  # a wake before the wait is not lost
            assert not await other.wait(0)  # and counts once
            assert not await elsewhere.wait(0)
            await store.transact(lambda tx: tx.wake(b"bell"))
            assert await watch.wait(30)

    on_store(check)


def test_a_body_that_raises_wakes_nobody(on_store: OnStore) -> None:
    def body(tx: Tx) -> None:
        tx.wake(b"bell")
        raise Refused

    async def check(store: Store) -> None:
        async with store.watch(b"bell") as watch:
            with pytest.raises(Refused):
                await store.transact(body)
            await store.transact(put_all({b"k": b""}))
            assert not await watch.wait(0.001)

    on_store(check)


def test_a_listener_is_called_at_each_wake_until_the_watch_is_left(on_store: OnStore) -> None:
    async def check(store: Store) -> None:
        heard = asyncio.Event()
        async with store.watch(b"bell") as watch:
            watch.call(heard.set)
            for _ in range(2):
                await store.transact(lambda tx: tx.wake(b"bell"))
                await asyncio.wait_for(heard.wait(), 30)
                heard.clear()
        await store.transact(lambda tx: tx.wake(b"bell"))
        await store.transact(lambda tx: tx.put(b"later", b""))
        assert not heard.is_set()

    on_store(check)


def test_a_cancelled_wait_can_be_repeated(on_store: OnStore) -> None:
    async def check(store: Store) -> None:
        async with store.watch(b"bell") as watch:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(watch.wait(30), 0.001)
            await store.transact(lambda tx: tx.wake(b"bell"))
            assert await watch.wait(30)

    on_store(check)


# Closing


def test_close_finishes_what_was_begun(on_store: OnStore) -> None:
    async def check(store: Store) -> None:
        tasks = [asyncio.create_task(store.transact(put_all({b"%d" % n: b""}))) for n in range(300)]
        await asyncio.sleep(0)
        await store.close()
        await asyncio.gather(*tasks)
        for call in (store.transact, store.read, store.read_many):
            with pytest.raises(StoreError):
                await call(lambda tx: tx.get(b"k"))
        await store.close()

    on_store(check)


# Early results


def test_what_was_told_early_is_there_for_whoever_comes_later(on_store: OnStore) -> None:
    async def check(store: Store) -> None:
        for n in range(20):
            key = b"%d" % n

            def take(tx: Tx, key: bytes = key) -> bytes | None:
                tx.put(key, b"taken")
                return tx.get(key)

            assert await store.transact(take, early=True) == b"taken"
            assert await store.transact(lambda tx, key=key: tx.get(key)) == b"taken"  # type: ignore[misc]
        with pytest.raises(Refused):
            await store.transact(refuse, early=True)
        assert len(await dump(store)) == 20

    def refuse(tx: Tx) -> None:
        tx.put(b"never", b"")
        raise Refused

    on_store(check)


# Views


def test_a_view_is_one_state_however_long_it_is_looked_at(on_store: OnStore) -> None:
    async def check(store: Store) -> None:
        assert isinstance(store, Views)
        await store.transact(put_all({b"a": b"1", b"b": b"1"}))
        view = store.view()
        entered, changed = threading.Event(), threading.Event()

        def look() -> list[tuple[bytes, bytes]]:
            with view as tx:
                first = tx.get(b"a")
                entered.set()
                changed.wait(10)
                return [(b"a", first or b""), *tx.scan(b"b", b"d")]

        looking = asyncio.ensure_future(asyncio.to_thread(look))
        await asyncio.to_thread(entered.wait, 10)
        await store.transact(put_all({b"a": b"2", b"b": b"2", b"c": b"2"}))
        changed.set()
        assert await looking == [(b"a", b"1"), (b"b", b"1")]
        assert await dump(store) == [(b"a", b"2"), (b"b", b"2"), (b"c", b"2")]

    on_store(check)
