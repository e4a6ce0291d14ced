"""Every engine that the conformance suite drives. A test is a coroutine function that takes a fresh store."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from freehold.kit.ids import Ids
from freehold.store.base import Store
from freehold.store.memory import MemoryStore
from freehold.store.sqlite import SqliteStore
from tests.postgres_server import binaries, cluster

Open = Callable[[Path], Awaitable[Store]]
OnStore = Callable[[Callable[[Store], Awaitable[Any]]], None]


async def _memory(directory: Path) -> Store:
    return MemoryStore(Ids(1))


async def _memory_twice(directory: Path) -> Store:
    return MemoryStore(Ids(1), repeat=0.5)


async def _sqlite(directory: Path) -> Store:
    return SqliteStore.open(directory)


ENGINES: dict[str, Open] = {"memory": _memory, "memory-twice": _memory_twice, "sqlite": _sqlite}


@pytest.fixture(params=[*ENGINES, "postgres"])
def open_store(request: pytest.FixtureRequest) -> Open:
    if request.param == "postgres":
        return _postgres(request.getfixturevalue("postgres_server"))
    return ENGINES[request.param]


def _postgres(dsn: str) -> Open:
    import psycopg

    from freehold.store.postgres import PostgresStore

    schema = f"freehold_test_{os.getpid()}"

    async def open_empty(directory: Path) -> Store:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        return await PostgresStore.open(dsn, schema)

    return open_empty


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """FREEHOLD_TEST_POSTGRES, or a server of Debian's package in a temporary directory, on a unix socket."""
    pytest.importorskip("psycopg")
    if dsn := os.environ.get("FREEHOLD_TEST_POSTGRES"):
        yield dsn
        return
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL: set FREEHOLD_TEST_POSTGRES or install Debian's postgresql package")
    with cluster(programs) as running:
        yield running.url


@pytest.fixture
def on_store(open_store: Open, tmp_path: Path) -> OnStore:
    """Run a coroutine function on a fresh store of each engine."""

    def on_store(test: Callable[[Store], Awaitable[Any]]) -> None:
        async def main() -> None:
            store = await open_store(tmp_path)
            try:
                await asyncio.wait_for(test(store), 60)
            finally:
                await store.close()

        asyncio.run(main())

    return on_store
