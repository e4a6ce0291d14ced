"""Rows of pipes.

("pipes", "pipe", account, region, name)    the Pipe
("pipes", "work", account, region, name)    it is in transition: the supervisor has something to do
("pipes", "wake")                           no row: woken when a pipe changed
"""

from __future__ import annotations

from msgspec.msgpack import Decoder, Encoder

from freehold.kit.tuples import after, pack, span, unpack
from freehold.services.pipes.model import TRANSITIONS, Pipe
from freehold.store.base import ReadTx, Tx
from freehold.store.limits import MAX_SCAN

_encode = Encoder().encode
_decode = Decoder(Pipe).decode

WAKE = pack("pipes", "wake")

Place = tuple[str, str, str]
"""(account, region, name)"""


def key(place: Place) -> bytes:
    return pack("pipes", "pipe", *place)


def find(tx: ReadTx, place: Place) -> Pipe | None:
    """The pipe of that name."""
    value = tx.get(key(place))
    return None if value is None else _decode(value)


def save(tx: Tx, pipe: Pipe) -> None:
    """Write a pipe; whoever works for pipes is told."""
    place = (pipe.account, pipe.region, pipe.name)
    tx.put(key(place), _encode(pipe))
    if pipe.state in TRANSITIONS:
        tx.put(pack("pipes", "work", *place), b"")
        tx.wake(WAKE)
    else:
        tx.delete(pack("pipes", "work", *place))
        tx.wake(WAKE)


def drop(tx: Tx, pipe: Pipe) -> None:
    """Delete a pipe."""
    place = (pipe.account, pipe.region, pipe.name)
    tx.delete(key(place))
    tx.delete(pack("pipes", "work", *place))
    tx.wake(WAKE)


def work(tx: ReadTx) -> list[Place]:
    """Pipes in transition."""
    return [_place(key) for key, _ in tx.scan(*span("pipes", "work"))]


def everywhere(tx: ReadTx, start_after: Place | None) -> list[Pipe]:
    """A page of the pipes of all accounts."""
    start, end = span("pipes", "pipe")
    start = start if start_after is None else key(start_after) + b"\x00"
    return [_decode(value) for _, value in tx.scan(start, end)]


def page(tx: ReadTx, account: str, region: str, prefix: str, start_after: str) -> list[Pipe]:
    """Pipes of an account in the order of their names, beginning with `prefix`, after `start_after`."""
    begin = key((account, region, prefix))[:-1]  # without its terminator a packed text is a prefix of longer ones
    start = max(begin, key((account, region, start_after)) + b"\x00") if start_after else begin
    return [_decode(value) for _, value in tx.scan(start, after(begin), limit=MAX_SCAN)]


def _place(row: bytes) -> Place:
    _, _, account, region, name = unpack(row)
    return str(account), str(region), str(name)
