"""Accepting an event on a bus, inside a transaction: its archives keep it, its rules fire."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

from freehold.services.events import archiving, compiled
from freehold.services.events.envelope import Event
from freehold.services.events.firing import Room, fire
from freehold.services.events.names import BusName
from freehold.store.base import Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform


def accept(
    tx: Tx,
    platform: Platform,
    name: BusName,
    event: Event,
    *,
    now_ms: int,
    room: Room | None = None,
    only: Container[str] | None = None,
    archive: bool = True,
) -> bool:
    """Take an event on a bus; False where there is no such bus.

    `only` holds the ARNs of the rules that may fire (replays); `archive` says whether archives may keep the event.
    """
    bus = compiled.current(tx, platform, name)
    if bus is None:
        return False
    if archive and bus.archives and (names := bus.archives.matching(event)):
        archiving.keep(tx, platform, name, names, event, now_ms=now_ms)
    for rule in bus.matching(event.document):
        if only is None or rule.arn in only:
            fire(tx, platform, rule, event, now_ms=now_ms, room=room)
    return True
