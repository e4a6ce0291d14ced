"""Whose place of blobs it is: a mark in the place and a row of the store say the same id.

So a node whose place is another one than that of its fellows (its own disk instead of the shared one, a wrong prefix), or an
installation that is given another's, is refused before it loses or sweeps anything.
"""

from __future__ import annotations

from pathlib import Path

from freehold.kit.ids import Ids
from freehold.kit.tuples import pack
from freehold.store.base import ReadTx, Store, Tx
from freehold.work.blobs.base import MARK, Backend, BlobsUnusable

_KEY = pack("blob", "place")
_OFFERED, _MARKED = b"offered ", b"marked "


def is_elsewhere(tx: ReadTx, directory: Path) -> bool:
    """Does the store say that its blobs are in a place which is not this directory?"""
    row = tx.get(_KEY)
    if row is None or not row.startswith(_MARKED):
        return False
    try:
        return (directory / MARK).read_text().strip() != row.removeprefix(_MARKED).decode()
    except OSError:
        return True


async def prove(store: Store, ids: Ids, backend: Backend, *, found_only: bool = False) -> None:
    """The place is this store's, or becomes it. With `found_only` a store whose blobs have always been in its own
    directory needs no mark. Raises BlobsUnusable."""
    if found_only and await store.read(lambda tx: tx.get(_KEY)) is None:
        return
    fresh = ids.hex(32).encode()

    def offer(tx: Tx) -> bytes:
        row = tx.get(_KEY)
        if row is None:
            row = _OFFERED + fresh
            tx.put(_KEY, row)
        return row

    state, _, name = (await store.transact(offer)).partition(b" ")
    wanted, offered = name.decode(), state + b" " == _OFFERED
    found = await backend.mark(wanted if offered else "")
    if not found:
        raise BlobsUnusable(
            f"The blobs of this store are not in {backend.where}: it has no {MARK}. All nodes on one store use one place "
            "of blobs: set `blobs` (--blobs) to what it was, or to a directory that all of them share, or to s3://... "
            f"If the bytes were moved here, write the text {wanted} into {MARK} beside them."
        )
    if found != wanted:
        raise BlobsUnusable(
            f"{backend.where} holds the blobs of another installation: its {MARK} says {found[:64]!r}, this store {wanted}. "
            "Choose another directory or prefix."
        )
    if offered:
        await store.transact(lambda tx: tx.put(_KEY, _MARKED + name))
