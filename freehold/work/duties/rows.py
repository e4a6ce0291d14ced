"""The rows of duties: who has which, and who asks for it.

`("node", "duty", name)` is a DutyRow. Whatever changes one does so only if it is still what was read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from freehold.kit.tuples import pack, span, unpack
from freehold.store.base import ReadTx, Store, Tx
from freehold.work.leases import DutyRow, Held, decoded
from freehold.work.members import MemberRow, Members, read_members

WAKE = pack("node", "duties")
PAGE = 200

Found = tuple[bytes, DutyRow | None]
"""A row's key, and what it was when it was looked at."""


class Rows:
    """The rows, for one node."""

    def __init__(self, store: Store, members: Members) -> None:
        self._store, self._members = store, members

    async def look(self, keys: Sequence[bytes]) -> tuple[dict[str, MemberRow], list[DutyRow | None]]:
        """All members, and the rows of these keys."""

        def body(tx: ReadTx) -> tuple[dict[str, MemberRow], list[DutyRow | None]]:
            rows = tx.get_many(keys) if keys else []
            return read_members(tx), [decoded(value) for value in rows]

        return await self._store.read_many(body)

    async def take(self, wanted: Sequence[Found], least: int) -> list[int | None]:
        """Make this node their owner; the epoch of each, at least `least`, or None: its row is another by now."""
        me = self._members.id

        def body(tx: Tx) -> list[int | None]:
            epochs: list[int | None] = []
            for (key, row), value in zip(wanted, tx.get_many([key for key, _ in wanted]), strict=True):
                current = decoded(value)
                if current != row:
                    epochs.append(None)
                    continue
                epoch = max(least, current.epoch + 1 if current is not None else 0)
                tx.put(key, msgspec.msgpack.encode(DutyRow(me, epoch)))
                epochs.append(epoch)
            return epochs

        return await self._store.transact(body)

    async def ask(self, wanted: Sequence[tuple[bytes, DutyRow]]) -> None:
        """Ask the owners for them."""
        me = self._members.id

        def body(tx: Tx) -> None:
            for (key, row), value in zip(wanted, tx.get_many([key for key, _ in wanted]), strict=True):
                if decoded(value) == row:
                    tx.put(key, msgspec.msgpack.encode(DutyRow(row.owner, row.epoch, me)))
            tx.wake(WAKE)

        await self._store.transact(body)

    async def release(self, lease: Held, *, remove: bool) -> None:
        """Give a duty back, or remove its row; silent if it was lost."""

        def body(tx: Tx) -> None:
            row = decoded(tx.get(lease.key))
            if row is None or (row.owner, row.epoch) != (lease.owner, lease.epoch):
                return
            if remove:
                tx.delete(lease.key)
            else:
                tx.put(lease.key, msgspec.msgpack.encode(DutyRow("", row.epoch, row.next)))
            tx.wake(WAKE)

        await self._store.transact(body)

    async def sweep(self, declared: Iterable[bytes]) -> None:
        """Remove rows that nobody living holds and that this node does not declare: what they were about is gone."""
        start, end = span("node", "duty")
        kept = set(declared)
        while page := await self._store.read_many(lambda tx, start=start: tx.scan(start, end, limit=PAGE)):  # type: ignore[misc]
            await self._store.transact(self._sweeper([key for key, _ in page if key not in kept]))
            start = page[-1][0] + b"\x00"

    def _sweeper(self, keys: Sequence[bytes]) -> Callable[[Tx], None]:
        def body(tx: Tx) -> None:
            for key in keys:
                row = decoded(tx.get(key))
                if row is not None and not self._members.is_live(row.owner):
                    tx.delete(key)

        return body

    async def owners(self) -> dict[str, str]:
        """Member id by name of the duty; empty: it is free."""
        rows = await self._store.read_many(lambda tx: tx.scan(*span("node", "duty")))
        return {str(unpack(key)[2]): msgspec.msgpack.decode(value, type=DutyRow).owner for key, value in rows}
