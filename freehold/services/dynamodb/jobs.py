"""Jobs: work in the background that is recorded, so that it goes on after a crash.

- `sweep` clears the rows under a prefix that nothing names any more (a deleted table or index).
- `fill` writes the rows of a new index for the items that are there; writes maintain it from the moment it is recorded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from freehold.kit.tuples import after, pack, span, unpack
from freehold.ports.platform import Platform
from freehold.services.dynamodb import catalog, rows
from freehold.services.dynamodb.catalog import Place
from freehold.services.dynamodb.model import IndexSchema, Schema
from freehold.services.dynamodb.writes import index_row
from freehold.store.base import ReadTx, Tx
from freehold.store.limits import MAX_SCAN

_FILL_ROWS = 200
_FILL_BYTES = 256 << 10


class Job(msgspec.Struct):
    """A job. `prefix` is what to sweep; or `place` and `index_id` say which index to fill, from `cursor` on."""

    id: str
    prefix: bytes = b""
    place: Place | None = None
    index_id: str = ""
    cursor: bytes = b""


_decode = msgspec.msgpack.Decoder(Job).decode


def _key(job_id: str) -> bytes:
    return pack("dynamodb", None, "j", job_id)


def record(tx: Tx, job: Job) -> None:
    """Record a job in the transaction that makes it necessary; `launch` it after the commit."""
    tx.put(_key(job.id), msgspec.msgpack.encode(job))


def launch(platform: Platform, job: Job) -> None:
    """Begin a recorded job."""
    work = sweep(platform, job) if job.prefix else fill(platform, job)
    task = platform.tasks.spawn(f"dynamodb job {job.id}", work)
    running = catalog.memory(platform).jobs
    running.add(job.id)
    task.add_done_callback(lambda _: running.discard(job.id))


async def watch_over(platform: Platform, every_s: float) -> None:
    """Begin again, for ever, what nodes that died have left: jobs whose rows stand still, and do not run here.

    A job that runs elsewhere all the same does no harm: its pages are transactions that begin where the row says.
    """
    before: set[bytes] = set()
    while True:
        found = set(await platform.store.read_many(_recorded))
        for row in found & before:
            job = _decode(row)
            if job.id not in catalog.memory(platform).jobs:
                launch(platform, job)
        before = found
        await asyncio.sleep(every_s)


def account_of(row: bytes) -> str:
    """Whose a recorded job is."""
    job = _decode(row)
    return job.place[0] if job.place is not None else str(unpack(job.prefix)[1])


async def resume(platform: Platform, account: str | None = None) -> None:
    """Begin every job that is on record: at start, or those of an account whose rows were brought in."""

    for row in await platform.store.read_many(_recorded):
        if account is None or account_of(row) == account:
            launch(platform, _decode(row))


def _recorded(tx: ReadTx) -> list[bytes]:
    return [row for _, row in tx.scan(*span("dynamodb", None, "j"))]


async def sweep(platform: Platform, job: Job) -> None:
    """Clear a prefix, page by page."""
    start, end = job.prefix, after(job.prefix)
    while await platform.store.transact(lambda tx: tx.clear(start, end)):
        pass
    await platform.store.transact(lambda tx: tx.delete(_key(job.id)))


async def fill(platform: Platform, job: Job) -> None:
    """Fill an index, page by page; when all is there it is ACTIVE."""
    while True:
        version = platform.ids.hex(16).encode()
        if await platform.store.transact(_fill_page(job, version)):
            return


def _fill_page(job: Job, version: bytes) -> Callable[[Tx], bool]:
    """A body that fills one page and says whether all is done."""
    assert job.place is not None
    place = job.place

    def body(tx: Tx) -> bool:
        row = tx.get(_key(job.id))
        if row is None:
            return True
        cursor = _decode(row).cursor
        schema = catalog.find(tx, place)
        index = _filling(schema, job.index_id)
        if schema is None or index is None:
            tx.delete(_key(job.id))
            return True
        start = cursor + b"\x00" if cursor else schema.prefix
        found = tx.scan(start, after(schema.prefix), limit=min(_FILL_ROWS, MAX_SCAN), max_bytes=_FILL_BYTES)
        for key, item_row in found:
            item = rows.decode(item_row)
            row_key = index.row_key(item, key[len(schema.prefix) :])
            if row_key is not None:
                tx.put(row_key, index_row(index, item, item_row))
        if found:
            job_now = Job(job.id, place=place, index_id=job.index_id, cursor=found[-1][0])
            tx.put(_key(job.id), msgspec.msgpack.encode(job_now))
            return False
        index.index.status = "ACTIVE"
        catalog.save(tx, schema.table, version)
        tx.delete(_key(job.id))
        return True

    return body


def _filling(schema: Schema | None, index_id: str) -> IndexSchema | None:
    if schema is None:
        return None
    return next((index for index in schema.indexes if index.index.id == index_id), None)
