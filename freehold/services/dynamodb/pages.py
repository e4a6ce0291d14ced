"""Pages of Query and Scan: rows in order until a limit, 1 MB of items, or the end of the range.

The size is measured on items as they are stored, before any filter. The item that reaches a limit is the last one
evaluated, and its key is LastEvaluatedKey, whether anything follows it or not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from freehold.rules.dynamodb.paths import Projection
from freehold.rules.dynamodb.values import Item
from freehold.services.dynamodb import rows
from freehold.services.dynamodb.catalog import current
from freehold.services.dynamodb.model import IndexSchema, Schema
from freehold.store.base import ReadTx, Store
from freehold.store.limits import MAX_SCAN, MAX_SCAN_BYTES

PAGE_BYTES = 1 << 20
_INLINE_ROWS = 100
_INLINE_BYTES = 128 << 10


@dataclass(slots=True)
class Plan:
    """What a Query or Scan reads. `fetch`: rows of a local index stand for whole items of the table."""

    schema: Schema
    index: IndexSchema | None
    start: bytes
    end: bytes
    reverse: bool = False
    limit: int | None = None
    keep: Callable[[Item], bool] | None = None
    projection: Projection | None = None
    count_only: bool = False
    fetch: bool = False


@dataclass(slots=True)
class Page:
    """What was read: rows as stored (`whole`) or items, in order; both never hold something at once."""

    whole: list[bytes] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    count: int = 0
    scanned: int = 0
    size: int = 0
    fetched: list[int] = field(default_factory=list)
    """Sizes of the items that were fetched from the table."""
    last_key: bytes = b""
    last_row: bytes = b""
    ended: bool = False
    """Was the end of the range reached?"""
    full: bool = False
    """Was the limit or the size of a page reached?"""


async def read_page(store: Store, plan: Plan) -> Page:
    """One page. Small ones are read at once; whatever is left of a large one is read off the event loop.

    Raises Stale when the schema has changed.
    """
    page = await store.read(lambda tx: read(tx, plan, Page(), max_rows=_INLINE_ROWS, max_bytes=_INLINE_BYTES))
    while not page.ended and not page.full:
        page = await store.read_many(_continuation(plan, page))
    return page


def _continuation(plan: Plan, before: Page) -> Callable[[ReadTx], Page]:
    return lambda tx: read(tx, plan, before, max_rows=20 * MAX_SCAN, max_bytes=MAX_SCAN_BYTES)


def read(tx: ReadTx, plan: Plan, before: Page, *, max_rows: int, max_bytes: int) -> Page:
    """A page continued by at most `max_rows` rows. `before` is left as it is."""
    current(tx, plan.schema)
    page = Page(
        list(before.whole), list(before.items), before.count, before.scanned, before.size, list(before.fetched),
        before.last_key, before.last_row,
    )  # fmt: skip
    while max_rows > 0 and not page.full:
        wanted = min(max_rows, MAX_SCAN)
        if plan.limit is not None:
            wanted = min(wanted, plan.limit - page.scanned)
        start, end = plan.start, plan.end
        if page.last_key and plan.reverse:
            end = page.last_key
        elif page.last_key:
            start = page.last_key + b"\x00"
        found = tx.scan(start, end, limit=wanted, max_bytes=max_bytes, reverse=plan.reverse)
        _take(tx, plan, page, found)
        if len(found) < wanted and not page.full and sum(len(k) + len(v) for k, v in found) < max_bytes:
            page.ended = True
            break
        max_rows -= len(found)
        if max_bytes < MAX_SCAN_BYTES:
            break
    return page


def _take(tx: ReadTx, plan: Plan, page: Page, found: list[tuple[bytes, bytes]]) -> None:
    scanned, size, limit = page.scanned, page.size, plan.limit
    for key, row in found:
        scanned += 1
        size += int.from_bytes(row[1:4], "big")
        if plan.fetch:
            row = _fetch(tx, plan, page, row)
        if plan.keep is None and plan.projection is None:
            page.count += 1
            if not plan.count_only:
                page.whole.append(row)
        else:
            _evaluate(plan, page, row)
        if size >= PAGE_BYTES or scanned == limit:
            page.full = True
            page.last_key, page.last_row = key, row
            break
    else:
        if found:
            page.last_key, page.last_row = key, row
    page.scanned, page.size = scanned, size


def _evaluate(plan: Plan, page: Page, row: bytes) -> None:
    item = rows.decode(row)
    if plan.keep is not None and not plan.keep(item):
        return
    page.count += 1
    if plan.count_only:
        return
    if plan.projection is None:
        page.whole.append(row)
    else:
        page.items.append(plan.projection.apply(item))


def _fetch(tx: ReadTx, plan: Plan, page: Page, row: bytes) -> bytes:
    """The whole item that a row of a local index stands for."""
    schema = plan.schema
    whole = tx.get(schema.prefix + schema.tail(rows.decode(row)))
    assert whole is not None, "an index row without its item"
    page.fetched.append(rows.size(whole))
    return whole


def last_evaluated_key(plan: Plan, page: Page) -> Item | None:
    """LastEvaluatedKey of a page, None where the end was reached."""
    if not page.full:
        return None
    names = plan.schema.key_names if plan.index is None else plan.index.key_names
    item = rows.decode(page.last_row)
    return {name: item[name] for name in names}
