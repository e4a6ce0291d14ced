"""The seam between a bus and its archives: what is accepted on the bus is kept in the same transaction.

`load` is called when a bus is compiled, and again after every `rows.touch(tx, bus, ...)` without a rule: whoever creates,
changes or deletes an archive touches its bus in the same transaction. Its result stays in memory with the compiled bus.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from freehold.services.events.envelope import Event
from freehold.services.events.names import BusName
from freehold.store.base import ReadTx, Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform


class Archives:
    """The archives of one bus, ready to be asked. Empty ones are falsy."""

    def __bool__(self) -> bool:
        return False

    def matching(self, event: Event) -> list[str]:
        """Names of the archives that want the event. Pure."""
        return []


def load(tx: ReadTx, bus: BusName) -> Archives:
    """The archives of a bus."""
    return Archives()


def keep(tx: Tx, platform: Platform, bus: BusName, names: list[str], event: Event, *, now_ms: int) -> None:
    """Keep an accepted event in the archives with these names."""
