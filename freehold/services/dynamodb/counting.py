"""How many items, how many bytes: counted by reading, page by page, when somebody asks.

AWS refreshes ItemCount and TableSizeBytes about every six hours. Here a small table is counted afresh each time; the count
of a large one is made in the background and kept for as long.
"""

from __future__ import annotations

from freehold.kit.tuples import after
from freehold.ports.call import Call
from freehold.ports.platform import Platform
from freehold.rules.dynamodb import keys
from freehold.rules.dynamodb.values import Item
from freehold.services.dynamodb import rows
from freehold.services.dynamodb.catalog import memory
from freehold.services.dynamodb.model import Schema
from freehold.store.base import ReadTx

FRESH_SECONDS = 6 * 3_600
_SMALL_PAGES = 10
_ROW_OVERHEAD = 100
"""Bytes that AWS adds to each item for storage ("DynamoDB item sizes and formats")."""


async def count(platform: Platform, key: str, prefix: bytes) -> tuple[int, int]:
    """Items and bytes under a prefix. `key` is the id of the table or index.

    What cannot be counted at once is counted in the background; until that is done, the last count is told, or as much as
    was counted.
    """
    counts = memory(platform).counts
    kept = counts.get(key)
    now = platform.clock.now()
    if kept is not None and now - kept[0] < FRESH_SECONDS:
        return kept[1], kept[2]
    items, size, rest = await _count(platform, prefix, prefix, pages=_SMALL_PAGES)
    if not rest:
        return items, size
    if kept is not None:
        items, size = kept[1], kept[2]
    counts[key] = (now, items, size)
    platform.tasks.spawn(f"dynamodb count {key}", _count_all(platform, key, prefix))
    return items, size


async def _count_all(platform: Platform, key: str, prefix: bytes) -> None:
    items, size, _ = await _count(platform, prefix, prefix)
    memory(platform).counts[key] = (platform.clock.now(), items, size)


async def _count(platform: Platform, prefix: bytes, start: bytes, pages: int | None = None) -> tuple[int, int, bytes]:
    """Items, bytes, and where to go on (empty: all are counted)."""
    items = total = 0
    end = after(prefix)
    while pages is None or pages > 0:

        def page(tx: ReadTx, start: bytes = start) -> tuple[int, int, bytes]:
            found = tx.scan(start, end)
            return len(found), sum(rows.size(row) for _, row in found), found[-1][0] if found else b""

        number, size, last = await platform.store.read_many(page)
        items += number
        total += size
        if not number:
            return items, total, b""
        start = last + b"\x00"
        if pages is not None:
            pages -= 1
    return items, total, start


async def collection_metrics(call: Call, schema: Schema, key: Item) -> dict[str, object] | None:
    """`ItemCollectionMetrics` of the collection an item belongs to; only tables with local indexes have them."""
    local = [index for index in schema.indexes if index.index.local]
    if not local:
        return None
    place = keys.spread(key[schema.hash])
    total = 0
    for prefix in (schema.prefix, *(index.prefix for index in local)):
        number, size, _ = await _count(call.platform, prefix + place, prefix + place)
        total += size + number * _ROW_OVERHEAD
    gigabytes = total >> 30
    return {
        "ItemCollectionKey": {schema.hash: key[schema.hash]},
        "SizeEstimateRangeGB": [float(gigabytes), float(gigabytes + 1)],
    }
