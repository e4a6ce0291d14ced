"""Tenants: the message groups of standard queues, which take turns ("fair queues").

Messages with a group do not stand in the queue's index themselves. Those of one group have an index of their own, and the
group stands in the queue's once: where its first message is due, but not before its last turn. Each turn gives one
message, so that a group with a long backlog does not delay the others' messages.

    t group due seq       when a message of the group can be received; the value as in the queue's index
    g group               where the group stands, and its last turn
    i due tie group       the group's place in the queue's index, marked `t`
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from freehold.kit.tuples import after, pack
from freehold.services.sqs import rows
from freehold.services.sqs.model import Queue
from freehold.store.base import ReadTx, Tx

TENANT = b"t"
"""Value of an index row that is a group's."""
_PLACE = struct.Struct(">QQQ")


class Stand(NamedTuple):
    due_ms: int
    tie: int
    turn_ms: int


def _prefix(queue: Queue, group: str) -> bytes:
    return queue.tenants + pack(group)


def key(queue: Queue, group: str, due_ms: int, seq: int) -> bytes:
    """Of a message's row in the index of its group."""
    return b"%b%b%b" % (_prefix(queue, group), due_ms.to_bytes(6, "big"), seq.to_bytes(8, "big"))


def _stand_key(queue: Queue, group: str) -> bytes:
    return queue.groups + pack(group)


def index_key(queue: Queue, group: str, stand: Stand) -> bytes:
    return rows.index_key(queue, stand.due_ms, stand.tie) + group.encode()


def of_index(queue: Queue, row: bytes) -> str:
    """The group that a row of the queue's index is of."""
    return row[len(queue.index) + 14 :].decode()


def get(tx: ReadTx, queue: Queue, group: str) -> Stand | None:
    raw = tx.get(_stand_key(queue, group))
    return None if raw is None else Stand._make(_PLACE.unpack(raw))


def _put(tx: Tx, queue: Queue, group: str, old: Stand | None, new: Stand | None) -> None:
    if old == new:
        return
    if old is not None:
        tx.delete(index_key(queue, group, old))
    if new is None:
        tx.delete(_stand_key(queue, group))
    else:
        tx.put(_stand_key(queue, group), _PLACE.pack(*new))
        tx.put(index_key(queue, group, new), TENANT)


def place(tx: Tx, queue: Queue, group: str, due_ms: int, seq: int, mark: bytes) -> None:
    """A message of the group is receivable at `due_ms`."""
    tx.put(key(queue, group, due_ms, seq), mark)
    old = get(tx, queue, group)
    turn_ms = old.turn_ms if old is not None else 0
    if old is None or max(due_ms, turn_ms) < old.due_ms:
        _put(tx, queue, group, old, Stand(max(due_ms, turn_ms), seq, turn_ms))


def remove(tx: Tx, queue: Queue, group: str, due_ms: int, seq: int) -> None:
    """The message is not due at `due_ms` any more: it moved or is gone."""
    tx.delete(key(queue, group, due_ms, seq))
    old = get(tx, queue, group)
    if old is not None:
        _stand(tx, queue, group, old, old.turn_ms)


def turn(tx: Tx, queue: Queue, group: str, now_ms: int) -> bool:
    """The group had its turn; says whether it could have another at once."""
    old = get(tx, queue, group)
    if old is None:
        return False
    stand = _stand(tx, queue, group, old, now_ms)
    return stand is not None and stand.due_ms <= now_ms


def _stand(tx: Tx, queue: Queue, group: str, old: Stand, turn_ms: int) -> Stand | None:
    page = tx.scan(*_range(queue, group), limit=1)
    new = None
    if page:
        due_ms, seq = _read(page[0][0])
        new = Stand(max(due_ms, turn_ms), seq, turn_ms)
    _put(tx, queue, group, old, new)
    return new


def _range(queue: Queue, group: str) -> tuple[bytes, bytes]:
    prefix = _prefix(queue, group)
    return prefix, after(prefix)


def _read(row: bytes) -> tuple[int, int]:
    return int.from_bytes(row[-14:-8], "big"), int.from_bytes(row[-8:], "big")


def due(tx: ReadTx, queue: Queue, group: str, most: int, now_ms: int) -> list[tuple[int, int, bytes]]:
    """Due time, seq and mark of the group's first messages that are due."""
    prefix = _prefix(queue, group)
    page = tx.scan(prefix, prefix + (now_ms + 1).to_bytes(6, "big"), limit=most)
    return [(*_read(row), mark) for row, mark in page]
