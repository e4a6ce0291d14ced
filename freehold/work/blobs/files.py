"""Blobs as files: two levels of directories, fresh names, synced off the event loop, read inline from the page cache."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from freehold.work.blobs.base import MARK, BlobsUnusable
from freehold.work.blobs.model import PIECE

S = TypeVar("S")

THREADS = 4
_PROBE = 128 << 10
_PAGE = 1_000
_NOWAIT: int | None = getattr(os, "RWF_NOWAIT", None)


class Files:
    """The directory of blob files. A file's name is its id; `ab/c/abcd...`: 4,096 directories."""

    def __init__(self, directory: Path, *, durable: bool) -> None:
        self._directory = directory
        self.durable = durable
        self._threads = ThreadPoolExecutor(THREADS, "blobs")
        self._known: set[str] = set()
        self._making = threading.Lock()
        self._nowait = _NOWAIT is not None and hasattr(os, "preadv")

    @property
    def where(self) -> str:
        """The directory."""
        return str(self._directory)

    async def prepare(self) -> None:
        """Make the directory. Raises BlobsUnusable."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            # Else a power cut takes the directory with all that was synced below it. As below: also where it was there.
            self.sync_directory(self._directory.parent)
        except OSError as problem:
            raise BlobsUnusable(
                f"The directory of blobs, {self._directory}, cannot be used: {problem.strerror}."
            ) from problem

    async def close(self) -> None:
        """Wait until what is being written is written."""
        self.shut()

    def shut(self) -> None:
        """As `close`."""
        self._threads.shutdown(wait=True)

    async def mark(self, offered: str) -> str:
        """The text of the file that says whose directory this is; `offered` is written where there is none."""
        return await self._run(lambda: self._mark(offered))

    def _mark(self, offered: str) -> str:
        path = self._directory / MARK
        if offered and not path.exists():
            # Linked into place: whoever reads it reads all of it, and of two writers one wins.
            fresh = self._directory / f"{MARK}.{os.getpid()}"
            with fresh.open("w") as file:
                file.write(offered)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(fresh, path)
            except FileExistsError:
                pass
            fresh.unlink()
            self.sync_directory(self._directory)
        try:
            return path.read_text().strip()
        except FileNotFoundError:
            return ""

    def path(self, name: str) -> Path:
        return self._directory / name[:2] / name[2:3] / name

    async def check(self, name: str) -> None:
        """Raise FileNotFoundError where the file is gone."""
        os.stat(self._name(name))

    def _name(self, name: str) -> str:
        return f"{self._directory}/{name[:2]}/{name[2:3]}/{name}"

    async def _run(self, fn: Callable[[], S]) -> S:
        return await asyncio.get_running_loop().run_in_executor(self._threads, fn)

    # Writing

    async def write_whole(self, name: str, data: bytes) -> None:
        """One durable file from bytes in hand."""
        writer = self.writer(name)
        try:
            await writer.finish([data])
        except BaseException:
            await writer.abandon()
            raise

    def writer(self, name: str) -> Writer:
        return Writer(self, name)

    async def run_write(self, fn: Callable[[], None]) -> None:
        # A thread cannot be interrupted: if the caller is cancelled, wait until the write has ended before cleaning up.
        future = asyncio.get_running_loop().run_in_executor(self._threads, fn)
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise

    def create(self, name: str) -> int:
        """Open a new file for writing; in a thread."""
        folder = name[:3]
        with self._making:
            if folder not in self._known:
                self._make(name)
                self._known.add(folder)
        return os.open(self._name(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def _make(self, name: str) -> None:
        first = self._directory / name[:2]
        (first / name[2:3]).mkdir(parents=True, exist_ok=True)
        # Also where it was there: whoever made it may have died before its parent was synced.
        self.sync_directory(first)
        if name[:2] not in self._known:
            self.sync_directory(self._directory)
            self._known.add(name[:2])

    def sync_directory(self, directory: Path | str) -> None:
        """Make a directory's entries durable."""
        if not self.durable:
            return
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def sync_entry(self, name: str) -> None:
        self.sync_directory(f"{self._directory}/{name[:2]}/{name[2:3]}")

    def unlink(self, name: str) -> bool:
        try:
            os.unlink(self._name(name))
        except FileNotFoundError:
            return False
        return True

    # Reading

    def open(self, name: str) -> OpenFile:
        return OpenFile(os.open(self._name(name), os.O_RDONLY | os.O_CLOEXEC))

    async def read(self, name: str, at: int, size: int) -> bytes:
        with self.open(name) as file:
            return await self.pread(file, at, size)

    async def pread(self, file: OpenFile, at: int, size: int) -> bytes:
        """`size` bytes at `at`: inline where the page cache has them, else in a thread."""
        data = os.pread(file.fd, size, at) if self._cached(file.fd, at, size) else b""
        if len(data) == size:
            return data
        return await self._run(lambda: _pread_fully(file.fd, at, size))

    def _cached(self, fd: int, at: int, size: int) -> bool:
        """Would a read answer from memory? Probes one byte in 128 KiB with RWF_NOWAIT (about 0.6 µs each)."""
        if not self._nowait or _NOWAIT is None:
            return False
        probe = bytearray(1)
        try:
            for offset in range(at, at + size, _PROBE):
                os.preadv(fd, [probe], offset, _NOWAIT)
            os.preadv(fd, [probe], at + size - 1, _NOWAIT)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
            self._nowait = False  # this file system cannot say (overlays, some network mounts): always use a thread
            return False
        return True

    async def pieces(self, name: str, low: int, high: int) -> AsyncIterator[bytes]:
        """Bytes [low, high), piece by piece, of a file that is opened once: it may be removed meanwhile."""
        with self.open(name) as file:
            for at in range(low, high, PIECE):
                yield await self.pread(file, at, min(PIECE, high - at))

    # Sweeping

    async def older(self, before: float, page: int) -> AsyncIterator[list[str]]:
        """Names of files last written before `before` (wall seconds), in pages."""
        walk = (name for name, _, written in self._walk() if written < before)
        while names := await self._run(lambda: _take(walk, page)):
            yield names

    async def sizes(self) -> AsyncIterator[list[tuple[str, int, float]]]:
        """All files: names, bytes, when they were written."""
        walk = self._walk()
        while found := await self._run(lambda: _take(walk, _PAGE)):
            yield found

    def _walk(self) -> Iterator[tuple[str, int, float]]:
        for first in sorted(self._directory.glob("[0-9a-f][0-9a-f]")):
            for second in sorted(first.glob("[0-9a-f]")):
                for entry in os.scandir(second):
                    try:
                        found = entry.stat()
                    except FileNotFoundError:
                        continue  # removed meanwhile
                    yield entry.name, found.st_size, found.st_mtime

    async def sweep_unfinished(self, before: float) -> None:
        """What a writer left lies under its name and is swept with the rest."""

    async def remove(self, names: Sequence[str]) -> int:
        """Unlink; says how many were there."""
        if not names:
            return 0
        return await self._run(lambda: sum(self.unlink(name) for name in names))


