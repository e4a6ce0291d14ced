"""Blobs: whatever rows name is there, whole and claimed; nothing else is claimed; files that nobody claimed are orphans.

Call it after the checks of all services: they say which blobs their rows name.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path

import msgspec

from freehold.kit.tuples import pack, unpack
from freehold.work.checking import Report, Snapshot

ORPHAN_S = 86_400.0
"""Seconds, before the last write to the store, from which on an orphan should have been swept."""
_decode_files = msgspec.msgpack.Decoder(list[str]).decode


Listing = Callable[[Callable[[str, int, float], None]], None]
"""Tells the name, the bytes and the time of writing (wall seconds) of everything that lies in a place."""


def check(
    rows: Snapshot, report: Report, directory: Path | None, written: float = 0.0, listing: Listing | None = None
) -> None:
    """`directory` holds the files, or `listing` tells what is where they are (neither: only rows are looked at);
    `written` is when the store was last written."""
    _released(rows, report)
    listed = listing or (partial(_walk, directory) if directory is not None else None)
    if listed is not None:

        def note(name: str, size: int, at: float) -> None:
            report.notes.put("stored", name.encode(), size)
            report.notes.put("stored at", name.encode(), int(at))

        listed(note)
    for noted, size in report.notes.all("blob"):
        _named(rows, report, listed is not None, noted.decode(), size)
    for key, _ in rows.below("blob", "claim"):
        name = str(unpack(key)[2])
        if report.notes.get("blob", name.encode()) is None and report.notes.get("gone", name.encode()) is None:
            report.broken(f"blob {name} is claimed, but no row names it: its file would stay for ever")
    if listed is not None:
        _orphans(rows, report, written)


def _released(rows: Snapshot, report: Report) -> None:
    for key, value in chain(rows.below("blob", "gone"), rows.below("blob", "kept")):
        for released in report.decode(f"release of blob {unpack(key)[-1]!r}", value, _decode_files) or ():
            report.notes.put("gone", released.encode())
            if report.notes.get("blob", released.encode()) is not None:
                report.broken(f"blob {released} is released, but a row still names it")


def _named(rows: Snapshot, report: Report, listed: bool, name: str, size: int) -> None:
    if rows.get(pack("blob", "claim", name)) is None:
        report.broken(f"blob {name} is named by a row but not claimed: a sweep would remove it")
    if not listed:
        return
    found = report.notes.get("stored", name.encode())
    if found is None:
        report.broken(f"blob {name} is named by a row, but its file is missing")
    elif found != size:
        report.broken(f"blob {name} has {found} bytes, but its row says {size}")


def _orphans(rows: Snapshot, report: Report, written: float) -> None:
    young = 0
    for noted, at in report.notes.all("stored at"):
        name = noted.decode()
        if rows.get(pack("blob", "claim", name)) is not None or report.notes.get("gone", noted) is not None:
            continue
        if at < written - ORPHAN_S:
            report.broken(f"blob file {name} was never claimed and is older than a day: sweeping does not work")
        else:
            young += 1
            if young <= 20:
                report.note(f"orphan {name}: nobody claimed it; the server removes it when it starts")
    if young > 20:
        report.note(f"{young} orphans in all")


def _walk(directory: Path, note: Callable[[str, int, float], None]) -> None:
    for first in sorted(directory.glob("[0-9a-f][0-9a-f]")):
        for second in sorted(first.glob("[0-9a-f]")):
            for entry in os.scandir(second):
                found = entry.stat()
                note(entry.name, found.st_size, found.st_mtime)
