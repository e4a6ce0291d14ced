"""Leases: who may act, proved inside the transaction that acts.

Ownership is an epoch in a row. The holder's every write checks owner and epoch in its own transaction, so a holder that was
replaced while it slept cannot write, whatever its clock says. Who may try to take a lease, and when, is the matter of
work/duties.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from freehold.store.base import ReadTx


class LeaseLost(Exception):
    """Somebody else holds the lease now; nothing was written."""


class DutyRow(msgspec.Struct, frozen=True, array_like=True):
    """The value of a duty's row. `owner` is a member's id, or empty: free; `next` is who asked for it."""

    owner: str
    epoch: int
    next: str = ""


class Held:
    """A duty that this node holds: what `work` is given. On a store with a single owner it cannot be lost."""

    __slots__ = ("_alone", "_callbacks", "_ending", "epoch", "key", "lost", "owner")

    def __init__(self, key: bytes, owner: str, epoch: int, *, alone: bool) -> None:
        self.key, self.owner, self.epoch = key, owner, epoch
        self._alone = alone
        self.lost = False
        """Was it taken away, rather than asked for? Then nothing that is under way can be recorded any more."""
        self._ending = asyncio.Event()
        self._callbacks: list[Callable[[], None]] = []

    def check(self, tx: ReadTx) -> None:
        """Call it first in every transaction that acts. Raises LeaseLost. Costs nothing where there is a single owner."""
        if self._alone:
            return
        row = decoded(tx.get(self.key))
        if row is None or (row.owner, row.epoch) != (self.owner, self.epoch):
            raise LeaseLost(f"{self.owner} held epoch {self.epoch}")

    @property
    def ending(self) -> bool:
        """Is the work asked to end? It begins nothing new, ends what is under way, and returns."""
        return self._ending.is_set()

    async def wait_ending(self) -> None:
        """Return when the work is asked to end."""
        await self._ending.wait()

    def when_ending(self, callback: Callable[[], None]) -> None:
        """Have `callback` called when the work is asked to end (at once if it is already)."""
        if self._ending.is_set():
            callback()
        else:
            self._callbacks.append(callback)

    def end(self) -> None:
        """Ask the work to end."""
        if not self._ending.is_set():
            self._ending.set()
            for callback in self._callbacks:
                callback()


def decoded(value: bytes | None) -> DutyRow | None:
    """A duty's row, if there is one."""
    return None if value is None else msgspec.msgpack.decode(value, type=DutyRow)
