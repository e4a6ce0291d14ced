"""Service time survives a restart: it is persisted, so that it never runs backwards."""

from __future__ import annotations

from freehold.kit.tuples import pack
from freehold.ports.platform import Platform
from freehold.store.base import Store, Tx

_KEY = pack("node", "service_time")
_EVERY_MS = 60_000


async def service_time_floor(store: Store) -> int:
    """The latest service time (ms) that an earlier run recorded; 0 on a new store."""
    value = await store.read(lambda tx: tx.get(_KEY))
    return int.from_bytes(value, "big") if value else 0


def keep_service_time(platform: Platform) -> None:
    """Record service time now and every minute."""

    async def keep() -> None:
        while True:
            now = platform.clock.now_ms()

            def record(tx: Tx, now: int = now) -> None:
                tx.put(_KEY, now.to_bytes(8, "big"))

            await platform.store.transact(record)
            await platform.clock.sleep_until(now + _EVERY_MS)

    platform.tasks.spawn("service time", keep())
