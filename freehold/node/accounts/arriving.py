"""Import: records onto a shelf, checked there, then into the store, all of them or none.

First the file is read to its end: what is not whole, not one account's, or breaks an invariant never comes near the store.
Then rows are written page by page, each page with a row that names its keys, so that what a crash leaves half done is
taken away again. What makes something happen by being there (timers, effects, events that wait) lies aside until all else
is there. One transaction decides; what lies aside is then put into its place, now or at the next start.

    ("import", account)                   how far it came: LOADING or DECIDED
    ("import", account, "keys", n)        keys that a page wrote
    ("import", account, "aside", n, "k")  the key of a row that lies aside; "v" its value, "s" where it is shared
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from freehold.kit.ids import Ids
from freehold.kit.tuples import pack, span, unpack
from freehold.node import checks
from freehold.node.accounts.owned import Owned, sharing
from freehold.node.accounts.records import Reader, Unreadable
from freehold.node.accounts.shelf import Shelf
from freehold.ports.accounts import AccountError
from freehold.store.base import Store, StoreError, Tx, Views
from freehold.work.advance import SERVICE_TIME
from freehold.work.blobs import Blob, Blobs
from freehold.work.checking import Notebook, Report, Row, shown

LOADING, DECIDED = b"loading", b"decided"
AHEAD_MS = 60_000
"""By how much the file's service time may be ahead: clocks of two machines differ."""
_ROWS = 400
_BYTES = 4 << 20
_PIECE = 512 << 10
MOST_LINES = 5


