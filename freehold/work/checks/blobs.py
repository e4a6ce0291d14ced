"""Blobs: whatever rows name is there, whole and claimed; nothing else is claimed; files that nobody claimed are orphans.

Call it after the checks of all services: they say which blobs their rows name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from freehold.kit.tuples import pack, unpack
from freehold.work.blobs.files import Files
from freehold.work.checking import Report, Snapshot

ORPHAN_S = 86_400.0
"""Seconds, before the last write to the store, from which on an orphan should have been swept."""
_decode_files = msgspec.msgpack.Decoder(list[str]).decode


def check(rows: Snapshot, report: Report, directory: Path | None, written: float = 0.0) -> None:
    """`directory` holds the files (None: they are kept elsewhere); `written` is when the store was last written."""
    _released(rows, report)
    files = Files(directory, durable=False) if directory is not None else None
    for noted, size in report.notes.all("blob"):
        _named(rows, report, files, noted.decode(), size)
    for key, _ in rows.below("blob", "claim"):
        name = str(unpack(key)[2])
        if report.notes.get("blob", name.encode()) is None and report.notes.get("gone", name.encode()) is None:
            report.broken(f"blob {name} is claimed, but no row names it: its file would stay for ever")
    if directory is not None:
        _orphans(rows, report, directory, written)
    if files is not None:
        files.shut()


def _released(rows: Snapshot, report: Report) -> None:
    for key, value in rows.below("blob", "gone"):
        for released in report.decode(f"release of blob {unpack(key)[2]!r}", value, _decode_files) or ():
            report.notes.put("gone", released.encode())
            if report.notes.get("blob", released.encode()) is not None:
                report.broken(f"blob {released} is released, but a row still names it")


def _named(rows: Snapshot, report: Report, files: Files | None, name: str, size: int) -> None:
    if rows.get(pack("blob", "claim", name)) is None:
        report.broken(f"blob {name} is named by a row but not claimed: a sweep would remove it")
    if files is None:
        return
    try:
        found = files.path(name).stat().st_size
    except FileNotFoundError:
        report.broken(f"blob {name} is named by a row, but its file is missing")
        return
    if found != size:
        report.broken(f"blob {name} has {found} bytes, but its row says {size}")


def _orphans(rows: Snapshot, report: Report, directory: Path, written: float) -> None:
    young = 0
    for entry in _walk(directory):
        if rows.get(pack("blob", "claim", entry.name)) is not None:
            continue
        if report.notes.get("gone", entry.name.encode()) is not None:
            continue
        if entry.stat().st_mtime < written - ORPHAN_S:
            report.broken(f"blob file {entry.name} was never claimed and is older than a day: sweeping does not work")
        else:
            young += 1
            if young <= 20:
                report.note(f"orphan {entry.name}: nobody claimed it; the server removes it when it starts")
    if young > 20:
        report.note(f"{young} orphans in all")


def _walk(directory: Path) -> Iterator[os.DirEntry[str]]:
    for first in sorted(directory.glob("[0-9a-f][0-9a-f]")):
        for second in sorted(first.glob("[0-9a-f]")):
            yield from os.scandir(second)
