"""What would have left the machine: e-mails, text messages, mobile pushes. Kept to be read, the newest 1,000 of each
account and region; nothing is sent.

("sns", account, region, "m", n)    an entry, JSON
("sns", account, region, "mn")      the last n
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from freehold.kit.clock import iso8601
from freehold.kit.tuples import pack, span
from freehold.store.base import ReadTx, Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

KEPT = 1_000


def put(tx: Tx, account: str, region: str, kind: str, now_ms: int, **entry: Any) -> None:
    """Add an entry; the oldest goes when there are more than 1,000."""
    counter = pack("sns", account, region, "mn")
    raw = tx.get(counter)
    n = 1 if raw is None else int.from_bytes(raw, "big") + 1
    tx.put(counter, n.to_bytes(8, "big"))
    known = {name: value for name, value in entry.items() if value is not None}
    tx.put(pack("sns", account, region, "m", n), orjson.dumps({"kind": kind, "time": iso8601(now_ms / 1000), **known}))
    if n > KEPT:
        tx.delete(pack("sns", account, region, "m", n - KEPT))


async def control(platform: Platform, query: Mapping[str, str]) -> Any:
    """GET /_freehold/sns?account=&region=&kind=: the entries, newest last."""
    account = query.get("account", platform.settings.default_account)
    region = query.get("region", platform.settings.default_region)

    def body(tx: ReadTx) -> list[bytes]:
        start, end = span("sns", account, region, "m")
        values: list[bytes] = []
        while page := tx.scan(start, end):
            values.extend(value for _, value in page)
            start = page[-1][0] + b"\x00"
        return values

    entries = [orjson.loads(value) for value in await platform.store.read_many(body)]
    if "kind" in query:
        entries = [entry for entry in entries if entry["kind"] == query["kind"]]
    return {"account": account, "region": region, "kept": KEPT, "messages": entries}