async def arrive(
    store: Store,
    blobs: Blobs,
    stream: AsyncIterator[bytes],
    scratch: Path,
    *,
    now_ms: int,
    account: str | None = None,
    arriving: set[str] | None = None,
) -> dict[str, Any]:
    """Bring in the account of a file. `now_ms` is the service time here; `account` has to be the file's where it is given.
    In `arriving` the account stands while its rows are written: it must not be used meanwhile.

    Answers what came. Raises AccountError, and leaves nothing then.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="import-", dir=scratch))
    shelf = Shelf(directory)
    try:
        return await _Arrival(store, blobs, shelf, directory / "blobs", set() if arriving is None else arriving).run(
            stream, now_ms, account
        )
    except Unreadable as problem:
        raise AccountError(f"The file cannot be imported. {problem}") from problem
    except (OSError, StoreError) as problem:
        raise AccountError(f"The import failed and was taken back: {problem}.") from problem
    finally:
        shelf.close()
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)


class _Arrival:
    """One import."""

    def __init__(self, store: Store, blobs: Blobs, shelf: Shelf, files: Path, arriving: set[str]) -> None:
        self._store, self._blobs, self._shelf, self._files, self._arriving = store, blobs, shelf, files, arriving
        self._shared: set[bytes] = set()
        self._ids = Ids()
        self._fresh: dict[str, str] = {}
        self._sizes: dict[str, int] = {}
        self._adopted: list[Blob] = []
        self.account = ""

    async def run(self, stream: AsyncIterator[bytes], now_ms: int, account: str | None) -> dict[str, Any]:
        reader = Reader(stream)
        head = await reader.open()
        self.account = str(head.get("account"))
        if account not in (None, self.account):
            raise AccountError(
                f"The file is of account {self.account}. It cannot become account {account}: its number is part of ARNs "
                "in policies, settings, messages and code, which nobody but their owner can tell apart from data."
            )
        if int(head.get("now_ms", 0)) > now_ms + AHEAD_MS:
            raise AccountError(
                f"The service time of the file ({head.get('service_time')}) is ahead of the time here: what it holds would "
                "lie in the future. Advance the clock here, if it is manual, or wait."
            )
        await self._receive(reader)
        await asyncio.to_thread(self._verify, int(head.get("now_ms", 0)))
        self._rename()
        if self.account in self._arriving:
            raise AccountError(f"Account {self.account} is being imported already.")
        self._arriving.add(self.account)
        try:
            await self._compare()
            await self._load()
        finally:
            self._arriving.discard(self.account)
        return {"account": self.account, "rows": len(self._shelf) - len(self._sizes) - 1, "blobs": len(self._sizes)}

    # From the file

    async def _receive(self, reader: Reader) -> None:
        """Everything onto the shelf, bytes of blobs into files. Raises Unreadable."""
        rows: list[Row] = []
        size = 0
        blob = _File(self._files)
        async for kind, *content in reader.records():
            if kind == "blob":
                await asyncio.to_thread(blob.begin, *content)
                self._sizes[content[0]] = content[1]
                rows.append((pack("blob", "claim", content[0]), b""))
            elif kind == "piece":
                await asyncio.to_thread(blob.write, content[0])
            else:
                rows.append((content[0], content[1]))
                size += len(content[0]) + len(content[1])
                if kind == "shared":
                    self._shared.add(content[0])
            if size >= _BYTES or len(rows) >= _ROWS:
                await asyncio.to_thread(self._shelf.put, rows)
                rows, size = [], 0
        await asyncio.to_thread(blob.end)
        self._shelf.put(rows)

    def _verify(self, now_ms: int) -> None:
        """One account's rows, and its invariants hold. Raises AccountError."""
        self._shelf.put([(SERVICE_TIME, now_ms.to_bytes(8, "big"))])
        with contextlib.closing(Notebook()) as seen:
            owned = Owned(self._shelf.tx, self.account)
            for key, _ in owned.rows():
                seen.put("row", key)
            for one in owned.shared():
                if one.key in self._shared:
                    seen.put("row", one.key)
            for key, _ in self._shelf.in_order():
                if seen.get("row", key) is None and key != SERVICE_TIME and not key.startswith(pack("blob", "claim")):
                    raise AccountError(
                        f"The file cannot be imported: {shown(key)} is not a row of account {self.account}."
                    )
        lines: list[str] = []
        report = Report(lambda line: lines.append(line) if line.startswith("broken") else None)
        with contextlib.closing(report.notes):
            self._files.mkdir(exist_ok=True)
            checks.check_rows(self._shelf.tx, report, self._files, 0.0)
        if report.total:
            told = "; ".join(lines[:MOST_LINES])
            raise AccountError(f"The file cannot be imported, {report.total} invariants do not hold: {told}")

    def _rename(self) -> None:
        """Blobs of shared rows get fresh names: another account of the same origin may have brought them before."""
        for key in self._shared:
            value = self._shelf.tx.get(key)
            assert value is not None
            blob = sharing().blob(value)
            if blob.inline is None:
                fresh = msgspec.structs.replace(blob, id=self._ids.hex(24))
                self._fresh[blob.id] = fresh.id
                self._shelf.put([(key, sharing().with_blob(value, fresh))])

    # Into the store

    async def _compare(self) -> None:
        """Is there room for it? Raises AccountError."""
        if not isinstance(self._store, Views):
            raise AccountError("This store cannot be looked at while it is used.")
        await recover(self._store, self._blobs, self.account)
        view = self._store.view()

        def look() -> None:
            with view as tx:
                has = Owned(tx, self.account).what()
                if has is not None:
                    raise AccountError(
                        f"Account {self.account} is not empty here: it has {has}. "
                        "An account is imported where it has nothing."
                    )
                for page in _pages(self._elsewhere()):
                    for (key, _), there in zip(page, tx.get_many([key for key, _ in page]), strict=True):
                        if there is not None:
                            raise AccountError(f"{_named(key)} is there already, and belongs to another account.")

        await asyncio.to_thread(look)

    def _elsewhere(self) -> Iterator[Row]:
        """Rows that somebody else may have."""
        owned = Owned(self._shelf.tx, self.account)
        for key, value in self._rows():
            if key not in self._shared and not owned.is_named(key) and not _observed(key):
                yield key, value

    def _rows(self) -> Iterator[Row]:
        """What is to be written, blobs under the names that they have here."""
        claims = {pack("blob", "claim", name): pack("blob", "claim", fresh) for name, fresh in self._fresh.items()}
        for key, value in self._shelf.in_order():
            if key != SERVICE_TIME:
                yield claims.get(key, key), value

    async def _load(self) -> None:
        await self._store.transact(self._begin)
        try:
            await self._write()
        except BaseException:
            await asyncio.shield(self._undo())
            raise
        await self._store.transact(self._decide)
        await recover(self._store, self._blobs, self.account)

    async def _undo(self) -> None:
        await recover(self._store, self._blobs, self.account)
        for blob in self._adopted:
            await self._blobs.discard(blob)

    def _begin(self, tx: Tx) -> None:
        if tx.get(pack("import", self.account)) is not None:
            raise AccountError(f"Account {self.account} is being imported already.")
        tx.put(pack("import", self.account), LOADING)

    def _decide(self, tx: Tx) -> None:
        tx.put(pack("import", self.account), DECIDED)

    async def _write(self) -> None:
        """Blobs, rows, and what lies aside."""
        for name, size in self._sizes.items():
            here = self._fresh.get(name, name)
            await self._blobs.adopt(here, _content(self._files / name[:2] / name[2:3] / name))
            self._adopted.append(Blob(here, size))
        owned = Owned(self._shelf.tx, self.account)
        aside = 0
        rows = _pages(self._rows())
        for number in range(1 << 62):
            page = await asyncio.to_thread(next, rows, None)
            if page is None:
                return
            begins = [row for row in page if row[0] in self._shared or owned.begins(row[0])]
            held = {key for key, _ in begins}
            plain = [row for row in page if row[0] not in held]
            await self._store.transact(self._page(number, plain, begins, aside))
            aside += len(begins)

    def _page(self, number: int, plain: list[Row], begins: list[Row], aside: int) -> Callable[[Tx], None]:
        def body(tx: Tx) -> None:
            if tx.get(pack("import", self.account)) != LOADING:
                raise AccountError("The import was taken back by another one.")
            keys = [key for key, _ in plain]
            tx.put(pack("import", self.account, "keys", number), msgspec.msgpack.encode(keys))
            for key, value in plain:
                tx.put(key, value)
            for place, (key, value) in enumerate(begins, aside):
                tx.put(pack("import", self.account, "aside", place, "k"), key)
                tx.put(pack("import", self.account, "aside", place, "v"), value)
                if key in self._shared:
                    tx.put(pack("import", self.account, "aside", place, "s"), b"")

        return body


