"""Leases: who may act, proved inside the transaction that acts.

Ownership is an epoch in a row. The holder's every write checks the epoch in its own transaction, so a holder that was
replaced while it slept cannot write, whatever its clock says. Expiry only decides when somebody else may try: a
contender watches the holder's beats and takes over when none came for `ttl` seconds of the contender's own monotonic
clock. Service time is never asked.
"""

from __future__ import annotations

import msgspec

from freehold.kit.clock import Clock
from freehold.kit.ids import Ids
from freehold.kit.tuples import pack
from freehold.store.base import ReadTx, Store, Tx


class LeaseLost(Exception):
    """Somebody else holds the lease now; nothing was written."""


class _Row(msgspec.Struct, array_like=True):
    owner: str
    epoch: int
    beat: int


class Lease:
    """A held lease."""

    __slots__ = ("epoch", "key", "owner")

    def __init__(self, key: bytes, owner: str, epoch: int) -> None:
        self.key, self.owner, self.epoch = key, owner, epoch

    def check(self, tx: ReadTx) -> None:
        """Call it first in every transaction that acts under the lease. Raises LeaseLost."""
        row = _read(tx, self.key)
        if row is None or row.epoch != self.epoch:
            raise LeaseLost(f"{self.owner} held epoch {self.epoch}")


class Leases:
    """Takes, keeps and gives back leases by name."""

    def __init__(self, store: Store, clock: Clock, ids: Ids) -> None:
        self._store, self._clock = store, clock
        self._owner = ids.hex(16)
        self._seen: dict[str, tuple[int, int, float]] = {}

    async def take(self, name: str) -> Lease:
        """The lease, from whoever holds it: for what one process owns by other means (a locked data directory)."""
        key = pack("lease", name)

        def body(tx: Tx) -> int:
            row = _read(tx, key)
            return _write(tx, key, self._owner, (row.epoch if row else 0) + 1)

        return Lease(key, self._owner, await self._store.transact(body))

    async def acquire(self, name: str, ttl: float) -> Lease | None:
        """The lease if it is free, ours, or its holder has not beaten for `ttl` monotonic seconds as seen from here.

        None means: ask again later, at least once per `ttl`; the first look at a held lease only starts the watch.
        """
        key = pack("lease", name)
        now = self._clock.monotonic()
        row = await self._store.read(lambda tx: _read(tx, key))
        if row is not None and row.owner not in ("", self._owner):
            epoch, beat, since = self._seen.get(name, (-1, -1, now))
            if (epoch, beat) != (row.epoch, row.beat):
                self._seen[name] = (row.epoch, row.beat, now)
                return None
            if now - since < ttl:
                return None

        def body(tx: Tx) -> int | None:
            current = _read(tx, key)
            if current is not None and (row is None or (current.epoch, current.beat) != (row.epoch, row.beat)):
                return None
            return _write(tx, key, self._owner, (current.epoch if current else 0) + 1)

        taken = await self._store.transact(body)
        self._seen.pop(name, None)
        return None if taken is None else Lease(key, self._owner, taken)

    async def beat(self, lease: Lease) -> None:
        """Show that the holder lives: at least three times per `ttl`. Raises LeaseLost."""

        def body(tx: Tx) -> None:
            lease.check(tx)
            row = _read(tx, lease.key)
            assert row is not None
            tx.put(lease.key, msgspec.msgpack.encode(_Row(row.owner, row.epoch, row.beat + 1)))

        await self._store.transact(body)

    async def release(self, lease: Lease) -> None:
        """Give it back, so that nobody has to wait. Silent if it was lost."""

        def body(tx: Tx) -> None:
            row = _read(tx, lease.key)
            if row is not None and row.epoch == lease.epoch:
                tx.put(lease.key, msgspec.msgpack.encode(_Row("", row.epoch, row.beat)))

        await self._store.transact(body)


def _read(tx: ReadTx, key: bytes) -> _Row | None:
    value = tx.get(key)
    return None if value is None else msgspec.msgpack.decode(value, type=_Row)


def _write(tx: Tx, key: bytes, owner: str, epoch: int) -> int:
    tx.put(key, msgspec.msgpack.encode(_Row(owner, epoch, 0)))
    return epoch
