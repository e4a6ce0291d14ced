"""Message groups of FIFO queues: each stands in the index once, at the time when something of it can be received.

A group of which something is in flight stands at the time when the last of that is visible again: until then nothing
more of it is given out. Otherwise it stands where the delay of its first message ends.
"""

from __future__ import annotations

import msgspec

from freehold.kit.tuples import after, pack, unpack
from freehold.services.sqs import rows
from freehold.services.sqs.model import Queue
from freehold.store.base import ReadTx, Tx


class Group(msgspec.Struct, array_like=True):
    """Where a group stands, and what of it is in flight: seq and when it is visible again."""

    due_ms: int
    tie: int
    in_flight: list[tuple[int, int]] = []


_decode = msgspec.msgpack.Decoder(Group).decode
_encode = msgspec.msgpack.Encoder().encode


def member_prefix(queue: Queue, group: str) -> bytes:
    return queue.members + pack(group)


def member_key(queue: Queue, group: str, seq: int) -> bytes:
    return b"%b%b%b" % (queue.members, pack(group), seq.to_bytes(8, "big"))


def _key(queue: Queue, group: str) -> bytes:
    return queue.groups + pack(group)


def _index_key(queue: Queue, group: str, placed: Group) -> bytes:
    return rows.index_key(queue, placed.due_ms, placed.tie) + group.encode()


def of_index(queue: Queue, key: bytes) -> str:
    """The group that a row of the index is of."""
    return key[len(queue.index) + 14 :].decode()


def get(tx: ReadTx, queue: Queue, group: str) -> Group | None:
    raw = tx.get(_key(queue, group))
    return None if raw is None else _decode(raw)


def _put(tx: Tx, queue: Queue, group: str, old: Group | None, new: Group | None) -> None:
    if old is not None and (new is None or (old.due_ms, old.tie) != (new.due_ms, new.tie)):
        tx.delete(_index_key(queue, group, old))
    if new is None:
        tx.delete(_key(queue, group))
        return
    tx.put(_key(queue, group), _encode(new))
    tx.put(_index_key(queue, group, new), b"")


def join(tx: Tx, queue: Queue, group: str, seq: int, due_ms: int) -> None:
    """A message was sent to a group; one that has messages already stands where it did."""
    tx.put(member_key(queue, group, seq), b"")
    if tx.get(_key(queue, group)) is None:
        _put(tx, queue, group, None, Group(due_ms, seq))


def place(
    tx: Tx,
    queue: Queue,
    group: str,
    old: Group,
    in_flight: list[tuple[int, int]],
    now_ms: int,
    due_again_ms: int,
    held_ms: int | None,
) -> None:
    """After a receive: `in_flight` was given out until `due_again_ms`; or its first message is held until `held_ms`."""
    if in_flight:
        _put(tx, queue, group, old, Group(due_again_ms, in_flight[0][0], in_flight))
    elif held_ms is not None:
        _put(tx, queue, group, old, Group(held_ms, old.tie))
    else:
        _put(tx, queue, group, old, _waiting(tx, queue, group, now_ms))


def leave(tx: Tx, queue: Queue, group: str, seq: int, now_ms: int) -> None:
    """A message in flight was deleted."""
    old = get(tx, queue, group)
    if old is None:
        return
    _stand(tx, queue, group, old, [entry for entry in old.in_flight if entry[0] != seq], now_ms)


def move(tx: Tx, queue: Queue, group: str, seq: int, due_ms: int, now_ms: int) -> None:
    """The visibility of a message in flight was changed."""
    old = get(tx, queue, group)
    assert old is not None
    changed = [(at, due_ms if at == seq else due) for at, due in old.in_flight]
    _stand(tx, queue, group, old, changed, now_ms)


def _stand(tx: Tx, queue: Queue, group: str, old: Group, in_flight: list[tuple[int, int]], now_ms: int) -> None:
    waiting = [entry for entry in in_flight if entry[1] > now_ms]
    if waiting:
        due_ms = max(due for _, due in waiting)
        _put(tx, queue, group, old, Group(due_ms, waiting[0][0], waiting))
    else:
        _put(tx, queue, group, old, _waiting(tx, queue, group, now_ms))


def _waiting(tx: ReadTx, queue: Queue, group: str, now_ms: int) -> Group | None:
    """Where a group stands of which nothing is in flight; None if it has no message."""
    prefix = member_prefix(queue, group)
    page = tx.scan(prefix, after(prefix), limit=1)
    if not page:
        return None
    seq = int.from_bytes(page[0][0][-8:], "big")
    return Group(max(now_ms, head_due(tx, queue, seq)), seq)


def head_due(tx: ReadTx, queue: Queue, seq: int) -> int:
    """When the delay of a message ends; one that was received before, or moved here, has none."""
    if not queue.record.delay_s or tx.get(rows.state_key(queue, seq)) is not None:
        return 0
    return rows.sent_ms(seq) + 1000 * queue.record.delay_s


def of_key(queue: Queue, key: bytes) -> str:
    """The group that a group's row is of."""
    (group,) = unpack(key[len(queue.groups) :])
    assert isinstance(group, str)
    return group


def again(tx: Tx, queue: Queue, group: str, now_ms: int) -> None:
    """Place a group by the queue's delay as it is now."""
    old = get(tx, queue, group)
    if old is not None:
        _stand(tx, queue, group, old, old.in_flight, now_ms)
