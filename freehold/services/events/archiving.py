"""The seam between a bus and its archives: what is accepted on the bus is kept in the same transaction.

`load` is called when a bus is compiled, and again after every `rows.touch(tx, bus, ...)` without a rule: whoever creates,
changes or deletes an archive touches its bus in the same transaction. Its result stays in memory with the compiled bus.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from freehold.rules.patterns import Index, eventbridge
from freehold.services.events import archive_rows
from freehold.services.events.archive_rows import Archive, Kept, Space
from freehold.services.events.envelope import Event
from freehold.services.events.names import BusName
from freehold.store.base import ReadTx, Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform


class Archives:
    """The archives of one bus, ready to be asked. Empty ones are falsy."""

    def __init__(self, found: list[Archive] | None = None) -> None:
        self._all = [row.uid for row in found or () if row.pattern is None]
        self._index = Index()
        for row in found or ():
            if row.pattern is not None:
                self._index.add(row.uid, eventbridge.read(row.pattern))

    def __bool__(self) -> bool:
        return bool(self._all) or len(self._index) > 0

    def matching(self, event: Event) -> list[str]:
        """Uids of the archives that want the event. Pure."""
        return [*self._all, *sorted(self._index.match(event.document))] if len(self._index) else self._all


def load(tx: ReadTx, bus: BusName) -> Archives:
    """The archives of a bus."""
    return Archives(archive_rows.of_bus(tx, bus))


def keep(tx: Tx, platform: Platform, bus: BusName, names: list[str], event: Event, *, now_ms: int) -> None:
    """Keep an accepted event in the archives that `matching` named."""
    at = (seconds_of(event), now_ms, event.id)
    for uid in names:
        archive_rows.keep(tx, Space(bus.account, bus.region), uid, at, Kept(event.text, event.trace))


def seconds_of(event: Event) -> int:
    """The time of an event in seconds since the epoch."""
    return int(datetime.fromisoformat(event.document["time"]).timestamp())
