"""Export: the rows of one commit onto a shelf, checked there, then as records with the bytes of their blobs."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from freehold import __version__
from freehold.kit.clock import iso8601
from freehold.kit.tuples import pack
from freehold.node import checks
from freehold.node.accounts.owned import Owned
from freehold.node.accounts.records import Writer
from freehold.node.accounts.shelf import Shelf
from freehold.ports.accounts import AccountError
from freehold.store.base import ReadTx, Store, Views
from freehold.work import format
from freehold.work.advance import SERVICE_TIME
from freehold.work.blobs import Blob, Blobs
from freehold.work.checking import Notebook, Report, Row

_PAGE = 200
_PAGE_BYTES = 1 << 20
MOST_LINES = 5
"""Broken invariants that are told."""


async def leave(store: Store, blobs: Blobs, account: str, scratch: Path) -> AsyncIterator[bytes]:
    """The file of one account, as of one commit, piece by piece. What is needed meanwhile lies in `scratch`.

    Raises AccountError before the first piece.
    """
    if not isinstance(store, Views):
        raise AccountError("This store cannot be looked at while it is used.")
    scratch.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="export-", dir=scratch))
    try:
        async with blobs.held():
            view = store.view()
            cargo = await asyncio.to_thread(_gather, view, account, directory)
            with contextlib.closing(cargo.shelf), contextlib.closing(cargo.notes):
                async for piece in _written(cargo, blobs):
                    yield piece
    finally:
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)


class _Cargo(NamedTuple):
    """What goes into the file: rows, which of them are shared, and notes of the blobs that they name."""

    shelf: Shelf
    notes: Notebook
    shared: frozenset[bytes]
    head: dict[str, Any]


def _gather(view: AbstractContextManager[ReadTx], account: str, directory: Path) -> _Cargo:
    """Everything of an account, checked. Raises AccountError."""
    shelf = Shelf(directory)
    try:
        with view as tx:
            owned = Owned(tx, account)
            now_ms = owned.snapshot.now_ms
            shelf.put([(SERVICE_TIME, tx.get(SERVICE_TIME) or bytes(8))])
            shelf.put(owned.rows())
            shared = [(one.key, one.value) for one in owned.shared()]
            shelf.put(shared)
            if len(shelf) == 1:
                raise AccountError(f"Account {account} has nothing to export.")
            notes = _checked(shelf, tx, account)
    except BaseException:
        shelf.close()
        raise
    head = {
        "version": __version__,
        "rows": format.FORMAT,
        "account": account,
        "service_time": iso8601(now_ms / 1000),
        "now_ms": now_ms,
    }
    return _Cargo(shelf, notes, frozenset(key for key, _ in shared), head)


def _checked(shelf: Shelf, tx: ReadTx, account: str) -> Notebook:
    """The blobs that rows name, with their sizes. Raises AccountError where an invariant does not hold."""
    lines: list[str] = []
    report = Report(lambda line: lines.append(line) if line.startswith("broken") else None)
    checks.check_services(shelf.tx, report)
    report.part = "blobs"
    for name, _ in report.notes.all("blob"):
        if tx.get(pack("blob", "claim", name.decode())) is None:
            report.broken(f"blob {name.decode()} is named by a row but not claimed")
    if report.total:
        report.notes.close()
        told = "; ".join(lines[:MOST_LINES])
        raise AccountError(
            f"What account {account} has is not whole ({report.total} broken, see `freehold check`): {told}"
        )
    return report.notes


async def _written(cargo: _Cargo, blobs: Blobs) -> AsyncIterator[bytes]:
    writer = Writer(cargo.head)
    rows = cargo.shelf.in_order()
    while page := await asyncio.to_thread(_page, rows):
        for key, value in page:
            if key != SERVICE_TIME:
                writer.add("shared" if key in cargo.shared else "row", key, value)
        yield writer.take()
    for name, size in cargo.notes.all("blob"):
        writer.add("blob", name.decode(), size)
        content = await blobs.read(Blob(name.decode(), size))
        if isinstance(content, bytes):
            writer.add("piece", content)
        else:
            async for piece in content:
                writer.add("piece", piece)
                yield writer.take()
        yield writer.take()
    writer.end()
    yield writer.take()


def _page(rows: Iterator[Row]) -> list[Row]:
    """The next rows, about a mebibyte of them."""
    page: list[Row] = []
    size = 0
    for key, value in islice(rows, _PAGE):
        page.append((key, value))
        size += len(key) + len(value)
        if size >= _PAGE_BYTES:
            break
    return page
