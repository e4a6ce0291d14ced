"""Log groups and streams in transactions. The rows are those of work/logrows.py."""

from __future__ import annotations

import msgspec

from freehold.kit.faults import Fault
from freehold.kit.tuples import after, pack, span, unpack
from freehold.services.logs.model import MAX_TAGS, Space, no_group, no_stream
from freehold.store.base import ReadTx, Tx
from freehold.work import logrows
from freehold.work.logrows import Group, Stream

SWEEP_ROWS = 200


def group(tx: ReadTx, space: Space, name: str) -> Group:
    """Raises ResourceNotFoundException."""
    found = logrows.find_group(tx, *space, name)
    if found is None:
        raise no_group()
    return found


def stream(tx: ReadTx, space: Space, group_id: str, name: str) -> Stream:
    """Raises ResourceNotFoundException."""
    found = logrows.find_stream(tx, *space, group_id, name)
    if found is None:
        raise no_stream()
    return found


def create_group(tx: Tx, space: Space, new: Group) -> None:
    if logrows.find_group(tx, *space, new.name) is not None:
        raise Fault("ResourceAlreadyExistsException", "The specified log group already exists")
    logrows.put_group(tx, *space, new)


def delete_group(tx: Tx, space: Space, name: str) -> Group:
    """Its streams and events are under its id, which nothing names any more; the caller has them swept."""
    old = group(tx, space, name)
    if old.protected:
        raise Fault("ValidationException", "The specified log group has deletion protection enabled.")
    tx.delete(logrows.group_key(*space, name))
    return old


def change_group(tx: Tx, space: Space, name: str, **changes: object) -> Group:
    changed: Group = msgspec.structs.replace(group(tx, space, name), **changes)
    logrows.put_group(tx, *space, changed)
    return changed


def tag(tx: Tx, space: Space, name: str, add: dict[str, str], remove: list[str], too_many: str) -> None:
    old = group(tx, space, name)
    tags = {key: value for key, value in {**old.tags, **add}.items() if key not in remove}
    if len(tags) > MAX_TAGS:
        raise Fault(too_many, f"The log group has more than {MAX_TAGS} tags.")
    logrows.put_group(tx, *space, msgspec.structs.replace(old, tags=tags))


def groups(tx: ReadTx, space: Space, prefix: str, after_name: str | None, limit: int) -> list[Group]:
    """Groups whose names begin with `prefix`, in order, after a name."""
    start, end = _names("g", space, (), prefix, after_name)
    return [msgspec.msgpack.decode(value, type=Group) for _, value in tx.scan(start, end, limit=limit)]


def create_stream(tx: Tx, space: Space, group_name: str, new: Stream) -> None:
    owner = group(tx, space, group_name)
    if logrows.find_stream(tx, *space, owner.id, new.name) is not None:
        raise Fault("ResourceAlreadyExistsException", "The specified log stream already exists")
    logrows.put_stream(tx, *space, owner.id, new)


def delete_stream(tx: Tx, space: Space, group_name: str, name: str) -> tuple[Group, Stream]:
    """Its chunks are hidden at once; the caller has them swept."""
    owner = group(tx, space, group_name)
    old = stream(tx, space, owner.id, name)
    tx.delete(logrows.stream_key(*space, owner.id, name))
    tx.put(logrows.gone_key(*space, owner.id, old.id), b"")
    return owner, old


def streams(
    tx: ReadTx, space: Space, group_id: str, prefix: str, after_name: str | None, limit: int, *, reverse: bool = False
) -> list[Stream]:
    """Streams whose names begin with `prefix`, in order (or reversed), after a name."""
    start, end = _names("s", space, (group_id,), prefix, None if reverse else after_name)
    if reverse and after_name is not None:
        end = min(end, logrows.stream_key(*space, group_id, after_name))
    rows = tx.scan(start, end, limit=limit, reverse=reverse) if start < end else []
    return [msgspec.msgpack.decode(value, type=Stream) for _, value in rows]


def _names(kind: str, space: Space, parts: tuple[str, ...], prefix: str, after_name: str | None) -> tuple[bytes, bytes]:
    """The range of keys whose last part, a name, begins with `prefix` and comes after `after_name`."""
    open_prefix = pack("logs", *space, kind, *parts, prefix)[:-1]  # without the NUL that ends a string
    start, end = open_prefix, after(open_prefix)
    if after_name is not None:
        start = max(start, pack("logs", *space, kind, *parts, after_name) + b"\x00")
    return start, end


def sweep_group(tx: Tx, space: Space, group_id: str) -> bool:
    """Remove rows of a deleted group; says whether there may be more."""
    return any(tx.clear(*span("logs", *space, kind, group_id)) for kind in ("s", "d", "t", "x", "b", "f"))


def sweep_stream(tx: Tx, space: Space, group_id: str, stream_id: str) -> bool:
    """Remove chunks of a deleted stream; says whether there may be more."""
    rows = tx.scan(*span("logs", *space, "d", group_id, stream_id), limit=SWEEP_ROWS)
    for key, _ in rows:
        first_ms, number = unpack(key)[6:8]
        assert isinstance(first_ms, int) and isinstance(number, int)
        remove_chunk(tx, space, group_id, first_ms, stream_id, number)
    if not rows:
        tx.delete(logrows.gone_key(*space, group_id, stream_id))
    return bool(rows)


def expire(tx: Tx, space: Space, group_id: str, before_ms: int) -> tuple[bool, int | None]:
    """Remove chunks whose last event is older than `before_ms`. (may there be more, first time of what is left)"""
    start, end = span("logs", *space, "t", group_id)
    rows = tx.scan(start, end, limit=SWEEP_ROWS)
    removed = 0
    oldest: int | None = None
    for key, value in rows:
        first_ms, stream_id, number = unpack(key)[5:8]
        assert isinstance(first_ms, int) and isinstance(stream_id, str) and isinstance(number, int)
        if msgspec.msgpack.decode(value, type=logrows.Entry).last_ms < before_ms:
            remove_chunk(tx, space, group_id, first_ms, stream_id, number)
            removed += 1
        elif oldest is None:
            oldest = first_ms
            if first_ms >= before_ms:
                break
    return removed == SWEEP_ROWS, oldest


def remove_chunk(tx: Tx, space: Space, group_id: str, first_ms: int, stream_id: str, number: int) -> None:
    key = logrows.time_key(*space, group_id, first_ms, stream_id, number)
    value = tx.get(key)
    if value is not None:
        logrows.resize(tx, *space, group_id, -msgspec.msgpack.decode(value, type=logrows.Entry).size)
        tx.delete(key)
    tx.delete(logrows.data_key(*space, group_id, stream_id, first_ms, number))


def hidden(tx: ReadTx, space: Space, group_id: str) -> frozenset[str]:
    """Ids of deleted streams whose chunks are still there."""
    return frozenset(str(unpack(key)[5]) for key, _ in tx.scan(*span("logs", *space, "x", group_id)))
