"""Checking: what every check of a data directory works with.

A check is `check(rows: Snapshot, report: Report) -> None`. It reads one snapshot in pages, says each broken invariant in
one line, and tells the report which rows name blobs. What it must remember beyond a page goes into the report's notebook,
which lies on disk: memory does not grow with the store.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import msgspec

from freehold.kit.tuples import Part, after, pack, unpack
from freehold.store.base import ReadTx
from freehold.work.advance import SERVICE_TIME
from freehold.work.blobs import Blob

T = TypeVar("T")
Row = tuple[bytes, bytes]

MOST_LINES = 200
"""Lines printed for one part of the store; the rest are counted."""
_BATCH = 500


class Snapshot:
    """The rows of a store, all of one commit."""

    def __init__(self, tx: ReadTx) -> None:
        self.tx = tx
        self.get = tx.get
        recorded = tx.get(SERVICE_TIME)
        self.now_ms = int.from_bytes(recorded, "big") if recorded else 0
        """The latest service time on record."""

    def rows(self, start: bytes, end: bytes) -> Iterator[Row]:
        """All rows of a range, read page by page."""
        while page := self.tx.scan(start, end):
            yield from page
            start = page[-1][0] + b"\x00"

    def below(self, *parts: Part) -> Iterator[Row]:
        """All rows below a tuple."""
        return self.under(pack(*parts))

    def under(self, prefix: bytes) -> Iterator[Row]:
        """All rows whose keys begin with `prefix`."""
        return self.rows(prefix, after(prefix))

    def next_parts(self, *parts: Part, raw: bool = False) -> Iterator[Part]:
        """The different elements that follow a tuple, without reading what is below them.

        `raw`: bytes follow the element which are no packed tuple, and the element holds no NUL. Bytes that begin with 0xff
        would otherwise be taken for the rest of it.
        """
        prefix = pack(*parts)
        start, end = prefix, after(prefix) if prefix else b"\xff"
        while page := self.tx.scan(start, end, limit=1):
            part = _first(page[0][0][len(prefix) :], raw)
            yield part
            start = after(prefix + pack(part))

    def spaces(self, service: str) -> Iterator[tuple[str, str]]:
        """The accounts and regions that rows of `(service, account, region, ...)` are of. Accounts are digits."""
        for account in self.next_parts(service):
            if isinstance(account, str) and account.isdigit():
                for region in self.next_parts(service, account):
                    if isinstance(region, str):
                        yield account, region

    def has_timer(self, owner: str, *key: Part) -> bool:
        """Is there a timer of (owner, packed key)?"""
        return self.get(pack("timer", "by", owner, pack(*key))) is not None


def _first(rest: bytes, raw: bool) -> Part:
    """The first element of what follows a prefix."""
    if not rest or rest[0] not in (1, 2):
        size = abs(rest[0] - 0x14) if rest and rest[0] else 0
        return unpack(rest[: 1 + size])[0] if rest else None
    at = 1
    while True:
        at = rest.index(0, at)
        if raw or rest[at + 1 : at + 2] != b"\xff":
            return unpack(rest[: at + 1])[0]
        at += 2


class Notebook:
    """Notes by kind and key, on disk: numbers that can be added to."""

    def __init__(self) -> None:
        import sqlite3  # not at every start of a server

        # A database without a name is SQLite's own temporary file: it takes to disk what its cache does not hold.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode=OFF")
        self._database.execute("CREATE TABLE note (kind TEXT, k BLOB, n INT, PRIMARY KEY (kind, k)) WITHOUT ROWID")

    def put(self, kind: str, key: bytes, number: int = 0) -> bool:
        """Note a key; False where it was noted before (and stays as it was)."""
        done = self._database.execute("INSERT OR IGNORE INTO note VALUES (?,?,?)", (kind, key, number))
        return done.rowcount > 0

    def add(self, kind: str, key: bytes, by: int = 1) -> None:
        """Count."""
        self._database.execute(
            "INSERT INTO note VALUES (?,?,?) ON CONFLICT DO UPDATE SET n=n+excluded.n", (kind, key, by)
        )

    def get(self, kind: str, key: bytes) -> int | None:
        found = self._database.execute("SELECT n FROM note WHERE kind=? AND k=?", (kind, key)).fetchone()
        return None if found is None else int(found[0])

    def all(self, kind: str) -> Iterator[tuple[bytes, int]]:
        """Notes of a kind in the order of their keys."""
        start = b""
        query = "SELECT k, n FROM note WHERE kind=? AND k>? ORDER BY k LIMIT ?"
        while page := self._database.execute(query, (kind, start, _BATCH)).fetchall():
            yield from page
            start = page[-1][0]

    def forget(self, kind: str) -> None:
        self._database.execute("DELETE FROM note WHERE kind=?", (kind,))

    def keep_only(self, kind: str) -> None:
        self._database.execute("DELETE FROM note WHERE kind<>?", (kind,))

    def close(self) -> None:
        self._database.close()


class Report:
    """Takes what checks find. `say` prints a line."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.part = ""
        """What is being checked: begins every line."""
        self.found: dict[str, int] = {}
        """Broken invariants by part."""
        self.notes = Notebook()

    @property
    def total(self) -> int:
        """Broken invariants in all."""
        return sum(self.found.values())

    def broken(self, what: str) -> None:
        """An invariant does not hold: one line."""
        count = self.found[self.part] = self.found.get(self.part, 0) + 1
        if count <= MOST_LINES:
            self._say(f"broken: {self.part}: {what}")
        elif count == MOST_LINES + 1:
            self._say(f"broken: {self.part}: more than {MOST_LINES}; the rest is only counted")

    def note(self, what: str) -> None:
        """Something worth knowing that breaks nothing."""
        self._say(f"note: {self.part}: {what}")

    def decode(self, what: str, raw: bytes, decoder: Callable[[bytes], T]) -> T | None:
        """The value of a row; a row that does not decode by its owner's layout is broken."""
        try:
            return decoder(raw)
        except UNREADABLE as problem:
            self.broken(f"{what} cannot be read: {problem}")
            return None

    def same(self, what: str, found: object, expected: object) -> None:
        """Two numbers that have to agree."""
        if found != expected:
            self.broken(f"{what}: {found}, but there are {expected}")

    def names(self, what: str, blob: Blob | None) -> None:
        """A row names a blob: its files are to be there, whole, claimed, and named by nothing else."""
        for leaf in (blob.parts or (blob,)) if blob is not None else ():
            if leaf.inline is not None:
                if len(leaf.inline) != leaf.size:
                    self.broken(f"{what} holds {len(leaf.inline)} bytes inline, but says {leaf.size}")
            elif not self.notes.put("blob", leaf.id.encode(), leaf.size):
                self.broken(f"{what} names blob {leaf.id}, which another row names too")


UNREADABLE = (msgspec.MsgspecError, ValueError, LookupError, TypeError, ArithmeticError, zlib.error)
"""What reading a row of another layout than its owner's raises."""

Check = Callable[[Snapshot, Report], None]
"""Reads the rows of one owner and reports what does not hold."""


def shown(key: bytes, most: int = 120) -> str:
    """A key for people."""
    try:
        text = "/".join(str(part) for part in unpack(key))
    except (ValueError, IndexError, UnicodeDecodeError):
        text = key.hex()
    return text if len(text) <= most else text[:most] + "..."


def run(snapshot: Snapshot, report: Report, checks: Iterable[tuple[str, Check]]) -> None:
    """Run checks by name, one after the other. A row that a check only looks up and cannot read ends that check alone."""
    for name, check in checks:
        report.part = name
        try:
            check(snapshot, report)
        except UNREADABLE as problem:
            report.broken(f"the rest could not be checked, since a row cannot be read: {problem}")
        report.notes.keep_only("blob")  # the rest was one check's own
