"""What only PostgreSQL can do to a store: other nodes, connections that break, a server that comes and goes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from freehold.store.base import Contended, ReadTx, Stamp, StoreBusy, StoreError, StoreTooNew, StoreUnusable, Tx
from tests.postgres_server import Cluster, binaries, cluster

psycopg = pytest.importorskip("psycopg")

from freehold.store.postgres import PostgresStore, notices, session, table, writer  # noqa: E402

SCHEMA = f"freehold_pg_{os.getpid()}"

OnNodes = Callable[[Callable[..., Awaitable[Any]]], None]


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    """A server of this module's own: some tests here stop it."""
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL: install Debian's postgresql package")
    with cluster(programs) as running:
        yield running


@pytest.fixture
def url(server: Cluster) -> str:
    """An empty database's URL."""
    execute(server.url, f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    return server.url


@pytest.fixture
def on_nodes(url: str) -> OnNodes:
    """Run a coroutine function on two stores over the same tables."""

    def on_nodes(test: Callable[..., Awaitable[Any]]) -> None:
        async def main() -> None:
            first, second = await PostgresStore.open(url, SCHEMA), await PostgresStore.open(url, SCHEMA)
            try:
                await asyncio.wait_for(test(first, second), 60)
            finally:
                await first.close()
                await second.close()

        asyncio.run(main())

    return on_nodes


def execute(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def end_connections(url: str) -> None:
    """As a failover or an administrator would; returns when they are gone."""
    mine = "application_name = 'freehold' AND pid <> pg_backend_pid()"
    execute(url, f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {mine}")


def add(tx: Tx) -> int:
    count = int(tx.get(b"count") or b"0") + 1
    tx.put(b"count", b"%d" % count)
    return count


def putting(key: bytes) -> Callable[[Tx], None]:
    return lambda tx: tx.put(key, b"")


def appending(value: bytes) -> Callable[[Tx], object]:
    return lambda tx: tx.append(b"log/", value)


def scanning(start: bytes) -> Callable[[ReadTx], list[tuple[bytes, bytes]]]:
    return lambda tx: tx.scan(start, b"log0")


def test_what_one_node_commits_the_other_sees(on_nodes: OnNodes) -> None:
    async def check(first: PostgresStore, second: PostgresStore) -> None:
        for n in range(1, 21):
            assert await (first if n % 2 else second).transact(add) == n
            assert await (second if n % 2 else first).read(lambda tx: tx.get(b"count")) == b"%d" % n

    on_nodes(check)


@pytest.mark.parametrize("lane", [b"count", None])
def test_no_update_of_two_nodes_is_lost(on_nodes: OnNodes, lane: bytes | None) -> None:
    async def check(first: PostgresStore, second: PostgresStore) -> None:
        results = await asyncio.gather(*((first, second)[n % 2].transact(add, lane=lane) for n in range(80)))
        assert sorted(results) == list(range(1, 81))

    on_nodes(check)


def test_a_tail_misses_no_row_of_any_node(on_nodes: OnNodes) -> None:
    """Stamps are drawn on two nodes: a reader that goes on after the last row it saw still sees every row."""

    async def producer(store: PostgresStore, name: int) -> None:
        for n in range(40):
            await store.transact(appending(b"%d/%d" % (name, n)))

    async def check(first: PostgresStore, second: PostgresStore) -> None:
        producing = [asyncio.create_task(producer((first, second)[name % 2], name)) for name in range(6)]
        tailed: list[tuple[bytes, bytes]] = []
        done = False
        while not done:
            done = all(task.done() for task in producing)
            start = tailed[-1][0] + b"\0" if tailed else b"log/"
            tailed += await first.read(scanning(start))
        await asyncio.gather(*producing)
        assert tailed == await second.read(lambda tx: tx.scan(b"log/", b"log0"))
        assert len(tailed) == 6 * 40

    on_nodes(check)


def test_a_wake_reaches_the_other_node(on_nodes: OnNodes) -> None:
    async def check(first: PostgresStore, second: PostgresStore) -> None:
        async with second.watch(b"bell") as watch, second.watch(b"else") as elsewhere:
            await first.transact(lambda tx: tx.wake(b"bell"))
            assert await watch.wait(10)
            assert not await elsewhere.wait(0)
        async with first.watch(b"bell") as watch:  # and a notice too long for one message is one for everybody
            await second.transact(lambda tx: tx.wake(b"x" * 8_000))
            assert await watch.wait(10)

    on_nodes(check)


def test_notices_name_all_keys() -> None:
    keys = [b"%d" % n * 50 for n in range(400)]
    sent = notices.written(keys)
    assert all(len(notice) < 8_000 for notice in sent)
    assert [key for notice in sent for key in notices.read(notice) or []] == keys


def test_broken_connections_are_opened_again(on_nodes: OnNodes, url: str) -> None:
    async def check(first: PostgresStore, second: PostgresStore) -> None:
        for n in range(1, 4):
            assert await first.transact(add) == n
            await asyncio.to_thread(end_connections, url)
            assert await first.read(lambda tx: tx.get(b"count")) == b"%d" % n
        async with second.watch(b"bell") as watch:
            await asyncio.to_thread(end_connections, url)
            assert await watch.wait(10)  # everybody is roused once notices arrive again
            await first.transact(lambda tx: tx.wake(b"bell"))
            assert await watch.wait(10)

    on_nodes(check)


def test_a_restart_loses_nothing_that_was_acknowledged(on_nodes: OnNodes, server: Cluster) -> None:
    async def check(first: PostgresStore, second: PostgresStore) -> None:
        acknowledged: list[int] = []

        async def client(store: PostgresStore, name: int) -> None:
            for n in range(60):
                number = name * 1_000 + n
                await store.transact(appending(b"%d" % number))
                acknowledged.append(number)

        clients = [asyncio.create_task(client((first, second)[name % 2], name)) for name in range(4)]
        while len(acknowledged) < 40:
            await asyncio.sleep(0)
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        await asyncio.gather(*clients)
        rows = await first.read(lambda tx: tx.scan(b"log/", b"log0"))
        # Not twice either: what was interrupted at its commit was asked for.
        assert sorted(int(value) for _, value in rows) == sorted(acknowledged)

    on_nodes(check)


@pytest.mark.parametrize("committed", [True, False])
def test_a_commit_without_an_answer_is_asked_for(
    on_nodes: OnNodes, url: str, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    """The connection breaks after the commit (or before it): the body runs once more only where nothing was written."""

    async def check(first: PostgresStore, second: PostgresStore) -> None:
        await first.transact(add)
        queue = session.Session.queue
        broken: list[bool] = []

        def breaking(self: session.Session, statement: session.Statement, *parameters: bytes) -> None:
            if statement is table.COMMIT and self is first._writer._session and not broken:
                broken.append(True)
                if committed:
                    queue(self, statement)
                    self.run()
                raise session.Lost("cut off")
            queue(self, statement, *parameters)

        runs: list[int] = []

        def body(tx: Tx) -> Stamp:
            tx.put(b"a", b"")
            tx.delete(b"b")
            runs.append(add(tx))
            return tx.append(b"log/", b"")

        monkeypatch.setattr(session.Session, "queue", breaking)
        stamp = await first.transact(body)
        monkeypatch.undo()
        assert await second.read(scanning(b"log/")) == [(b"log/" + stamp.value, b"")]
        assert broken and len(runs) == (1 if committed else 2)
        assert await second.read(lambda tx: tx.get(b"count")) == b"2"

    on_nodes(check)


def test_bodies_that_gathered_share_a_transaction(on_nodes: OnNodes, url: str) -> None:
    """And one that looks for what another one of its group appended is run in the next."""

    async def check(first: PostgresStore, second: PostgresStore) -> None:
        await asyncio.gather(*(first.transact(putting(b"%d" % n)) for n in range(200)))
        (transactions,) = execute(url, f"SELECT max(last) FROM {SCHEMA}.outcomes")[0]
        assert 1 <= transactions < 50

        def appended(tx: Tx) -> int:
            tx.append(b"log/", b"")
            return len(tx.scan(b"log/", b"log0"))

        assert await asyncio.gather(*(first.transact(appended) for _ in range(5))) == [0, 1, 2, 3, 4]
        assert execute(url, f"SELECT max(last) FROM {SCHEMA}.outcomes") == [(transactions + 5,)]

    on_nodes(check)


def test_endless_conflicts_are_told(on_nodes: OnNodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "RETRIES", 3)

    async def check(first: PostgresStore, second: PostgresStore) -> None:
        loop = asyncio.get_running_loop()

        def overtaken(tx: Tx) -> None:
            tx.get(b"count")
            asyncio.run_coroutine_threadsafe(second.transact(add), loop).result()
            tx.put(b"count", b"mine")

        with pytest.raises(Contended):
            await first.transact(overtaken)
        assert await first.transact(add) > 4

    on_nodes(check)


def test_one_owner_at_a_time_and_a_replaced_one_cannot_write(url: str) -> None:
    async def main() -> None:
        ends: list[str] = []
        old = await PostgresStore.open(url, SCHEMA, alone=True, die=ends.append)
        await old.transact(add)
        with pytest.raises(StoreBusy, match="in use by another Freehold"):
            await PostgresStore.open(url, SCHEMA, alone=True)
        # Cut off: its lock is free for a moment, and somebody else is faster.
        execute(url, f"UPDATE {SCHEMA}.meta SET value = value + 1 WHERE name = 'epoch'")
        with pytest.raises(StoreError, match="another Freehold has taken over"):
            await old.transact(add)
        assert ends and await old.read(lambda tx: tx.get(b"count")) == b"1"
        await old.close()
        new = await PostgresStore.open(url, SCHEMA, alone=True)
        assert await new.transact(add) == 2
        # Its row of outcomes was swept while it was idle: not a reason to stop.
        execute(url, f"DELETE FROM {SCHEMA}.outcomes")
        assert await new.transact(add) == 3
        await new.close()

    asyncio.run(main())


def test_nodes_have_the_store_together_and_one_that_wants_it_alone_waits_for_none(url: str) -> None:
    async def main() -> None:
        ends: list[str] = []
        first = await PostgresStore.open(url, SCHEMA, die=ends.append)
        second = await PostgresStore.open(url, SCHEMA)
        assert first.shared and await first.transact(add) == 1 and await second.transact(add) == 2
        with pytest.raises(StoreBusy, match="in use by another Freehold"):
            await PostgresStore.open(url, SCHEMA, alone=True)
        await second.close()
        # Cut off: its lock is free for a moment, and a process that wants the store alone takes it.
        execute(url, f"UPDATE {SCHEMA}.meta SET value = value + 1 WHERE name = 'epoch'")
        with pytest.raises(StoreError, match="another Freehold has taken over"):
            await first.transact(add)
        assert ends
        await first.close()
        alone = await PostgresStore.open(url, SCHEMA, alone=True)
        assert not alone.shared
        with pytest.raises(StoreBusy, match="that one has it alone"):
            await PostgresStore.open(url, SCHEMA)
        await alone.close()

    asyncio.run(main())


def refused(url: str) -> str:
    with pytest.raises((StoreUnusable, StoreTooNew)) as told:
        asyncio.run(PostgresStore.open(url, SCHEMA))
    text = str(told.value)
    assert "\n" not in text
    return f"{type(told.value).__name__}: {text}"


def test_a_store_that_cannot_be_opened_says_why(url: str) -> None:
    asyncio.run(_open_and_close(url))
    execute(url, f"UPDATE {SCHEMA}.meta SET value = 99 WHERE name = 'version'")
    assert "StoreTooNew: the store was written by a newer Freehold (store version 99" in refused(url)
    execute(url, f"DROP TABLE {SCHEMA}.meta, {SCHEMA}.kv")
    assert "is not a Freehold store; choose another database" in refused(url)
    assert "PostgreSQL cannot be reached" in refused("postgresql://freehold@/postgres?host=/nowhere")
    assert "the store's URL cannot be used" in refused("postgresql://freehold@/postgres?colour=red")
    execute(url, "ALTER ROLE freehold SET default_transaction_read_only = on")
    try:
        assert "is a standby; name the primary" in refused(url)
    finally:
        execute(url + "&options=-cdefault_transaction_read_only%3Doff", "ALTER ROLE freehold RESET ALL")


async def _open_and_close(url: str) -> None:
    store = await PostgresStore.open(url, SCHEMA)
    await store.close()
