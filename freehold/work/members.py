"""Members: the nodes that share a store, and which of them live.

Each node keeps one row with a counter that it raises every `BEAT_S` seconds. A member lives as long as its counter is seen
to move: what counts is the time of the observer's own monotonic clock in which it looked and saw nothing, so neither a
database that stood still for everybody nor clocks that differ make anybody look dead. Liveness decides only who may try
to take over; who may write is decided by epochs (work/duties).

Members also agree on service time: it is that of the one who is furthest.

On a store with a single owner there is one member, no row, and nothing to do.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from freehold.kit.clock import Clock, SystemClock
from freehold.kit.ids import Ids
from freehold.kit.tuples import pack, span, unpack
from freehold.store.base import ReadTx, Store, StoreError, Tx, is_shared

log = logging.getLogger("freehold.work")

BEAT_S = 1.5
TTL_S = 5.0
"""A member whose counter has not moved for so long is taken for dead; one that cannot raise it for so long stops acting."""
FORGET_S = 60.0
"""The row of a member that has been silent for so long is removed."""
MOST_APART_MS = 60_000
"""Nodes whose clocks are further apart do not work together."""


class NotOneOfThem(StoreError):
    """This node cannot work with those that live: its clock or its mode is another."""


class MemberRow(msgspec.Struct, frozen=True, array_like=True):
    """The value of a member's row. `home` names the data directory, which one process at a time can have open."""

    beat: int
    home: str
    url: str
    since: float
    """Wall time, for people."""
    now_ms: int = 0
    """Service time when the row was written."""
    terms: str = ""
    """What all nodes have to agree on."""
    version: str = ""
    """Freehold's, for people: nodes of different versions work together."""


class _Seen:
    """What is known of another member: the last counter, and for how long it has been silent."""

    __slots__ = ("row", "silent")

    def __init__(self, row: MemberRow) -> None:
        self.row, self.silent = row, 0.0


