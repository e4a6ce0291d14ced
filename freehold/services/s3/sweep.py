"""Clearing up what is too much for one transaction: part rows of ended uploads, uploads of deleted buckets.

Each piece of such work is a row of `x`, written with what made it necessary, so a crash does not lose it.
"""

from __future__ import annotations

import asyncio
import logging

from freehold.kit.tuples import span, unpack
from freehold.ports.platform import Platform
from freehold.services.s3 import multipart, rows
from freehold.store.base import Tx

log = logging.getLogger("freehold.s3")

PAGE = 500
"""Rows cleared in one transaction."""


def begin(platform: Platform) -> None:
    """Clear up in the background."""
    platform.tasks.spawn("s3: clearing ended uploads", run(platform))


async def watch_over(platform: Platform, every_s: float) -> None:
    """Take up, for ever, the clearing that nodes which died have left: rows that stay. Two nodes at one row do no harm."""
    before: set[bytes] = set()
    start, end = span("s3", "x")
    while True:
        found = {key for key, _ in await platform.store.read(lambda tx: tx.scan(start, end, limit=100))}
        if found & before:
            await run(platform)
        before = found
        await asyncio.sleep(every_s)


async def run(platform: Platform) -> None:
    """Do all of the work that rows name."""
    start, end = span("s3", "x")
    while work := await platform.store.read(lambda tx: tx.scan(start, end, limit=100)):
        for key, _ in work:
            _, _, generation, upload_id = unpack(key)
            assert isinstance(generation, str) and isinstance(upload_id, str)
            if upload_id:
                await _clear_parts(platform, generation, upload_id)
            else:
                await _abort_uploads(platform, generation)
            await platform.store.transact(lambda tx, key=key: tx.delete(key))  # type: ignore[misc]


async def _clear_parts(platform: Platform, generation: str, upload_id: str) -> None:
    def body(tx: Tx) -> int:
        rows_of_page = tx.scan(start, end, limit=PAGE)
        for key, _ in rows_of_page:
            tx.delete(key)
        return len(rows_of_page)

    start, end = rows.parts_span(generation, upload_id)
    while await platform.store.transact(body):
        pass


async def _abort_uploads(platform: Platform, generation: str) -> None:
    start, end = rows.whole("u", generation)
    while found := await platform.store.read(lambda tx: tx.scan(start, end, limit=1)):
        row_key, value = found[0]
        upload = rows.decode_upload(value)
        key = rows.split_upload(generation, row_key)
        blob_id = platform.ids.hex(24)

        def body(tx: Tx, key: bytes = key, upload_id: str = upload.upload_id, blob_id: str = blob_id) -> None:
            multipart.abandon(tx, platform.blobs, generation, key, upload_id, blob_id)

        await platform.store.transact(body)
