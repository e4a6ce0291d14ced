"""What only the embedded engine does: files, groups, checkpoints, the end of the process."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
import uvloop

from freehold.store.base import ReadTx, Store, StoreBusy, StoreError, StoreTooNew, StoreUnusable, Tx
from freehold.store.limits import MAX_SCAN
from freehold.store.sqlite import SqliteStore, writer


def put(key: bytes, value: bytes = b"") -> Callable[[Tx], None]:
    return lambda tx: tx.put(key, value)


def keys(tx: ReadTx) -> list[bytes]:
    return [key for key, _ in tx.scan(b"", b"\xff" * 9)]


# Files


def test_a_store_can_be_opened_again(tmp_path: Path) -> None:
    async def session(n: int) -> bytes:
        store = SqliteStore.open(tmp_path / "new" / "data")
        assert await store.read(keys) == [b"%d" % m for m in range(n)]
        await store.transact(put(b"%d" % n))
        stamp = await store.transact(lambda tx: tx.append(b"zlog/", b""))
        await store.transact(lambda tx: tx.clear(b"zlog/", b"zlog0"))
        await store.close()
        return stamp.value

    stamps = [asyncio.run(session(n)) for n in range(4)]
    assert stamps == sorted(set(stamps))  # also over restarts
    assert {file.name for file in (tmp_path / "new" / "data").iterdir()} == {"store.db", "store.lock"}


def test_a_directory_has_one_server(tmp_path: Path) -> None:
    async def check() -> None:
        store = SqliteStore.open(tmp_path)
        with pytest.raises(StoreBusy, match=f"in use by another Freehold .process {os.getpid()}.; stop it"):
            SqliteStore.open(tmp_path)
        await store.close()
        again = SqliteStore.open(tmp_path)
        await again.close()

    asyncio.run(check())


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    asyncio.run(SqliteStore.open(tmp_path).close())
    connection = apsw.Connection(str(tmp_path / "store.db"))
    connection.pragma("user_version", 99)
    connection.close()
    for _ in range(2):  # the refusal releases the directory
        with pytest.raises(StoreTooNew, match=r"newer Freehold .store version 99.*update Freehold"):
            SqliteStore.open(tmp_path)


def test_what_is_not_a_store_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    file.write_bytes(b"my diary\n" * 1000)
    with pytest.raises(StoreUnusable, match="not a Freehold store"):
        SqliteStore.open(tmp_path)
    assert file.read_bytes() == b"my diary\n" * 1000
    file.unlink()
    connection = apsw.Connection(str(file))
    connection.execute("CREATE TABLE recipes (name)")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(StoreUnusable, match="not a Freehold store"):
        SqliteStore.open(tmp_path)
    assert file.read_bytes() == before


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnusable, match="choose another"):
        SqliteStore.open(tmp_path / "file" / "data")
    with pytest.raises(StoreUnusable, match="choose another"):
        SqliteStore.open(Path("/proc/freehold"))


# Groups


def test_bodies_that_come_together_share_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commits: list[int] = []
    write = writer.write
    monkeypatch.setattr(writer, "write", lambda *args: (commits.append(len(args[1])), write(*args)))

    async def check() -> None:
        store = SqliteStore.open(tmp_path)
        await asyncio.gather(*(store.transact(put(b"%04d" % n)) for n in range(1_000)))
        assert len(await store.read(keys)) == sum(commits) == 1_000
        assert len(commits) < 60
        assert max(commits) <= writer.MAX_BODIES
        await store.close()

    asyncio.run(check())


def test_a_group_ends_at_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    write = writer.write
    monkeypatch.setattr(writer, "write", lambda *args: (sizes.append(len(args[1])), write(*args)))

    async def check() -> None:
        store = SqliteStore.open(tmp_path)
        big = bytes(1 << 20)
        await asyncio.gather(*(store.transact(put(b"%04d" % n, big)) for n in range(12)))
        assert sum(sizes) == 12
        assert max(sizes) <= 4
        await store.close()

    asyncio.run(check())


class Gate:
    """Holds the writer before each commit until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entered, self.open = threading.Event(), threading.Event()
        write = writer.write

        def held(*args: Any) -> None:
            self.entered.set()
            assert self.open.wait(30)
            write(*args)

        monkeypatch.setattr(writer, "write", held)


