"""Opening the store that the configuration names, in the format that this Freehold knows."""

from __future__ import annotations

from pathlib import Path

from freehold import __version__
from freehold.node.config import Config
from freehold.store.base import ReadTx, Store, StoreBusy, StoreUnusable
from freehold.work import format
from freehold.work.members import read_members


async def open_store(config: Config, data: Path) -> Store:
    """The store that the configuration names. Raises StoreError with one clear line."""
    # Time that stands is one process's, and so are ids that a seed decides.
    return await _open(config, data, alone=config.manual or bool(config.seed))


async def open_alone(config: Config, data: Path) -> Store:
    """The store that the configuration names, for a command that is to be the only one who uses it. Raises StoreError."""
    return await _open(config, data, alone=True)


async def _open(config: Config, data: Path, *, alone: bool) -> Store:
    if config.ephemeral:
        from freehold.kit.ids import Ids
        from freehold.store.memory import MemoryStore

        return MemoryStore(Ids())
    if config.store:
        return await _open_postgres(config.store, data, alone=alone)
    from freehold.store.sqlite import SqliteStore

    return await _settled(SqliteStore.open(data))


async def _open_postgres(url: str, data: Path, *, alone: bool) -> Store:
    try:
        from freehold.store.postgres import PostgresStore
        from freehold.store.sqlite import schema
    except ImportError as problem:
        raise StoreUnusable(
            f"PostgreSQL's driver is missing ({problem}): pip install 'freehold[postgres]'"
        ) from problem
    schema.lock(data)  # files and sandboxes there are this process's own, until it ends
    store = await PostgresStore.open(url, alone=alone)
    try:
        older = await format.settle(store, __version__)
        running = await store.read(_running) if older is not None else ""
    except BaseException:
        await store.close()
        raise
    if older is None:
        return store
    await store.close()
    try:
        # Alone, it begins an epoch: a node of the older format that was cut off meanwhile can never write again.
        owned = await PostgresStore.open(url, alone=True)
    except StoreBusy as problem:
        raise StoreBusy(
            f"the data is in format {older.number} and nodes of that format run ({running}); this is Freehold {__version__} "
            f"and would raise it to {format.FORMAT}: stop all of them, then start this one"
        ) from problem
    await (await _settled(owned)).close()
    return await PostgresStore.open(url, alone=alone)


async def _settled(store: Store) -> Store:
    """A store that is this process's alone, in this format."""
    try:
        await format.settle(store, __version__)
    except BaseException:
        await store.close()
        raise
    return store


def _running(tx: ReadTx) -> str:
    """The nodes that have a row, and their versions, for people."""
    rows = sorted(read_members(tx).values(), key=lambda row: row.url)
    return ", ".join(f"{row.url}: {row.version or 'an older version'}" for row in rows) or "their rows are gone"
