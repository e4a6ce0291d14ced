"""What goes in the background: rows of deleted groups and streams, and events whose retention has ended.

Each piece of work is a durable timer, so that a crash in the middle is taken up again.
"""

from __future__ import annotations

from collections.abc import Callable

from freehold.kit.tuples import after, pack, unpack
from freehold.ports.platform import Platform
from freehold.services.logs import state
from freehold.services.logs.model import DAY_MS, HOUR_MS, Space
from freehold.store.base import Tx
from freehold.work import logrows
from freehold.work.logrows import Group
from freehold.work.timers import Timers

OWNER = "logs"
GROUP, STREAM, RETENTION = "group", "stream", "retention"


def later(timers: Timers, tx: Tx, kind: str, space: Space, group_id: str, name: str, due_ms: int | None) -> None:
    """Have it done at `due_ms`, or no more (None). `name` is a stream's id, or for RETENTION the group's name."""
    timers.set(tx, OWNER, pack(kind, *space, group_id, name), due_ms)


async def due(platform: Platform, key: bytes) -> int | None:
    """The handler of the service's timers."""
    kind, account, region, group_id, name = (str(part) for part in unpack(key))
    space = Space(account, region)
    if kind == RETENTION:
        return await _expire(platform, space, group_id, name)
    body: Callable[[Tx], bool]
    if kind == GROUP:
        body = lambda tx: state.sweep_group(tx, space, group_id)  # noqa: E731
    else:
        body = lambda tx: state.sweep_stream(tx, space, group_id, name)  # noqa: E731
    while await platform.store.transact(body):
        pass
    return None


async def _expire(platform: Platform, space: Space, group_id: str, name: str) -> int | None:
    """Remove what has expired; look again when the next may have, hourly at most."""

    def body(tx: Tx) -> tuple[bool, int | None, Group | None]:
        group = logrows.find_group(tx, *space, name)
        if group is None or group.id != group_id or group.retention_days is None:
            return False, None, None
        return *state.expire(tx, space, group_id, now - group.retention_days * DAY_MS), group

    now = platform.clock.now_ms()
    more = True
    while more:
        more, oldest, group = await platform.store.transact(body)
    if group is None or group.retention_days is None:
        return None
    expires = DAY_MS + now if oldest is None else oldest + group.retention_days * DAY_MS
    return max(now + HOUR_MS, min(expires, now + DAY_MS))


async def forget_tails(platform: Platform) -> None:
    """Live tails do not survive their server: remove what the last run left of them."""
    for prefix in (pack("logs-live"), pack("logs-feed")):
        while await platform.store.transact(_clearer(prefix)):
            pass


def _clearer(prefix: bytes) -> Callable[[Tx], int]:
    return lambda tx: tx.clear(prefix, after(prefix))
