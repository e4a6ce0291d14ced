"""Every engine that the conformance suite drives. A test is a coroutine function that takes a fresh store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
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


@pytest.fixture(params=list(ENGINES))
def open_store(request: pytest.FixtureRequest) -> Open:
    return ENGINES[request.param]


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
