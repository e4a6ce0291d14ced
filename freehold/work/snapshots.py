"""Snapshots: a consistent copy of an installation, taken while it serves, and the way back.

First the store is copied, as of one commit, then the files of the blobs which that copy names. Blobs never change, so
their files are linked where they can be; and while a snapshot is taken none is deleted (`Blobs.held`), so what the copied
store names is still there when its turn comes. Unpacked packages and sandboxes are made again by whoever needs them.
`snapshot.json` is written last: without it, a directory is no snapshot.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from freehold.kit.clock import iso8601
from freehold.kit.tuples import unpack
from freehold.store.base import Copies, ReadTx, Store
from freehold.store.sqlite import copies, schema
from freehold.work.blobs import Blobs, base, ownership
from freehold.work.checking import Notebook, Snapshot

MARK = "snapshot.json"
FORMAT = 1
_UNLINKABLE = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP)
"""Another file system, or one that does not link."""

Facts = dict[str, Any]


class SnapshotError(Exception):
    """It could not be done; the text says why and what to do. Nothing is left behind."""


async def take(store: Store, blobs: Blobs, target: Path, version: str) -> Facts:
    """Copy a running installation into `target`, which must not be there yet; answers what snapshot.json says.

    `version` is Freehold's. Raises SnapshotError.
    """
    if not isinstance(store, Copies):
        raise SnapshotError(
            "A snapshot is of the embedded store in a data directory. For PostgreSQL see docs/operations.md; an ephemeral "
            "server keeps nothing."
        )
    files = blobs.files
    if files is None:
        raise SnapshotError(
            f"The blobs are objects of {blobs.where}, which a snapshot does not copy: see docs/operations.md for "
            "how to back them up together with the store."
        )
    stop = threading.Event()
    _make(target)
    try:
        async with blobs.held():
            await _in_thread(lambda: store.copy_to(target, stop.is_set), stop)
            facts: Facts = await _in_thread(lambda: _finish(files, target, version, stop.is_set), stop)
            return facts
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, target, ignore_errors=True)
        raise


async def _in_thread(work: Callable[[], Any], stop: threading.Event) -> Any:
    """Run `work` beside the event loop; whoever is cancelled waits until it has stopped."""
    future = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([future])
        raise


def take_stopped(source: Path, target: Path, version: str, files: Path | None = None) -> Facts:
    """Copy the data directory `source`, which no server uses, and the files of its blobs (None: they are in it).

    Raises SnapshotError, StoreError (a server has it)."""
    if not (source / copies.FILE).is_file():
        raise SnapshotError(f"{source} has no {copies.FILE}: it is not a data directory of Freehold.")
    lock = schema.lock(source)
    try:
        _make(target)
        try:
            copies.copy(source, target)
            return _finish(files or source / "blobs", target, version, lambda: False)
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)
            raise
    finally:
        os.close(lock)


def restore(snapshot: Path, data: Path) -> Facts:
    """Put a snapshot into `data`, which must not be there or be empty; answers what snapshot.json says.

    Raises SnapshotError.
    """
    facts = read_mark(snapshot)
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise SnapshotError(f"{data} is not empty. A snapshot is restored into a new or empty directory.")
    data.mkdir(parents=True, exist_ok=True)
    _link(snapshot / copies.FILE, data / copies.FILE, linked=False)
    names = (Path(entry).name for entry in _files(snapshot / "blobs"))
    _copy_files(snapshot / "blobs", data / "blobs", names, lambda: False)
    _sync(data)
    _sync(data.absolute().parent)
    return facts


def read_mark(snapshot: Path) -> Facts:
    """What snapshot.json says. Raises SnapshotError where there is none."""
    try:
        facts: Facts = json.loads((snapshot / MARK).read_text())
        known = facts["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise SnapshotError(f"{snapshot} is no complete snapshot: it has no readable {MARK}.") from problem
    if not known:
        raise SnapshotError(f"{snapshot} was made by a newer Freehold ({facts.get('version')}); update Freehold.")
    return facts


def _make(target: Path) -> None:
    try:
        target.mkdir(mode=0o700)
    except FileExistsError as problem:
        raise SnapshotError(f"{target} is there already. A snapshot goes into a new directory.") from problem
    except OSError as problem:
        raise SnapshotError(f"{target} cannot be made: {problem.strerror}.") from problem


def _finish(files: Path, target: Path, version: str, stop: Callable[[], bool]) -> Facts:
    """Bring the files that the copied store names, and the mark."""
    with copies.looking(target, settled=True) as (_, tx):
        if ownership.is_elsewhere(tx, files):
            raise SnapshotError(f"The blobs of this store are not in {files}; `--blobs` names where they are.")
        count, size = _copy_files(files, target / "blobs", _named(tx), stop)
        at_ms = Snapshot(tx).now_ms
    facts: Facts = {
        "format": FORMAT,
        "version": version,
        "service_time": iso8601(at_ms / 1000),
        "store_bytes": (target / copies.FILE).stat().st_size,
        "blobs": count,
        "blob_bytes": size,
    }
    with (target / MARK).open("x") as file:
        json.dump(facts, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    _sync(target)
    _sync(target.absolute().parent)
    return facts


def _named(tx: ReadTx) -> Iterator[str]:
    """Files that the store names: what is claimed and not released."""
    rows = Snapshot(tx)
    with closing(Notebook()) as notes:
        for _, value in rows.below("blob", "gone"):
            for name in msgspec.msgpack.decode(value, type=list[str]):
                notes.put("gone", name.encode())
        for key, _ in rows.below("blob", "claim"):
            name = str(unpack(key)[2])
            if notes.get("gone", name.encode()) is None:
                yield name


def _copy_files(source: Path, target: Path, names: Iterator[str], stop: Callable[[], bool]) -> tuple[int, int]:
    """Link or copy blob files; answers how many, and their bytes. The directories are synced."""
    target.mkdir(mode=0o711)
    made: set[Path] = {target}
    count = size = 0
    for name in names:
        if stop():
            raise InterruptedError("the snapshot was stopped")
        folder = target / name[:2] / name[2:3]
        if folder not in made:
            folder.mkdir(parents=True, exist_ok=True)
            made |= {folder, folder.parent}
        try:
            size += _link(source / name[:2] / name[2:3] / name, folder / name)
        except FileNotFoundError as problem:
            raise SnapshotError(f"The blob {name} is missing; see what `freehold check` says.") from problem
        count += 1
    if (source / base.MARK).exists():
        _link(source / base.MARK, target / base.MARK, linked=False)
    for folder in made:
        _sync(folder)
    return count, size


def _link(source: Path, target: Path, *, linked: bool = True) -> int:
    """A second name for a file that never changes, or a synced copy of it; answers its bytes."""
    try:
        if linked:
            os.link(source, target)
            return target.stat().st_size
    except OSError as problem:
        if problem.errno not in _UNLINKABLE:
            raise
    shutil.copy2(source, target)
    descriptor = os.open(target, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    return target.stat().st_size


def _files(directory: Path) -> Iterator[str]:
    for first in directory.glob("[0-9a-f][0-9a-f]"):
        for second in first.glob("[0-9a-f]"):
            yield from (entry.path for entry in os.scandir(second))


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(descriptor)
    os.close(descriptor)