async def recover(store: Store, blobs: Blobs, account: str) -> None:
    """Finish an import that was decided, take back one that was not. Does nothing where there was none."""
    marker = pack("import", account)
    state = await store.read(lambda tx: tx.get(marker))
    if state == DECIDED:
        while await store.transact(lambda tx: _settle(tx, blobs, account)):
            pass
    elif state == LOADING:
        while await store.transact(lambda tx: _take_back(tx, account)):
            pass
        start, end = span("import", account, "aside")
        while await store.transact(lambda tx: tx.clear(start, end)):
            pass
    start, end = span("import", account, "keys")
    while await store.transact(lambda tx: tx.clear(start, end)):
        pass
    if state is not None:
        await store.transact(lambda tx: tx.delete(marker))


async def recover_all(store: Store, blobs: Blobs) -> None:
    """At start, where nobody else uses the store: nothing is left half done."""
    start, end = span("import")
    while rows := await store.read(lambda tx: tx.scan(start, end, limit=1)):
        await recover(store, blobs, str(unpack(rows[0][0])[1]))


def _take_back(tx: Tx, account: str) -> bool:
    """Remove what one page wrote; says whether there was one."""
    page = tx.scan(*span("import", account, "keys"), limit=1)
    for key, written in page:
        for row in msgspec.msgpack.decode(written, type=list[bytes]):
            tx.delete(row)
        tx.delete(key)
    return bool(page)


def _settle(tx: Tx, blobs: Blobs, account: str) -> bool:
    """Put rows that lay aside into their places; says whether there were any."""
    rows = tx.scan(*span("import", account, "aside"), limit=3 * 100, max_bytes=1 << 20)
    for at in sorted({unpack(key)[3] for key, _ in rows}, key=lambda part: part if isinstance(part, int) else 0):
        kept = [pack("import", account, "aside", at, part) for part in ("k", "v", "s")]
        key, value, shared = tx.get_many(kept)
        assert key is not None and value is not None
        there = tx.get(key) if shared is not None else None
        if there is not None:
            value, spare = sharing().merge(there, value)
            blobs.release(tx, spare)
        tx.put(key, value)
        for row in kept:
            tx.delete(row)
    return bool(rows)


class _File:
    """The bytes of one blob after the other, as files that checks find."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: Any = None
        self._left = 0

    def begin(self, name: str, size: int) -> None:
        """Raises Unreadable: a name is what Freehold makes, and nothing that leads elsewhere."""
        self.end()
        if len(name) != 24 or not set(name) <= set("0123456789abcdef"):
            raise Unreadable("It names a blob as Freehold does not.")
        path = self._directory / name[:2] / name[2:3] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file, self._left = path.open("xb"), size

    def write(self, piece: bytes) -> None:
        if self._file is None or len(piece) > self._left:
            raise Unreadable("A blob is longer than it says.")
        self._file.write(piece)
        self._left -= len(piece)

    def end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            if self._left:
                raise Unreadable("A blob is shorter than it says.")


async def _content(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece


def _pages(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Pages that fit into a transaction, whatever else it writes of them."""
    page: list[Row] = []
    size = 0
    for row in rows:
        page.append(row)
        size += 2 * len(row[0]) + len(row[1])
        if len(page) >= _ROWS or size >= _BYTES:
            yield page
            page, size = [], 0
    if page:
        yield page


def _observed(key: bytes) -> bool:
    """Metrics and traces: calls that were refused have some, too."""
    return key.startswith((pack("meter"), pack("trace")))


def _named(key: bytes) -> str:
    """What a row is of, for people."""
    if key.startswith(pack("s3", "b")):
        return f"The bucket {unpack(key)[2]!s}"
    return f"The row {shown(key)}"