class Members:
    """This node and the others."""

    def __init__(
        self, store: Store, clock: Clock, *, home: str = "", url: str = "", terms: str = "", version: str = ""
    ) -> None:
        self.id = Ids().hex(16)
        """This process; never the same twice, whatever the seed."""
        self.alone = not is_shared(store)
        self._store, self._clock = store, clock
        self._row = MemberRow(0, home or self.id, url, clock.wall(), 0, terms, version)
        self._others: dict[str, _Seen] = {}
        self._beaten = self._looked = clock.monotonic()
        self._joined = False
        self.leaving = False
        """This node serves, but is about to stop."""
        self.lapses = 0
        """How often this node was out of touch: what it held without a lease may be others' since then."""

    def live(self) -> list[str]:
        """The ids of all members that live, this one among them, in order."""
        return sorted([self.id, *(id for id, seen in self._others.items() if seen.silent < TTL_S)])

    @property
    def size(self) -> int:
        """How many members live: what is a limit of all of them is divided by it."""
        return 1 + sum(seen.silent < TTL_S for seen in self._others.values())

    def is_live(self, id: str) -> bool:
        """Does this member live, as far as can be seen from here?"""
        if id == self.id:
            return True
        seen = self._others.get(id)
        return seen is not None and seen.silent < TTL_S

    def present(self, tx: ReadTx) -> set[str]:
        """The ids of all members that have a row, but for those that look dead from here and have not moved since this node
        looked. Whoever is new or back is among them."""
        seen = self._others
        return {
            id
            for id, row in read_members(tx).items()
            if id not in seen or seen[id].silent < TTL_S or seen[id].row != row
        } | {self.id}

    @property
    def in_touch(self) -> bool:
        """May others still take this node for living? If not, it must not act."""
        return self.alone or self._clock.monotonic() - self._beaten < TTL_S

    @property
    def beaten(self) -> float:
        """When (monotonic) the last beat that arrived was begun."""
        return self._beaten

    async def meet(self) -> None:
        """Before the first beat: do not join those with whom it cannot work. Raises NotOneOfThem."""
        before = await self._store.read(read_members)
        if not any(self._trouble(row) for row in before.values()):
            return
        await asyncio.sleep(2 * BEAT_S)  # whose row still moves then lives; the others are of the past
        for id, row in (await self._store.read(read_members)).items():
            if id in before and row.beat != before[id].beat and (trouble := self._trouble(row)):
                raise NotOneOfThem(trouble)

    def _trouble(self, row: MemberRow) -> str:
        """Why this node could not work with that one; empty: it could."""
        if row.home == self._row.home:
            return ""
        if row.terms != self._row.terms:
            return (
                f"the node at {row.url} runs with {row.terms}, this one with {self._row.terms}: nodes that share a store "
                "agree on them; stop the others first, or change this one"
            )
        apart = self._behind(row)
        if abs(apart) <= MOST_APART_MS:
            return ""
        side = "behind" if apart > 0 else "ahead of"
        return (
            f"this host's clock is {abs(apart) / 1000:.0f} s {side} that of the node at {row.url}; nodes share "
            "their time: set both clocks (NTP)"
        )

    def _behind(self, row: MemberRow) -> int:
        """By how much (ms) this node's service time is behind what a row says; below zero: ahead of it."""
        return row.now_ms - self._clock.now_ms() if isinstance(self._clock, SystemClock) and row.now_ms else 0

    def _agree(self, row: MemberRow) -> None:
        """Service time is that of the member who is furthest: on no node anybody sees it go backwards."""
        if isinstance(self._clock, SystemClock) and (behind := self._behind(row)) > 0:
            if behind <= MOST_APART_MS:
                self._clock.raise_to(row.now_ms)
            else:
                log.warning("the clock of the node at %s is %d s ahead: it is not followed", row.url, behind // 1000)

    async def beat(self) -> None:
        """Show that this node lives. The first one removes what an earlier process left in the same data directory."""
        begun = self._clock.monotonic()
        row = msgspec.structs.replace(self._row, beat=self._row.beat + 1, now_ms=self._clock.now_ms())
        joins, key = not self._joined, pack("node", "member", self.id)

        def body(tx: Tx) -> None:
            if joins:
                for id, other in read_members(tx).items():
                    if other.home == row.home:
                        tx.delete(pack("node", "member", id))
            tx.put(key, msgspec.msgpack.encode(row))

        await self._store.transact(body)
        if self._joined and not self.in_touch:
            self.lapses += 1
        self._row, self._joined, self._beaten = row, True, begun

    def observe(self, found: dict[str, MemberRow]) -> None:
        """Take note of what `read_members` found just now."""
        now = self._clock.monotonic()
        # While this node did not look, silence is no news.
        passed, self._looked = min(now - self._looked, 2 * BEAT_S), now
        for id in self._others.keys() - found.keys():
            del self._others[id]
        for id, row in found.items():
            if id == self.id:
                continue
            seen = self._others.get(id)
            if seen is None or seen.row != row:
                self._others[id] = _Seen(row)
                self._agree(row)
            else:
                seen.silent += passed

    async def forget(self) -> None:
        """Remove the rows of members that have been silent for long."""
        gone = {id: seen.row for id, seen in self._others.items() if seen.silent >= FORGET_S}
        if not gone:
            return

        def body(tx: Tx) -> None:
            found = read_members(tx)
            for id, row in gone.items():
                if found.get(id) == row:
                    tx.delete(pack("node", "member", id))

        await self._store.transact(body)

    async def leave(self, wake: bytes) -> None:
        """Remove this node's row, and rouse those who watch `wake`: others need not wait to see that it is gone."""
        key = pack("node", "member", self.id)

        def body(tx: Tx) -> None:
            tx.delete(key)
            tx.wake(wake)

        if self._joined:
            await self._store.transact(body)
            self._joined = False

    def describe(self) -> list[dict[str, object]]:
        """The members that live, for people."""
        rows = {self.id: self._row, **{id: seen.row for id, seen in self._others.items()}}
        return [
            {
                "id": id,
                "url": rows[id].url,
                "version": rows[id].version,
                "since": rows[id].since,
                "self": id == self.id,
            }
            for id in self.live()
        ]


def read_members(tx: ReadTx) -> dict[str, MemberRow]:
    """All members that have a row."""
    return {
        str(unpack(key)[2]): msgspec.msgpack.decode(value, type=MemberRow)
        for key, value in tx.scan(*span("node", "member"))
    }