def test_nothing_is_heard_before_it_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results, errors and no-ops that may rest on rows that are not durable wait for them; reads do not see those."""

    async def check() -> None:
        store = SqliteStore.open(tmp_path)
        gate = Gate(monkeypatch)

        def fail(tx: Tx) -> None:
            raise ValueError(tx.get(b"k"))

        first = asyncio.create_task(store.transact(put(b"k", b"v")))
        while not gate.entered.is_set():
            await asyncio.sleep(0)
        others: list[asyncio.Task[Any]] = [
            asyncio.create_task(call)
            for call in (store.transact(lambda tx: tx.get(b"k")), store.transact(fail), store.transact(put(b"l")))
        ]
        for _ in range(20):
            await asyncio.sleep(0)
        assert not any(task.done() for task in [first, *others])
        assert await store.read(keys) == []
        assert await store.read_many(keys) == []
        gate.open.set()
        outcomes = await asyncio.gather(*others, return_exceptions=True)
        assert first.done()
        assert outcomes[0] == b"v"
        assert isinstance(outcomes[1], ValueError) and outcomes[1].args == (b"v",)
        assert await store.read(keys) == [b"k", b"l"]
        await store.close()

    asyncio.run(check())


def test_a_read_keeps_its_snapshot_when_a_commit_lands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def check() -> None:
        store = SqliteStore.open(tmp_path)
        gate = Gate(monkeypatch)
        writing = asyncio.create_task(store.transact(put(b"k", b"v")))
        while not gate.entered.is_set():
            await asyncio.sleep(0)

        def body(tx: ReadTx) -> tuple[bytes | None, bytes | None]:
            before = tx.get(b"k")
            gate.open.set()
            while not store._writer.idle:
                time.sleep(0)
            return before, tx.get(b"k")

        assert await store.read(body) == (None, None)
        assert await store.read(lambda tx: tx.get(b"k")) == b"v"
        await writing
        await store.close()

    asyncio.run(check())


def test_a_transaction_keeps_its_view_when_the_group_before_it_lands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def check() -> None:
        store = SqliteStore.open(tmp_path)
        await store.transact(lambda tx: [tx.put(b"%03d" % n, b"old") for n in range(200)])
        gate = Gate(monkeypatch)
        first = asyncio.create_task(store.transact(lambda tx: [tx.put(b"%03d" % n, b"new") for n in range(0, 300, 2)]))
        while not gate.entered.is_set():
            await asyncio.sleep(0)

        def body(tx: Tx) -> bool:
            before = tx.scan(b"", b"\xff", limit=MAX_SCAN)
            gate.open.set()
            while not store._writer.idle:
                time.sleep(0)
            return before == tx.scan(b"", b"\xff", limit=MAX_SCAN) and tx.get(b"002") == b"new"

        assert await store.transact(body)
        await first
        await store.close()

    asyncio.run(check())


# The end


def test_a_commit_that_fails_ends_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    write = writer.write

    def full(*args: Any) -> None:
        raise apsw.FullError("database or disk is full")

    async def check() -> None:
        store = SqliteStore.open(tmp_path, die=said.append)
        await store.transact(put(b"before"))
        monkeypatch.setattr(writer, "write", full)
        outcomes = await asyncio.gather(
            *(store.transact(put(b"%d" % n)) for n in range(600)), store.transact(keys), return_exceptions=True
        )
        assert {type(outcome) for outcome in outcomes} == {StoreError}
        assert len(said) == 1 and "disk is full" in said[0] and "\n" not in said[0]
        with pytest.raises(StoreError, match="the store stopped: database or disk is full"):
            await store.transact(put(b"after"))
        await store.close()
        monkeypatch.setattr(writer, "write", write)
        again = SqliteStore.open(tmp_path)
        assert await again.read(keys) == [b"before"]
        await again.close()

    asyncio.run(check())


# The log


def test_the_log_stays_small_under_load(tmp_path: Path) -> None:
    """Two seconds of writers and readers; the log restarts again and again."""
    file = tmp_path / "store.db-wal"
    sizes: list[int] = []

    async def write(store: Store, counter: itertools.count[int], until: float) -> None:
        value = bytes(1_000)
        while time.monotonic() < until:
            n = next(counter)
            await store.transact(
                lambda tx, n=n: [tx.put(b"%010d/%d" % (n * 7919 % 1_000_003, m), value) for m in range(3)]
            )

    async def look(store: Store, until: float) -> None:
        while time.monotonic() < until:
            await store.read_many(lambda tx: tx.scan(b"", b"\xff"))
            await store.read(lambda tx: tx.get_many([b"a", b"b"]))
            sizes.append(file.stat().st_size)
            await asyncio.sleep(0)

    async def check() -> None:
        store = SqliteStore.open(tmp_path)
        until = time.monotonic() + 2.0
        counter = itertools.count()
        await asyncio.gather(
            *(write(store, counter, until) for _ in range(32)), *(look(store, until) for _ in range(2))
        )
        assert next(counter) > 1_000
        assert max(sizes) < 32 << 20
        await store.close()

    asyncio.run(check())


def test_the_store_works_on_uvloop(tmp_path: Path) -> None:
    async def check() -> None:
        store = SqliteStore.open(tmp_path)
        async with store.watch(b"bell") as watch:
            await asyncio.gather(*(store.transact(put(b"%03d" % n)) for n in range(100)))
            await store.transact(lambda tx: tx.wake(b"bell"))
            assert await watch.wait(30)
        assert len(await store.read(keys)) == len(await store.read_many(keys)) == 100
        await store.close()

    uvloop.run(check())


def test_a_loop_that_ended_does_not_stop_the_writer(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path)

    async def abandon() -> None:
        tasks = [asyncio.create_task(store.transact(put(b"%03d" % n))) for n in range(50)]
        await asyncio.sleep(0)
        del tasks

    asyncio.run(abandon())

    async def check() -> None:
        await store.transact(put(b"later"))
        assert b"later" in await store.read(keys)
        await store.close()

    asyncio.run(check())


def test_a_loop_that_ended_before_it_began_its_commit_does_not_hold_up_the_next(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path)

    async def abandon() -> None:
        with pytest.raises(StopIteration):
            store.transact(put(b"first"), early=True).send(None)

    loop = asyncio.new_event_loop()
    task = loop.create_task(abandon())
    loop.call_soon(loop.stop)  # after one turn
    loop.run_forever()
    assert task.done()
    loop.close()

    async def check() -> None:
        await asyncio.wait_for(store.transact(put(b"later")), 30)
        assert await store.read(keys) == [b"first", b"later"]
        await store.close()

    asyncio.run(check())


# Early results


def test_an_early_result_is_there_before_its_commit(tmp_path: Path) -> None:
    async def check() -> None:
        store = SqliteStore.open(tmp_path)
        with pytest.raises(StopIteration):  # without having waited for anything
            store.transact(put(b"early"), early=True).send(None)
        assert await store.read(keys) == []
        await store.transact(lambda tx: None)
        assert await store.read(keys) == [b"early"]
        await store.close()

    asyncio.run(check())
