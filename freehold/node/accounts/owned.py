"""Which rows of a store an account owns."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from functools import lru_cache

import msgspec

from freehold.kit.tuples import Part, after, pack, unpack
from freehold.node.assemble import SERVICES
from freehold.ports.belongings import Belongings, Below, Shared, Sharing, Timed
from freehold.store.base import ReadTx
from freehold.work.checking import Row, Snapshot
from freehold.work.outbox import OutboxRow
from freehold.work.timers import TimerRow

_ELSEWHERE = {"timer", "outbox", "blob", "node", "lease", "import"}
"""First parts of keys whose second part is never an account."""
_decode_effect = msgspec.msgpack.Decoder(OutboxRow).decode
_decode_timer = msgspec.msgpack.Decoder(TimerRow).decode


@lru_cache(maxsize=1)
def belongings() -> tuple[Belongings, ...]:
    """What services say of the rows of accounts."""
    found = []
    for folder in SERVICES:
        name = f"freehold.services.{folder}.belongings"
        if importlib.util.find_spec(name) is not None:
            found.append(importlib.import_module(name).BELONGINGS)
    return tuple(found)


class Owned:
    """The rows of one account in one snapshot, in the order in which they are to be brought in: first what other rows
    lead to, then those, and what makes something happen last."""

    def __init__(self, tx: ReadTx, account: str) -> None:
        self.snapshot = Snapshot(tx)
        self.account = account
        said = belongings()
        self._begins = tuple(p for one in said if one.begins for p in one.begins(self.snapshot, account))
        self._passing = tuple(p for one in said if one.passing for p in one.passing(self.snapshot, account))

    def begins(self, key: bytes) -> bool:
        """Does a row make something happen by being there?"""
        return key.startswith((pack("timer"), pack("outbox"), *self._begins))

    def is_named(self, key: bytes) -> bool:
        """Does a key begin with the account's name, so that nobody else can have such a row?"""
        return key.startswith(pack(self.account), key.find(b"\0") + 1)  # what follows need not be a packed tuple

    def rows(self) -> Iterator[Row]:
        """Every row but those of blobs and those that accounts share; some may come twice."""
        for belonging in self._said():
            if isinstance(belonging, Below):
                yield from self._present(self.snapshot.under(belonging.prefix))
            elif isinstance(belonging, Timed):
                yield from self._timer(belonging.owner, belonging.key)
        for name in self._first_parts():
            prefix = pack(name, self.account)
            yield from self._present(self._backwards(prefix, after(prefix)))
        yield from self._observed()
        yield from self._timers()
        yield from self._effects()

    def shared(self) -> Iterator[Shared]:
        """The rows that accounts share, as they are for this one alone."""
        return (belonging for belonging in self._said() if isinstance(belonging, Shared))

    def what(self) -> str | None:
        """Of which service the account has something that its owner made; None where there is nothing."""
        for name in self._first_parts():
            if name in ("meter", "trace", "sealing"):
                continue
            prefix = pack(name, self.account)
            for key, _ in self._present(self.snapshot.under(prefix)):
                if not _comes_by_itself(key):
                    return str(name)
        for belonging in self._said():
            if isinstance(belonging, Below) and next(self.snapshot.under(belonging.prefix), None) is not None:
                return str(unpack(belonging.prefix)[0])
        return None

    def _said(self) -> Iterator[Below | Timed | Shared]:
        for one in belongings():
            yield from one.rows(self.snapshot, self.account)

    def _first_parts(self) -> Iterator[Part]:
        return (name for name in self.snapshot.next_parts() if name not in _ELSEWHERE)

    def _present(self, rows: Iterator[Row]) -> Iterator[Row]:
        return (row for row in rows if not row[0].startswith(self._passing)) if self._passing else rows

    def _backwards(self, start: bytes, end: bytes) -> Iterator[Row]:
        """The last row first: the rows that lead to others have names that sort before those."""
        while page := self.snapshot.tx.scan(start, end, reverse=True):
            yield from page
            end = page[-1][0]

    def _observed(self) -> Iterator[Row]:
        """Metrics and traces."""
        for day in self.snapshot.next_parts("meter"):
            yield from self.snapshot.below("meter", day, self.account)
        for kind in ("r", "s"):
            yield from self.snapshot.below("trace", kind, self.account)
        for key, value in self.snapshot.below("trace", "t"):
            if unpack(key)[3] == self.account:
                yield key, value

    def _timers(self) -> Iterator[Row]:
        for key, _ in self.snapshot.below("timer", "by"):
            _, _, owner, name = unpack(key)
            assert isinstance(owner, str) and isinstance(name, bytes)
            if self.account in _parts(name):
                yield from self._timer(owner, name)

    def _timer(self, owner: str, name: bytes) -> Iterator[Row]:
        key = pack("timer", "by", owner, name)
        value = self.snapshot.get(key)
        if value is not None:
            due = _decode_timer(value).due_ms
            yield key, msgspec.msgpack.encode(TimerRow(due))  # without the claim of a handler that runs here
            yield pack("timer", "due", due, owner, name), b""

    def _effects(self) -> Iterator[Row]:
        whose = {kind: fn for one in belongings() for kind, fn in one.effects.items()}
        for key, value in self.snapshot.below("outbox", "q"):
            _, _, kind, _, id = unpack(key)
            assert isinstance(kind, str)
            row = _decode_effect(value)
            aside = pack("outbox", "p", kind, id)
            payload = row.payload if row.payload is not None else self.snapshot.get(aside)
            if payload is None or whose[kind](payload) != self.account:
                continue
            yield key, value
            if row.payload is None:
                yield aside, payload
            if row.group is not None:
                counter = pack("outbox", "n", kind, row.group)
                yield counter, self.snapshot.get(counter) or b""
                yield from self.snapshot.below("outbox", "g", kind, row.group)


def _parts(name: bytes) -> tuple[Part, ...]:
    """Of a timer's key, where it is a packed tuple."""
    try:
        return unpack(name)
    except (ValueError, IndexError, UnicodeDecodeError):
        return ()


def _comes_by_itself(key: bytes) -> bool:
    """Rows that looking at an empty account leaves."""
    return unpack(key)[0] == "scheduler" and unpack(key)[3:] == ("g", "default")


def sharing() -> Sharing:
    """What is known of shared rows; one service has such."""
    (found,) = (one.sharing for one in belongings() if one.sharing is not None)
    return found
