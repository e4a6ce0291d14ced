"""The invariants of CloudWatch Logs: chunks and their entries by time agree, totals are what they hold."""

from __future__ import annotations

import msgspec

from freehold.kit.tuples import unpack
from freehold.services.logs.model import Space
from freehold.services.logs.sweeping import GROUP, OWNER, RETENTION, STREAM
from freehold.work import logrows
from freehold.work.checking import Report, Snapshot, shown
from freehold.work.logrows import EVENT_OVERHEAD, Chunk, Entry, Group, Stream

_group = msgspec.msgpack.Decoder(Group).decode
_stream = msgspec.msgpack.Decoder(Stream).decode
_entry = msgspec.msgpack.Decoder(Entry).decode
_chunk = msgspec.msgpack.Decoder(Chunk).decode

_KINDS = ("g", "s", "d", "t", "b", "x", "rp", "f")


def check(snapshot: Snapshot, report: Report) -> None:
    """Groups one after the other, then what belongs to none."""
    for account, region in snapshot.spaces("logs"):
        space = Space(account, region)
        for key, value in snapshot.below("logs", *space, "g"):
            group = report.decode(shown(key), value, _group)
            if group is not None:
                report.notes.put("group", group.id.encode())
                _check_group(snapshot, report, space, group)
        for kind in snapshot.next_parts("logs", *space):
            if kind not in _KINDS:
                report.broken(f"{account}/{region} has rows of unknown kind {kind!r}")
            elif kind in ("s", "d", "t", "x", "b", "f"):
                _unnamed(snapshot, report, space, str(kind))


def _check_group(snapshot: Snapshot, report: Report, space: Space, group: Group) -> None:
    if group.retention_days is not None and not snapshot.has_timer(OWNER, RETENTION, *space, group.id, group.name):
        report.broken(f"group {group.name} keeps events for {group.retention_days} days, but nothing removes them")
    report.notes.forget("stream")
    for key, value in snapshot.below("logs", *space, "s", group.id):
        stream = report.decode(shown(key), value, _stream)
        if stream is not None:
            report.notes.put("stream", stream.id.encode(), stream.chunks)
    for key, _ in snapshot.below("logs", *space, "x", group.id):
        stream_id = str(unpack(key)[5])
        report.notes.put("stream", stream_id.encode(), 1 << 62)
        if not snapshot.has_timer(OWNER, STREAM, *space, group.id, stream_id):
            report.broken(f"a deleted stream of group {group.name} keeps its events, and nothing removes them")
    entries = size = 0
    for key, value in snapshot.below("logs", *space, "t", group.id):
        entries += 1
        entry = report.decode(shown(key), value, _entry)
        if entry is not None:
            size += entry.size
            _check_chunk(snapshot, report, space, group, key, entry)
    report.same(
        f"group {group.name} has chunks", sum(1 for _ in snapshot.below("logs", *space, "d", group.id)), entries
    )
    report.same(f"group {group.name} counts bytes", logrows.totals(snapshot.tx, *space, group.id).size, size)


def _check_chunk(snapshot: Snapshot, report: Report, space: Space, group: Group, key: bytes, entry: Entry) -> None:
    """The chunk that an entry of the order by time stands for."""
    first_ms, stream_id, number = unpack(key)[5:8]
    assert isinstance(first_ms, int) and isinstance(stream_id, str) and isinstance(number, int)
    chunks = report.notes.get("stream", stream_id.encode())
    if chunks is None:
        report.broken(f"{shown(key)}: the stream of these events is not there")
    elif number >= chunks:
        report.broken(f"{shown(key)} is beyond the {chunks} chunks that its stream counts")
    raw = snapshot.get(logrows.data_key(*space, group.id, stream_id, first_ms, number))
    if raw is None:
        report.broken(f"{shown(key)}: the events are missing")
        return
    chunk = report.decode(f"the events of {shown(key)}", raw, _chunk)
    if chunk is None:
        return
    times = [at for at, _ in chunk.events]
    size = sum(len(message.encode("utf-8", "surrogatepass")) + EVENT_OVERHEAD for _, message in chunk.events)
    if not times or (times[0], times[-1], size) != (first_ms, entry.last_ms, entry.size) or times != sorted(times):
        report.broken(f"{shown(key)} does not describe the events that it stands for")


def _unnamed(snapshot: Snapshot, report: Report, space: Space, kind: str) -> None:
    """Rows of deleted groups are there only as long as a timer is to remove them."""
    for group_id in snapshot.next_parts("logs", *space, kind):
        if report.notes.get("group", str(group_id).encode()) is None and not _swept(snapshot, space, str(group_id)):
            report.broken(f"rows {kind} of group id {group_id!r} belong to no group, and nothing removes them")


def _swept(snapshot: Snapshot, space: Space, group_id: str) -> bool:
    return snapshot.has_timer(OWNER, GROUP, *space, group_id, "")
