"""IAM's Marker / MaxItems / IsTruncated."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.iam import state
from freehold.store.base import ReadTx

T = TypeVar("T")
DEFAULT_ITEMS = 100


def start_of(request: dict[str, Any]) -> str:
    """What the marker means. Raises ValidationError for one that IAM did not give."""
    try:
        return base64.urlsafe_b64decode(request.get("Marker", "")).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise Fault("ValidationError", "Invalid Marker.") from None


def finish(items: Sequence[T], names: Callable[[T], str], limit: int) -> tuple[Sequence[T], dict[str, Any]]:
    """Cut `items` (one more than the limit where there are more) and say whether it is the end."""
    if len(items) <= limit:
        return items, {"IsTruncated": False}
    marker = base64.urlsafe_b64encode(names(items[limit - 1]).encode()).decode()
    return items[:limit], {"IsTruncated": True, "Marker": marker}


def cut(items: Sequence[str], request: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """One page of a sorted list of names."""
    start, limit = start_of(request), request.get("MaxItems", DEFAULT_ITEMS)
    rest = [item for item in items if item > start][: limit + 1]
    page, tail = finish(rest, str, limit)
    return list(page), tail


async def records(call: Call, kind: type[state.R], request: dict[str, Any]) -> tuple[Sequence[state.R], dict[str, Any]]:
    """One page of records of a kind under the request's PathPrefix."""
    start, limit = start_of(request), request.get("MaxItems", DEFAULT_ITEMS)
    prefix = request.get("PathPrefix", "/")

    def body(tx: ReadTx) -> list[state.R]:
        found: list[state.R] = []
        after = start
        while len(found) <= limit:
            rows = state.page(tx, kind, call.account, after, 200)
            found.extend(row for row in rows if row.path.startswith(prefix))
            if len(rows) < 200:
                break
            after = rows[-1].name
        return found[: limit + 1]

    return finish(await call.platform.store.read(body), lambda record: record.name, limit)
