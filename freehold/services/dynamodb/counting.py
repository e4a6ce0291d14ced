"""How many items, how many bytes: counted by reading, page by page, when somebody asks.

AWS refreshes ItemCount and TableSizeBytes about every six hours. Here a count that took long is kept for as long; a small
table is counted afresh each time.
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
from freehold.store.limits import MAX_SCAN

FRESH_SECONDS = 6 * 3_600
_SMALL = 10 * MAX_SCAN
_ROW_OVERHEAD = 100
"""Bytes that AWS adds to each item for storage ("DynamoDB item sizes and formats")."""


async def count(platform: Platform, key: str, prefix: bytes) -> tuple[int, int]:
    """Items and bytes under a prefix. `key` is the id of the table or index."""
    counts = memory(platform).counts
    kept = counts.get(key)
    now = platform.clock.now()
    if kept is not None and now - kept[0] < FRESH_SECONDS:
        return kept[1], kept[2]
    items, size = await _count(platform, prefix)
    if items > _SMALL:
        counts[key] = (now, items, size)
    return items, size


async def _count(platform: Platform, prefix: bytes) -> tuple[int, int]:
    items = total = 0
    start, end = prefix, after(prefix)
    while True:

        def page(tx: ReadTx, start: bytes = start) -> tuple[int, int, bytes]:
            found = tx.scan(start, end)
            size = sum(rows.size(row) for _, row in found)
            return len(found), size, found[-1][0] if found else b""

        number, size, last = await platform.store.read_many(page)
        items += number
        total += size
        if not number:
            return items, total
        start = last + b"\x00"


async def collection_metrics(call: Call, schema: Schema, key: Item) -> dict[str, object] | None:
    """`ItemCollectionMetrics` of the collection an item belongs to; only tables with local indexes have them."""
    local = [index for index in schema.indexes if index.index.local]
    if not local:
        return None
    place = keys.spread(key[schema.hash])
    total = 0
    for prefix in (schema.prefix, *(index.prefix for index in local)):
        number, size = await _count(call.platform, prefix + place)
        total += size + number * _ROW_OVERHEAD
    gigabytes = total >> 30
    return {
        "ItemCollectionKey": {schema.hash: key[schema.hash]},
        "SizeEstimateRangeGB": [float(gigabytes), float(gigabytes + 1)],
    }