class OpenFile:
    """A descriptor that is closed at the end of its `with`."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __enter__(self) -> OpenFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        os.close(self.fd)


class Writer:
    """One file being written, in chunks, by threads, one at a time."""

    def __init__(self, files: Files, name: str) -> None:
        self._files, self._name = files, name
        self._fd = -1

    async def write(self, chunks: Sequence[bytes]) -> None:
        await self._files.run_write(lambda: self._write(chunks))

    async def finish(self, chunks: Sequence[bytes]) -> None:
        """Write what is left, then make the file and its name durable."""
        await self._files.run_write(lambda: self._finish(chunks))

    async def abandon(self) -> None:
        """Leave nothing behind."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._files.unlink(self._name)

    def _write(self, chunks: Sequence[bytes]) -> None:
        if self._fd < 0:
            self._fd = self._files.create(self._name)
        for chunk in chunks:
            view = memoryview(chunk)
            while view:
                view = view[os.write(self._fd, view) :]

    def _finish(self, chunks: Sequence[bytes]) -> None:
        self._write(chunks)
        if self._files.durable:
            os.fdatasync(self._fd)
        os.close(self._fd)
        self._fd = -1
        self._files.sync_entry(self._name)


def _pread_fully(fd: int, at: int, size: int) -> bytes:
    data = os.pread(fd, size, at)
    while len(data) < size:
        more = os.pread(fd, size - len(data), at + len(data))
        if not more:
            raise OSError(errno.EIO, "a blob file is shorter than its row says")
        data += more
    return data


def _take(found: Iterator[S], count: int) -> list[S]:
    return list(itertools.islice(found, count))
