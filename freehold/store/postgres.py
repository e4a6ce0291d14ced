"""A prototype of the contract on PostgreSQL, kept so that the contract stays honest for several nodes.

The conformance suite runs it where it finds a server; `freehold up` does not offer it. Each transaction is one of
PostgreSQL's, SERIALIZABLE with bounded retry; bodies run in threads, since their reads have to wait for the network.
Left for the engine that will follow: batches of bodies, wakes between nodes (NOTIFY), and asking for the outcome of a
commit whose connection broke (here: CommitUnknown).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import asyncpg

from freehold.store.base import CommitUnknown, Contended, ReadTx, StoreError, Tx
from freehold.store.overlay import Layer, Overlay, Row, View
from freehold.store.watches import KeyWatch, Watches

T = TypeVar("T")

RETRIES = 100
CONNECTIONS = 8
PAGE = 100
APPENDS = 0
"""Name of the advisory lock that appending transactions hold from before their snapshot until after their commit."""

CONFLICTS = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
BROKEN = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)
PUT = "INSERT INTO kv SELECT * FROM unnest($1::bytea[], $2::bytea[]) ON CONFLICT (k) DO UPDATE SET v=excluded.v"
TABLES = """
CREATE TABLE IF NOT EXISTS kv (k bytea PRIMARY KEY, v bytea NOT NULL);
CREATE SEQUENCE IF NOT EXISTS stamps;
"""


class KvQueries:
    """The reads of a `Base` for a body in a thread: each is sent on the event loop, in the body's transaction."""

    def __init__(self, connection: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._connection = connection
        self._loop = loop

    def _fetch(self, query: str, *arguments: object) -> list[Any]:
        asked: Coroutine[Any, Any, list[Any]] = self._connection.fetch(query, *arguments)
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result()

    def get(self, key: bytes) -> bytes | None:
        return self.get_many([key])[0]

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        found = dict(self._fetch("SELECT k, v FROM kv WHERE k = ANY($1::bytea[])", list(keys)))
        return [found.get(key) for key in keys]

    def rows(self, start: bytes, end: bytes, limit: int, max_bytes: int, reverse: bool) -> list[Row]:
        query = f"SELECT k, v FROM kv WHERE k>=$1 AND k<$2 ORDER BY k {'DESC' if reverse else ''} LIMIT $3"
        found: list[Row] = []
        while True:
            wanted = min(PAGE, limit - len(found))
            page = self._fetch(query, start, end, wanted)
            for key, value in page:
                found.append((key, value))
                max_bytes -= len(key) + len(value)
                if max_bytes <= 0:
                    return found
            if len(page) < wanted or len(found) >= limit:
                return found
            start, end = (start, found[-1][0]) if reverse else (found[-1][0] + b"\0", end)

    def keys(self, start: bytes, end: bytes, limit: int) -> list[bytes]:
        page = self._fetch("SELECT k FROM kv WHERE k>=$1 AND k<$2 ORDER BY k LIMIT $3", start, end, limit)
        return [key for (key,) in page]


class PostgresStore:
    """A `Store` in a schema of a PostgreSQL database."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="freehold-body")
        self._watches = Watches()
        self._begun: set[asyncio.Task[Any]] = set()
        self._closed = False

    @classmethod
    async def open(cls, dsn: str, schema: str = "freehold") -> PostgresStore:
        """Connect to `dsn` and make the tables in `schema` if they are missing."""
        settings = {"search_path": schema}
        pool = await asyncpg.create_pool(dsn, min_size=1, max_size=CONNECTIONS, server_settings=settings)
        async with pool.acquire() as connection:
            await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
            await connection.execute(TABLES)
        return cls(pool)

    async def read(self, body: Callable[[ReadTx], T]) -> T:
        async def attempt(connection: Any) -> T:
            async with connection.transaction(isolation="serializable", readonly=True):
                return await self._in_thread(body, View(self._queries(connection)))

        return await self._begin(self._retry(attempt))

    async def read_many(self, body: Callable[[ReadTx], T]) -> T:
        return await self.read(body)

    async def transact(self, body: Callable[[Tx], T], *, lane: bytes | None = None) -> T:
        locks = [] if lane is None else [int.from_bytes(hashlib.sha256(lane).digest()[:7], "big") + 1]

        async def attempt(connection: Any) -> T:
            for lock in locks:
                await connection.execute("SELECT pg_advisory_lock($1)", lock)
            try:
                return await self._attempt(connection, body, locks)
            finally:
                if locks and not connection.is_closed():
                    await connection.execute("SELECT pg_advisory_unlock_all()")

        return await self._begin(self._retry(attempt))

    async def _attempt(self, connection: Any, body: Callable[[Tx], T], locks: list[int]) -> T:
        transaction = connection.transaction(isolation="serializable")
        await transaction.start()
        try:
            overlay = Overlay(self._queries(connection))
            result = await self._in_thread(body, overlay)
            if overlay.refused is not None:
                raise overlay.refused
            if overlay.appends and APPENDS not in locks:
                locks.append(APPENDS)  # always the last one, so that two transactions cannot wait for each other
                raise asyncpg.SerializationError("appends take their lock before the snapshot")
            await self._write(connection, overlay)
        except BaseException:
            await transaction.rollback()
            raise
        try:
            await transaction.commit()
        except BROKEN as error:
            raise CommitUnknown("the connection broke at commit") from error
        self._watches.wake(overlay.wakes)
        return result

    async def _write(self, connection: Any, overlay: Overlay) -> None:
        layer = Layer(self._queries(connection))
        layer.absorb(overlay, await connection.fetchval("SELECT nextval('stamps')") if overlay.appends else 0)
        deleted = sorted(key for key, value in layer.pending.items() if value is None)
        written = sorted(layer.pending.keys() - set(deleted))
        if written:
            await connection.execute(PUT, written, [layer.pending[key] for key in written])
        if deleted:
            await connection.execute("DELETE FROM kv WHERE k = ANY($1::bytea[])", deleted)

    async def _retry(self, attempt: Callable[[Any], Awaitable[T]]) -> T:
        for tried in range(RETRIES):
            try:
                async with self._pool.acquire() as connection:
                    return await attempt(connection)
            except CONFLICTS:
                await asyncio.sleep(0.0005 * tried)
            except BROKEN as error:
                raise StoreError(f"the connection to the store broke: {error}") from error
        raise Contended(f"other transactions won {RETRIES} times; try again")

    async def _begin(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end even if the caller is cancelled: what was begun is finished."""
        if self._closed:
            work.close()
            raise StoreError("the store is closed")
        task = asyncio.ensure_future(work)
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        return await asyncio.shield(task)

    async def _in_thread(self, body: Callable[[Any], T], tx: object) -> T:
        def run() -> tuple[BaseException | None, object]:
            try:
                return None, body(tx)
            except BaseException as error:  # noqa: BLE001 raised below; a future cannot hold every exception
                return error, None

        error, result = await asyncio.get_running_loop().run_in_executor(self._threads, run)
        if error is not None:
            raise error
        return cast(T, result)

    def _queries(self, connection: Any) -> KvQueries:
        return KvQueries(connection, asyncio.get_running_loop())

    def watch(self, key: bytes) -> KeyWatch:
        return self._watches.watch(key)

    def rouse(self) -> None:
        self._watches.wake_all()

    async def close(self) -> None:
        self._closed = True
        while self._begun:
            await asyncio.wait(self._begun)
        self._watches.wake_all()
        await self._pool.close()
        self._threads.shutdown()
