"""`freehold check`: do the invariants of a data directory hold?"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from freehold.kit.tuples import pack
from freehold.node.assemble import manifests
from freehold.store.base import ReadTx
from freehold.store.sqlite import copies, schema
from freehold.work.checking import Check, Report, Snapshot, run
from freehold.work.checks import blobs, outbox, timers

OTHERS = ("node", "lease", "meter", "trace", "sealing", "outbox", "timer", "blob", "import", "logs-live", "logs-feed")
"""First elements of keys that are no service's, or that are forgotten at every start."""


def check_directory(directory: Path, say: Callable[[str], None] = print) -> int:
    """Check a directory that nobody serves; answers how many invariants are broken, each told in one line.

    Raises StoreError: a server has the directory, or it is none of Freehold's.
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
                check_rows(tx, report, directory / "blobs", written)
            return report.total
    finally:
        os.close(lock)


def check_rows(tx: ReadTx, report: Report, files: Path | None, written: float) -> None:
    """Run the checks of all services and of work on one snapshot of any engine."""
    check_services(tx, report)
    checks: list[tuple[str, Check]] = [("blobs", partial(blobs.check, directory=files, written=written))]
    checks.append(("store", partial(_owners, unchecked={m.model for m in manifests() if m.check is None})))
    run(Snapshot(tx), report, checks)


def check_services(tx: ReadTx, report: Report) -> None:
    """The checks of rows alone; the report's notes then hold the blobs that they name."""
    listed = manifests()
    checks: list[tuple[str, Check]] = [(m.model, m.check) for m in listed if m.check is not None]
    checks.append(("outbox", partial(outbox.check, kinds={kind for m in listed for kind in m.deliverers})))
    checks.append(("timers", partial(timers.check, owners={owner for m in listed for owner in m.timers})))
    run(Snapshot(tx), report, checks)


def _owners(snapshot: Snapshot, report: Report, unchecked: set[str]) -> None:
    """Whose rows there are: a row of nobody is broken, one of a service without a check is said to be unchecked."""
    known = {m.model for m in manifests()} | set(OTHERS)
    for owner in snapshot.next_parts():
        if owner in unchecked:
            report.note(f"rows of {owner} are there; that service has no check of its own yet")
        elif not any(str(owner) == name or str(owner).startswith(f"{name}-") for name in known):
            report.broken(f"there are rows of {owner!r}, which no service of this version owns ({pack(owner).hex()})")


def check_store(url: str, say: Callable[[str], None] = print) -> int:
    """Check the rows of a store in PostgreSQL as of one commit, whoever uses it meanwhile; answers how many invariants are
    broken. Where the rows name blobs, their claims are checked; the files are not looked at.

    Raises StoreError: there is none, or it cannot be read. ImportError: the driver is missing.
    """
    from freehold.store.postgres.looking import looking

    with looking(url) as tx:
        report = Report(say)
        check_rows(tx, report, None, 0.0)
        return report.total


def command(directory: Path, say: Callable[[str], None] = print, *, store: str = "") -> int:
    """Check a directory, or the store at a URL, and say how it came out; answers the exit code."""
    found = check_store(store, say) if store else check_directory(directory, say)
    what = "the store" if store else str(directory)
    say(f"{what}: all invariants hold" if not found else f"{what}: {found} broken")
    return 1 if found else 0
