"""`freehold check`: do the invariants of a data directory hold?"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from freehold import __version__
from freehold.kit.tuples import pack
from freehold.node.assemble import manifests
from freehold.node.places import list_place
from freehold.store.base import ReadTx
from freehold.store.sqlite import copies, schema
from freehold.work import format
from freehold.work.blobs import ownership
from freehold.work.checking import Check, Report, Snapshot, run
from freehold.work.checks import blobs, outbox, timers

OTHERS = ("node", "lease", "meter", "trace", "sealing", "outbox", "timer", "blob", "import", "logs-live", "logs-feed")
"""First elements of keys that are no service's, or that are forgotten at every start."""


def check_directory(directory: Path, say: Callable[[str], None] = print, *, place: str = "") -> int:
    """Check a directory that nobody serves; answers how many invariants are broken, each told in one line. `place` is
    the setting `blobs`.

    Raises StoreError: a server has the directory, it is none of Freehold's, or a newer one's. ConfigError, BlobError: the
    place of the blobs cannot be looked at.
    """
    if not (directory / copies.FILE).exists():
        with copies.looking(directory):
            pass  # raises
    lock = schema.lock(directory)
    try:
        written = max(path.stat().st_mtime for path in directory.glob("store.db*"))
        with copies.looking(directory) as (connection, tx):
            report = Report(say)
            report.part = "store"
            for line in copies.integrity(connection):
                report.broken(line)
            if not report.total:
                format.check(tx, __version__)
                files = None if place or ownership.is_elsewhere(tx, directory / "blobs") else directory / "blobs"
                if not place and files is None:
                    report.note("the bytes of blobs lie elsewhere and are not looked at: name the place with --blobs")
                check_rows(tx, report, files, written, place)
            return report.total
    finally:
        os.close(lock)


def check_rows(tx: ReadTx, report: Report, files: Path | None, written: float, place: str = "") -> None:
    """Run the checks of all services and of work on one snapshot of any engine. Blobs are `files`, or lie in `place`."""
    check_services(tx, report)
    listing = partial(_list, place) if place else None
    checks: list[tuple[str, Check]] = [
        ("blobs", partial(blobs.check, directory=files, written=written, listing=listing))
    ]
    checks.append(("store", partial(_owners, unchecked={m.model for m in manifests() if m.check is None})))
    run(Snapshot(tx), report, checks)


def check_services(tx: ReadTx, report: Report) -> None:
    """The checks of rows alone; the report's notes then hold the blobs that they name."""
    listed = manifests()
    checks: list[tuple[str, Check]] = [(m.model, m.check) for m in listed if m.check is not None]
    checks.append(("outbox", partial(outbox.check, kinds={kind for m in listed for kind in m.deliverers})))
    checks.append(("timers", partial(timers.check, owners={owner for m in listed for owner in m.timers})))
    run(Snapshot(tx), report, checks)


def _list(place: str, note: Callable[[str, int, float], None]) -> None:
    asyncio.run(list_place(place, note))


def _owners(snapshot: Snapshot, report: Report, unchecked: set[str]) -> None:
    """Whose rows there are: a row of nobody is broken, one of a service without a check is said to be unchecked."""
    known = {m.model for m in manifests()} | set(OTHERS)
    for owner in snapshot.next_parts():
        if owner in unchecked:
            report.note(f"rows of {owner} are there; that service has no check of its own yet")
        elif not any(str(owner) == name or str(owner).startswith(f"{name}-") for name in known):
            report.broken(f"there are rows of {owner!r}, which no service of this version owns ({pack(owner).hex()})")


def check_store(url: str, say: Callable[[str], None] = print, *, place: str = "") -> int:
    """Check the rows of a store in PostgreSQL as of one commit, whoever uses it meanwhile; answers how many invariants are
    broken. Where the rows name blobs, their claims are checked; what lies in `place` is looked at where it is given, which
    asks for nodes that are stopped: else what is written or released meanwhile may seem to be missing.

    Raises StoreError: there is none, or it cannot be read. ImportError: the driver is missing. ConfigError, BlobError:
    the place of the blobs cannot be looked at.
    """
    from freehold.store.postgres.looking import looking

    with looking(url) as tx:
        format.check(tx, __version__)
        report = Report(say)
        check_rows(tx, report, None, 0.0, place)
        return report.total


def command(directory: Path, say: Callable[[str], None] = print, *, store: str = "", place: str = "") -> int:
    """Check a directory, or the store at a URL, and say how it came out; answers the exit code."""
    found = check_store(store, say, place=place) if store else check_directory(directory, say, place=place)
    what = "the store" if store else str(directory)
    say(f"{what}: all invariants hold" if not found else f"{what}: {found} broken")
    return 1 if found else 0
