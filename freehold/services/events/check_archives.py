"""Archives count and size what they keep; events of a deleted archive are being removed; replays go on."""

from __future__ import annotations

import msgspec

from freehold.kit.tuples import pack
from freehold.services.events import archives, replays
from freehold.services.events.archive_rows import Archive, Kept, Replay, Tally
from freehold.work.checking import Report, Snapshot, shown

KINDS = ("archive", "archives of", "kept", "tally", "replay")
_archive = msgspec.msgpack.Decoder(Archive).decode
_kept = msgspec.msgpack.Decoder(Kept).decode
_tally = msgspec.msgpack.Decoder(Tally).decode
_replay = msgspec.msgpack.Decoder(Replay).decode
Space = tuple[str, str]


def check(snapshot: Snapshot, report: Report, space: Space) -> None:
    """The archives and replays of one account and region."""
    report.notes.forget("archive")
    listed = 0
    for key, value in snapshot.below("events", *space, "archive"):
        archive = report.decode(shown(key), value, _archive)
        if archive is not None:
            listed += 1
            report.notes.put("archive", archive.uid.encode())
            _check_archive(snapshot, report, space, archive)
    report.same(
        f"archives of buses of {'/'.join(space)}",
        sum(1 for _ in snapshot.below("events", *space, "archives of")),
        listed,
    )
    for kind in ("kept", "tally"):
        for uid in snapshot.next_parts("events", *space, kind):
            gone = report.notes.get("archive", str(uid).encode()) is None
            if gone and (kind == "tally" or not snapshot.has_timer(archives.SWEEP, *space, uid)):
                report.broken(f"rows {kind} of {uid!r} belong to no archive, and nothing removes them")
    for key, value in snapshot.below("events", *space, "replay"):
        replay = report.decode(shown(key), value, _replay)
        if replay is not None and not snapshot.has_timer(replays.TIMER, *space, replay.name):
            report.broken(f"replay {replay.name} of {'/'.join(space)} is {replay.state}, but nothing goes on with it")


def _check_archive(snapshot: Snapshot, report: Report, space: Space, archive: Archive) -> None:
    what = f"archive {archive.name} of {'/'.join(space)}"
    if snapshot.get(pack("events", *space, "archives of", archive.bus, archive.name)) is None:
        report.broken(f"{what} is not among those of bus {archive.bus}: nothing reaches it")
    if archive.retention_days and not snapshot.has_timer(archives.RETAIN, *space, archive.name):
        report.broken(f"{what} keeps events for {archive.retention_days} days, but nothing removes them")
    events = size = 0
    for key, value in snapshot.below("events", *space, "kept", archive.uid):
        events += 1
        kept = report.decode(shown(key), value, _kept)
        size += len(kept.text) if kept is not None else 0
    raw = snapshot.get(pack("events", *space, "tally", archive.uid))
    tally = report.decode(f"the tally of {what}", raw, _tally) if raw is not None else Tally()
    if tally is not None:
        report.same(f"{what} counts events and bytes", (tally.events, tally.bytes), (events, size))
