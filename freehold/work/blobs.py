"""Blobs: bytes of any size beside the store, named by rows.

Up to 64 KiB a blob stays inline in the row that names it. A larger one is a file under a fresh id, complete and synced
with its directory entry before `write` returns, so that a row never names bytes which a crash can take away. The
transaction that writes the naming row calls `claim`; the one that removes it calls `release`, and the file goes after
that commit. A file that nobody claimed (the server died between write and commit) is an orphan and is swept.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from freehold.kit.clock import Clock
from freehold.kit.ids import Ids
from freehold.kit.tuples import pack, span, unpack
from freehold.store.base import ReadTx, Store, Tx
from freehold.work import blobfiles
from freehold.work.blobfiles import Files, Writer
from freehold.work.tasks import Tasks

log = logging.getLogger("freehold.work")

INLINE = 64 << 10
"""Bytes up to which a blob lives in its naming row."""
PIECE = 512 << 10
"""Bytes per piece of a streamed read."""
WHOLE = 1 << 20
"""Reads up to this many bytes are answered at once."""
GRACE_S = 5.0
"""Seconds that a released file stays, for readers which have just read the row that named it."""
ORPHAN_S = 3600.0
"""Seconds after which an unclaimed file is an orphan while the server runs."""

_WAKE = pack("blob", "wake")
_PAGE = 200
_RELEASES = 20_000
_FORGET = 1_000


class Blob(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True):
    """Names bytes. Put it into a row as it is (msgpack).

    Either `inline` holds the bytes, or `parts` are blobs that follow each other, or `id` names a file.
    """

    id: str
    size: int
    inline: bytes | None = None
    parts: tuple[Blob, ...] = ()

    def files(self) -> list[str]:
        """Ids of the files that hold the bytes."""
        if self.parts:
            return [name for part in self.parts for name in part.files()]
        return [] if self.inline is not None else [self.id]


class Blobs:
    """Bytes of any size. `directory` None keeps them in a temporary directory without syncing (ephemeral mode)."""

    def __init__(self, store: Store, clock: Clock, ids: Ids, directory: Path | None) -> None:
        self._store, self._clock, self._ids = store, clock, ids
        self._temporary = Path(tempfile.mkdtemp(prefix="freehold-blobs-")) if directory is None else None
        self._files = Files(self._temporary or directory or Path(), durable=directory is not None)
        self._tasks = Tasks()
        self._pins: dict[str, int] = {}
        self._holds = 0

    async def start(self) -> None:
        """Take up releases that a crash interrupted, sweep what nobody claimed, and watch for more."""
        self._files.prepare()
        begun = self._clock.wall() - 1.0  # file times are coarse
        self._tasks.spawn("blobs: orphans of the last run", self.sweep(before=begun))
        self._tasks.loop("blobs: released files", self._collect_for_ever)
        self._tasks.loop("blobs: hourly sweep", self._sweep_for_ever)

    async def close(self) -> None:
        await self._tasks.close()
        self._files.close()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    async def write(self, stream: AsyncIterator[bytes] | bytes) -> Blob:
        """Keep the bytes; returns once they are durable. Memory stays flat at any size.

        When the stream raises, nothing is kept. Raises OSError when the disk is full.
        """
        blob_id = self._ids.hex(24)
        if isinstance(stream, (bytes, bytearray, memoryview)):
            data = bytes(stream)
            if len(data) <= INLINE:
                return Blob(blob_id, len(data), data)
            await self._files.write_whole(blob_id, data)
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
                    writer = writer or self._files.writer(blob_id)
                    await writer.write(gathered)
                    gathered, waiting = [], 0
            if writer is None:
                data = b"".join(gathered)
                if size <= INLINE:
                    return Blob(blob_id, size, data)
                await self._files.write_whole(blob_id, data)
                return Blob(blob_id, size)
            await writer.finish(gathered)
            return Blob(blob_id, size)
        except BaseException:
            if writer is not None:
                writer.abandon()
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
                return await self._files.read(blob.id, start, end - start)
            return b"".join([await self._one(leaf, low, high) for leaf, low, high in _cut(blob, start, end)])
        if not blob.parts:
            self._files.check(blob.id)
        return _Pieces(self, blob, start, end)

    async def _one(self, leaf: Blob, start: int, end: int) -> bytes:
        if leaf.inline is not None:
            return leaf.inline[start:end]
        return await self._files.read(leaf.id, start, end - start)

    async def read_all(self, blob: Blob) -> bytes:
        """The whole blob in memory: for things whose size is known to be small enough."""
        found = await self.read(blob)
        return found if isinstance(found, bytes) else b"".join([piece async for piece in found])

    async def open_path(self, blob: Blob) -> Path:
        """A file with the bytes, for a reader that wants a path. Open it at once and never write to it.

        Inline and composed blobs are written to a temporary file, which the sweep removes after an hour.
        """
        if blob.inline is None and not blob.parts:
            self._files.check(blob.id)
            return self._files.path(blob.id)
        found = await self.read(blob)
        return await self._files.temporary(self._ids.hex(24), found)

    def claim(self, tx: Tx, blob: Blob) -> None:
        """In the transaction which writes the row that names `blob`: its file now has an owner.

        A composed blob needs no claim: its parts have theirs.
        """
        if blob.inline is None and not blob.parts:
            tx.put(pack("blob", "claim", blob.id), b"")

    def release(self, tx: Tx, blob: Blob) -> None:
        """In the transaction which removes the row that names `blob`: its files go after the commit."""
        files = blob.files()
        if files:
            tx.put(pack("blob", "gone", blob.id), msgspec.msgpack.encode(files))
            tx.wake(_WAKE)

    async def discard(self, blob: Blob) -> None:
        """Remove a blob that was written for nothing: what should have named it was refused. Only where no row names it."""
        await self._files.remove(blob.files())

    async def sweep(self, *, before: float) -> int:
        """Remove unclaimed files last written before `before` (wall seconds); says how many."""
        await self._files.sweep_temporary(before)
        removed = 0
        async for page in self._files.older(before, _PAGE):
            claims = [pack("blob", "claim", name) for name in page]
            held = await self._store.read_many(_get_many(claims))
            orphans = [name for name, claim in zip(page, held, strict=True) if claim is None]
            removed += await self._files.remove(orphans)
        if removed:
            log.info("removed %d blob files that nothing names", removed)
        return removed

    async def collect(self, *, grace: float = 0.0) -> int:
        """Remove the files of committed releases, `grace` seconds after they are seen; says how many blobs went."""
        released = await self._released()
        if self._holds:
            return 0  # what was listed before a hold began is released in every snapshot taken under it
        if released and grace:
            await asyncio.sleep(grace)
        gone = 0
        done: list[bytes] = []
        for key in released:
            if self._pins.get(str(unpack(key)[2])):
                continue
            value = await self._store.read_many(_get(key))
            if value is None:
                continue
            files: list[str] = msgspec.msgpack.decode(value, type=list[str])
            await self._files.remove(files)
            done += [*(pack("blob", "claim", name) for name in files), key]
            gone += 1
            while len(done) >= _FORGET:
                await self._store.transact(_delete(done[:_FORGET]))
                done = done[_FORGET:]
        if done:
            await self._store.transact(_delete(done))
        return gone

    async def _released(self) -> list[bytes]:
        """Keys of the releases that wait, up to a bound."""
        start, end = span("blob", "gone")
        keys: list[bytes] = []
        while len(keys) < _RELEASES and (rows := await self._store.read_many(_scan(start, end))):
            keys += [key for key, _ in rows]
            start = keys[-1] + b"\x00"
        return keys

    async def _collect_for_ever(self) -> None:
        async with self._store.watch(_WAKE) as watch:
            while True:
                while await self.collect(grace=GRACE_S):
                    pass
                await watch.wait(GRACE_S if self._pins or self._holds else 600)

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(ORPHAN_S)
            await self.sweep(before=self._clock.wall() - ORPHAN_S)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """While a snapshot is taken: no file goes that is released from now on."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    def pin(self, blob: Blob) -> None:
        """Keep the files of a blob that is being read, even if it is released meanwhile."""
        self._pins[blob.id] = self._pins.get(blob.id, 0) + 1

    def unpin(self, blob: Blob) -> None:
        left = self._pins.pop(blob.id, 0) - 1
        if left > 0:
            self._pins[blob.id] = left

    async def pieces(self, blob: Blob, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes [start, end) piece by piece."""
        for leaf, low, high in _cut(blob, start, end):
            if leaf.inline is not None:
                yield leaf.inline[low:high]
                continue
            with self._files.open(leaf.id) as file:
                for at in range(low, high, PIECE):
                    yield await self._files.pread(file, at, min(PIECE, high - at))


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


def _cut(blob: Blob, start: int, end: int) -> list[tuple[Blob, int, int]]:
    """The leaves of a blob that [start, end) touches, each with the range inside it."""
    if not blob.parts:
        return [(blob, start, end)]
    cuts, at = [], 0
    for part in blob.parts:
        low, high = max(start - at, 0), min(end - at, part.size)
        if low < high:
            cuts.append((part, low, high))
        at += part.size
        if at >= end:
            break
    return cuts


def _get(key: bytes) -> blobfiles.Body[ReadTx, bytes | None]:
    return lambda tx: tx.get(key)


def _scan(start: bytes, end: bytes) -> blobfiles.Body[ReadTx, list[tuple[bytes, bytes]]]:
    return lambda tx: tx.scan(start, end)


def _get_many(keys: list[bytes]) -> blobfiles.Body[ReadTx, list[bytes | None]]:
    return lambda tx: tx.get_many(keys)


def _delete(keys: list[bytes]) -> blobfiles.Body[Tx, None]:
    def body(tx: Tx) -> None:
        for key in keys:
            tx.delete(key)

    return body
