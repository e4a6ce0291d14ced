"""Blobs: write, read, claim, release. See the package's docstring."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

from freehold.kit.clock import Clock
from freehold.kit.ids import Ids
from freehold.kit.tuples import pack
from freehold.store.base import ReadTx, Store, Tx
from freehold.work.blobs import ownership
from freehold.work.blobs.base import Backend, BlobError, Writer
from freehold.work.blobs.files import Files
from freehold.work.blobs.model import INLINE, WHOLE, Blob, cut
from freehold.work.blobs.releases import Releases, release
from freehold.work.blobs.temporary import Temporary
from freehold.work.duties import Duties, Held
from freehold.work.tasks import Tasks

log = logging.getLogger("freehold.work")

ORPHAN_S = 3600.0
"""Seconds after which what nobody claimed is an orphan while servers run."""

_PAGE = 200


class Blobs:
    """Bytes of any size.

    `directory` is this process's own, and holds the files unless `backend` keeps them elsewhere; None keeps them in a
    temporary directory without syncing (ephemeral mode). On a store that several nodes have together, what is released or
    unclaimed is the duty of one of them. `keep_s`: seconds that released files stay for the sake of backups.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        directory: Path | None,
        *,
        backend: Backend | None = None,
        duties: Duties | None = None,
        keep_s: int = 0,
    ) -> None:
        self._store, self._clock, self._ids = store, clock, ids
        self._tasks = Tasks()
        self._duties = duties or Duties(store, clock, self._tasks)
        self._alone = self._duties.members.alone
        self._emptied = Path(tempfile.mkdtemp(prefix="freehold-blobs-")) if directory is None else None
        own = self._emptied or directory or Path()
        self._backend: Backend = backend or Files(own, durable=directory is not None)
        self._private = backend is None and self._alone
        self._temporary = Temporary(own / "tmp")
        self._releases = Releases(store, clock, self._backend, self._duties.members, keep_s)

    async def start(self) -> None:
        """Take up releases that a crash interrupted, sweep what nobody claimed, and watch for more.

        Raises BlobsUnusable, BlobsUnreachable: the place of the blobs is missing, refuses, or is another installation's.
        """
        await self.prepare()
        begun = self._clock.wall() - 1.0  # file times are coarse
        self._tasks.loop("blobs: temporary files", lambda: self._sweep_temporary(begun))
        if self._alone:  # else others may be about to claim what they have written
            self._tasks.spawn("blobs: orphans of the last run", self._try_to_sweep(begun))
        else:
            self._tasks.loop("blobs: pins", self._releases.share_pins)
        self._duties.run("blobs: released files", self._releases.collect_for_ever)
        self._duties.run("blobs: hourly sweep", self._sweep_for_ever)

    async def prepare(self) -> None:
        """Be ready to read and write, and do nothing by itself: where no server runs. Raises as `start`."""
        await self._backend.prepare()
        self._temporary.prepare()
        await ownership.prove(self._store, self._ids, self._backend, found_only=self._private)

    @property
    def files(self) -> Path | None:
        """The directory of the files; None: they are objects."""
        return Path(self._backend.where) if isinstance(self._backend, Files) else None

    @property
    def where(self) -> str:
        """Where the bytes lie, for people."""
        return self._backend.where

    async def close(self) -> None:
        await self._tasks.close()
        await self._backend.close()
        if self._emptied is not None:
            shutil.rmtree(self._emptied, ignore_errors=True)

    async def write(self, stream: AsyncIterator[bytes] | bytes) -> Blob:
        """Keep the bytes; returns once they are durable. Memory stays flat at any size.

        When the stream raises, nothing is kept. Raises OSError when the disk is full or the object store is away.
        """
        blob_id = self._ids.hex(24)
        if isinstance(stream, (bytes, bytearray, memoryview)):
            data = bytes(stream)
            if len(data) <= INLINE:
                return Blob(blob_id, len(data), data)
            await self._backend.write_whole(blob_id, data)
            return Blob(blob_id, len(data))
        return await self._write_stream(blob_id, stream)

    async def _write_stream(self, blob_id: str, stream: AsyncIterator[bytes]) -> Blob:
        gathered: list[bytes] = []
        waiting = size = 0
        writer: Writer | None = None
        try:
            async for piece in stream:
                gathered.append(bytes(piece))
                waiting += len(piece)
                size += len(piece)
                if waiting >= WHOLE:
                    writer = writer or self._backend.writer(blob_id)
                    await writer.write(gathered)
                    gathered, waiting = [], 0
            if writer is None:
                data = b"".join(gathered)
                if size <= INLINE:
                    return Blob(blob_id, size, data)
                await self._backend.write_whole(blob_id, data)
                return Blob(blob_id, size)
            await writer.finish(gathered)
            return Blob(blob_id, size)
        except BaseException:
            if writer is not None:
                await writer.abandon()
            raise

    async def adopt(self, blob_id: str, pieces: AsyncIterator[bytes]) -> None:
        """Keep bytes of another installation under the id that they have there; durable when it returns.

        Raises FileExistsError where there is something of that id, OSError as `write`.
        """
        try:
            await self._backend.check(blob_id)
        except FileNotFoundError:
            pass
        else:
            raise FileExistsError(f"there is a blob {blob_id} already")
        writer = self._backend.writer(blob_id)
        try:
            async for piece in pieces:
                await writer.write([piece])
            await writer.finish([])
        except BaseException:
            await writer.abandon()
            raise

    async def compose(self, parts: Sequence[Blob]) -> Blob:
        """One blob that is `parts` one after the other, without copying.

        The parts' files now belong to it: release the composed blob, not the parts. Parts are to be claimed already.
        """
        flat = tuple(leaf for part in parts for leaf in (part.parts or (part,)) if leaf.size)
        size = sum(part.size for part in flat)
        if size <= INLINE and all(part.inline is not None for part in flat):
            return Blob(self._ids.hex(24), size, b"".join(part.inline or b"" for part in flat))
        return Blob(self._ids.hex(24), size, None, flat)

    async def read(self, blob: Blob, start: int = 0, end: int | None = None) -> bytes | AsyncIterator[bytes]:
        """Bytes [start, end) of a blob: at once up to 1 MiB, else in pieces of at most 512 KiB.

        Raises FileNotFoundError where the blob was released meanwhile (read the naming row again).
        """
        end = blob.size if end is None else min(end, blob.size)
        start = max(0, start)
        if start >= end:
            return b""
        if blob.inline is not None:
            return blob.inline if end - start == blob.size else blob.inline[start:end]
        if end - start <= WHOLE:
            if not blob.parts:
                return await self._backend.read(blob.id, start, end - start)
            return b"".join([await self._one(leaf, low, high) for leaf, low, high in cut(blob, start, end)])
        if not blob.parts:
            await self._backend.check(blob.id)
        return _Pieces(self, blob, start, end)

    async def _one(self, leaf: Blob, start: int, end: int) -> bytes:
        if leaf.inline is not None:
            return leaf.inline[start:end]
        return await self._backend.read(leaf.id, start, end - start)

    async def read_all(self, blob: Blob) -> bytes:
        """The whole blob in memory: for things whose size is known to be small enough."""
        found = await self.read(blob)
        return found if isinstance(found, bytes) else b"".join([piece async for piece in found])

    async def open_path(self, blob: Blob) -> Path:
        """A file with the bytes, for a reader that wants a path. Open it at once and never write to it.

        What is no file (inline, composed, or in an object store) is written to a temporary one, which the sweep removes
        after an hour.
        """
        if blob.inline is None and not blob.parts:
            path = self._backend.path(blob.id)
            if path is not None:
                await self._backend.check(blob.id)
                return path
        found = await self.read(blob)
        return await self._temporary.write(self._ids.hex(24), found)

    def claim(self, tx: Tx, blob: Blob) -> None:
        """In the transaction which writes the row that names `blob`: its file now has an owner.

        A composed blob needs no claim: its parts have theirs.
        """
        if blob.inline is None and not blob.parts:
            tx.put(pack("blob", "claim", blob.id), b"")

    def release(self, tx: Tx, blob: Blob) -> None:
        """In the transaction which removes the row that names `blob`: its files go after the commit."""
        release(tx, blob)

    async def discard(self, blob: Blob) -> None:
        """Remove a blob that was written for nothing: what should have named it was refused. Only where no row names it."""
        await self._backend.remove(blob.files())

    async def sweep(self, *, before: float) -> int:
        """Remove unclaimed files last written before `before` (wall seconds); says how many."""
        await self._backend.sweep_unfinished(before)
        removed = 0
        async for page in self._backend.older(before, _PAGE):
            claims = [pack("blob", "claim", name) for name in page]
            held = await self._store.read_many(partial(_claimed, claims=claims))
            orphans = [name for name, claim in zip(page, held, strict=True) if claim is None]
            removed += await self._backend.remove(orphans)
        if removed:
            log.info("removed %d blob files that nothing names", removed)
        return removed

    async def _sweep_for_ever(self, lease: Held) -> None:
        while True:
            await asyncio.sleep(ORPHAN_S)
            await self._try_to_sweep(self._clock.wall() - ORPHAN_S)

    async def _try_to_sweep(self, before: float) -> None:
        try:
            await self.sweep(before=before)
        except BlobError as problem:
            log.warning("orphans among the blobs stay for now: %s", problem)

    async def _sweep_temporary(self, begun: float) -> None:
        before = begun
        while True:
            await self._temporary.sweep(before)
            await asyncio.sleep(ORPHAN_S)
            before = self._clock.wall() - ORPHAN_S

    async def collect(self, *, grace: float = 0.0) -> int:
        """Remove the files of committed releases, `grace` seconds after they are seen; says how many blobs went."""
        return await self._releases.collect(grace=grace)

    def held(self) -> AbstractAsyncContextManager[None]:
        """While a snapshot is taken: no file goes that is released from now on."""
        return self._releases.held()

    def pin(self, blob: Blob) -> None:
        """Keep the files of a blob that is being read, even if it is released meanwhile."""
        self._releases.pin(blob)

    def unpin(self, blob: Blob) -> None:
        self._releases.unpin(blob)

    async def pieces(self, blob: Blob, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes [start, end) piece by piece."""
        for leaf, low, high in cut(blob, start, end):
            if leaf.inline is not None:
                yield leaf.inline[low:high]
                continue
            async for piece in self._backend.pieces(leaf.id, low, high):
                yield piece


def _claimed(tx: ReadTx, claims: list[bytes]) -> list[bytes | None]:
    return tx.get_many(claims)


class _Pieces:
    """A streamed read. It pins its blob from its making until it ends, is closed or is forgotten."""

    def __init__(self, blobs: Blobs, blob: Blob, start: int, end: int) -> None:
        self._blobs, self._blob = blobs, blob
        self._pieces = blobs.pieces(blob, start, end)
        self._pinned = True
        blobs.pin(blob)

    def __aiter__(self) -> _Pieces:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._pieces)
        except BaseException:
            self._unpin()
            raise

    async def aclose(self) -> None:
        self._unpin()
        await self._pieces.aclose()  # type: ignore[attr-defined]

    def _unpin(self) -> None:
        if self._pinned:
            self._pinned = False
            self._blobs.unpin(self._blob)

    def __del__(self) -> None:
        self._unpin()
