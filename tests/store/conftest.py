"""Every engine that the conformance suite drives. A test is a coroutine function that takes a fresh store."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from freehold.kit.ids import Ids
from freehold.store.base import Store
from freehold.store.memory import MemoryStore
from freehold.store.sqlite import SqliteStore

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
    import asyncpg

    from freehold.store.postgres import PostgresStore

    schema = f"freehold_test_{os.getpid()}"

    async def open_empty(directory: Path) -> Store:
        connection = await asyncpg.connect(dsn)
        await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        await connection.close()
        return await PostgresStore.open(dsn, schema)

    return open_empty


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """FREEHOLD_TEST_POSTGRES, or a server of Debian's package in a temporary directory, on a unix socket."""
    pytest.importorskip("asyncpg")
    if dsn := os.environ.get("FREEHOLD_TEST_POSTGRES"):
        yield dsn
        return
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not found:
        pytest.skip("no PostgreSQL: set FREEHOLD_TEST_POSTGRES or install Debian's postgresql package")
    directory = Path(tempfile.mkdtemp(prefix="freehold-pg-"))
    user = _server_user()
    if os.geteuid() == 0:
        shutil.chown(directory, user)

    def run(*command: str | Path) -> None:
        options: dict[str, Any] = {"user": user, "extra_groups": []} if os.geteuid() == 0 else {}
        subprocess.run(
            [str(part) for part in command], check=True, timeout=60, cwd=directory, stdout=subprocess.DEVNULL, **options
        )

    binaries, data = found[-1].parent, directory / "data"
    run(binaries / "initdb", "-N", "-A", "trust", "-U", "freehold", "-D", data)
    settings = f"-c listen_addresses= -c unix_socket_directories={directory} -c fsync=off -c max_connections=30"
    run(binaries / "pg_ctl", "-w", "-D", data, "-l", directory / "log", "-o", settings, "start")
    try:
        yield f"postgresql://freehold@/postgres?host={directory}"
    finally:
        run(binaries / "pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(directory)


def _server_user() -> str:
    """PostgreSQL refuses to run as root."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


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
