"""The rows of the outbox."""

from __future__ import annotations

import msgspec

from freehold.kit.tuples import pack, unpack
from freehold.store.base import ReadTx, Tx

INLINE = 1_024
"""Bytes of a payload that lie in the row of the queue."""


class OutboxRow(msgspec.Struct, frozen=True, array_like=True):
    """The value of a row of the queue."""

    payload: bytes | None
    """None: it has a row of its own."""
    first_ms: int
    attempt: int = 0
    group: bytes | None = None
    place: int = 0
    """The member of the group that this queue row stands for."""


class Member(msgspec.Struct, frozen=True, array_like=True):
    """What waits behind the head of its group."""

    id: str
    payload: bytes
    due_ms: int


def wake_key(kind: str) -> bytes:
    """What is roused when something was added to a kind."""
    return pack("outbox", "wake", kind)


def due_of(key: bytes) -> int:
    """When the row of this key is due, in ms of service time."""
    due = unpack(key)[3]
    assert isinstance(due, int)
    return due


def id_of(key: bytes) -> str:
    """Whose the row of this key is."""
    return str(unpack(key)[4])


def payload_of(tx: Tx, kind: str, id: str, payload: bytes) -> bytes | None:
    """What goes into the queue row; a large payload gets a row of its own."""
    if len(payload) <= INLINE:
        return payload
    tx.put(pack("outbox", "p", kind, id), payload)
    return None


def put(tx: Tx, kind: str, due_ms: int, id: str, row: OutboxRow) -> None:
    """Have it wait in the queue of its kind."""
    tx.put(pack("outbox", "q", kind, due_ms, id), msgspec.msgpack.encode(row))


def add_member(tx: Tx, kind: str, group: bytes, member: Member) -> None:
    """The head of a group goes into the queue, followers wait in the group's rows."""
    counter = pack("outbox", "n", kind, group)
    last = tx.get(counter)
    place = 0 if last is None else int.from_bytes(last, "big") + 1
    tx.put(counter, place.to_bytes(8, "big"))
    if last is None:
        put(
            tx,
            kind,
            member.due_ms,
            member.id,
            OutboxRow(payload_of(tx, kind, member.id, member.payload), member.due_ms, 0, group, place),
        )
    else:
        tx.put(pack("outbox", "g", kind, group, place), msgspec.msgpack.encode(member))


def next_member(tx: Tx, kind: str, group: bytes, place: int) -> None:
    """The head is done: its follower becomes the head, or the group ends."""
    following = pack("outbox", "g", kind, group, place + 1)
    value = tx.get(following)
    if value is None:
        tx.delete(pack("outbox", "n", kind, group))
        return
    member = msgspec.msgpack.decode(value, type=Member)
    tx.delete(following)
    put(
        tx,
        kind,
        member.due_ms,
        member.id,
        OutboxRow(payload_of(tx, kind, member.id, member.payload), member.due_ms, 0, group, place + 1),
    )


def pending(tx: ReadTx, kind: str, *, limit: int = 100) -> list[tuple[int, str]]:
    """(due ms, id) of what waits, soonest first: for doctor and tests."""
    start, end = pack("outbox", "q", kind), pack("outbox", "q", kind) + b"\xff"
    return [(due_of(key), id_of(key)) for key, _ in tx.scan(start, end, limit=limit)]
