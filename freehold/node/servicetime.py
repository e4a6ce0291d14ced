"""Service time survives a restart: it is persisted and never runs backwards. A manual clock goes on where it stood."""

from __future__ import annotations

from freehold.kit.clock import ManualClock
from freehold.ports.platform import Platform
from freehold.store.base import Store, Tx
from freehold.work.advance import SERVICE_TIME, record

_EVERY_MS = 60_000


async def service_time_floor(store: Store) -> int:
    """The latest service time (ms) that an earlier run recorded; 0 on a new store."""
    value = await store.read(lambda tx: tx.get(SERVICE_TIME))
    return int.from_bytes(value, "big") if value else 0


def keep_service_time(platform: Platform) -> None:
    """Record service time now and, unless the clock is moved by hand (which records it), every minute."""

    async def keep() -> None:
        while True:
            now = platform.clock.now_ms()

            def keep_now(tx: Tx, now: int = now) -> None:
                record(tx, now)

            await platform.store.transact(keep_now)
            if isinstance(platform.clock, ManualClock):
                return
            await platform.clock.sleep_until(now + _EVERY_MS)

    platform.tasks.spawn("service time", keep())
