"""Growth: what a server holds after its warm-up must not grow with the requests it has answered, beyond what they store."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

import psutil

MEMORY_MB = 150.0
"""Resident memory beyond that after warming up: caches that fill, and the allocator's slack."""
FILES = 200
"""Open descriptors beyond those after warming up: an instance of a function has six, and dozens of versions are invoked."""
ROWS_PER_SUCCESS = 40.0
"""Rows of the store for each request that succeeded, on average; and for none, ROWS."""
ROWS = 3_000


@dataclass(frozen=True, slots=True)
class Held:
    """What a server holds at one moment."""

    memory_mb: float
    files: int
    rows: int

    def __str__(self) -> str:
        return f"{self.memory_mb:.0f} MB, {self.files} files, {self.rows} rows"


def held(process: psutil.Process, data: Path) -> Held:
    """Measure it."""
    return Held(process.memory_info().rss / 1e6, process.num_fds(), rows(data))


def rows(data: Path) -> int:
    """Rows in the store of a data directory, 0 where there is none yet."""
    found = sorted(data.glob("*.db")) + sorted(data.glob("*.sqlite*"))
    for path in found:
        if path.name.endswith(("-wal", "-shm")):
            continue
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return sum(database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables)
    return 0


def judge(before: Held, after: Held, successes: int) -> list[str]:
    """What grew more than it may."""
    found = []
    if after.memory_mb - before.memory_mb > MEMORY_MB:
        found.append(f"memory grew from {before} to {after}")
    if after.files - before.files > FILES:
        found.append(f"open files grew from {before} to {after}")
    if after.rows > ROWS + ROWS_PER_SUCCESS * successes:
        found.append(f"{after.rows} rows after {successes} successful requests")
    return found
