"""What goes in the background: rows of deleted groups and streams, and events whose retention has ended.

Each piece of work is a durable timer, so that a crash in the middle is taken up again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from freehold.kit.tuples import after, pack, span, unpack
from freehold.ports.platform import Platform
from freehold.services.logs import state
from freehold.services.logs.model import DAY_MS, HOUR_MS, Space
from freehold.store.base import Tx
from freehold.work import logrows
from freehold.work.logrows import Group
from freehold.work.timers import Timers

OWNER = "logs"
GROUP, STREAM, RETENTION = "group", "stream", "retention"
TAILS_S = 60.0
"""How often tails of nodes that died are looked for."""


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


async def start(platform: Platform) -> None:
    """Live tails do not survive their server: remove what ended ones left, at once or, of several nodes, now and then."""
    if platform.duties.members.alone:
        for prefix in (pack("logs-live"), pack("logs-feed")):
            while await platform.store.transact(_clearer(prefix)):
                pass
    else:
        platform.duties.run("sweep:logs", lambda _: _forget_tails(platform))


async def _forget_tails(platform: Platform) -> None:
    """Remove, for ever, the tails of nodes that live no more, and with them what was fed to them."""
    members = platform.duties.members
    while True:
        await asyncio.sleep(TAILS_S)
        for key, owner in await platform.store.read_many(lambda tx: tx.scan(*span("logs-live"))):
            if not members.is_live(owner.decode()):
                await platform.store.transact(partial(_forget_tail, key=key))
                _, account, region, group_id, session = (str(part) for part in unpack(key))
                while await platform.store.transact(_clearer(logrows.feed_key(account, region, group_id, session))):
                    pass


def _forget_tail(tx: Tx, key: bytes) -> None:
    tx.delete(key)


def _clearer(prefix: bytes) -> Callable[[Tx], int]:
    return lambda tx: tx.clear(prefix, after(prefix))
