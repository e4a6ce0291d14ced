"""What a disk holds after a power cut, from the record that shim.c makes.

Strict as POSIX is: bytes, sizes and names are certain only once synced, a file's name by a sync of its directory. What was
not synced is gone, or (`torn`) there in part: each sector, each size and each name by itself, by the throw of a coin.
"""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
_HEAD = struct.Struct("=5Q")

Coin = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of the log: `end` is how long the log was with it."""

    op: str
    inode: int
    a: int
    b: int
    data: bytes
    end: int


@dataclass(slots=True)
class _File:
    directory: bool = False
    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, Record]] = field(default_factory=list)


class Disk:
    """The files below `root` as far as they are durable, and what is not."""

    def __init__(self, root: Path, wanted: Callable[[str], bool]) -> None:
        self._root = str(root)
        self._wanted = wanted
        self._files: dict[int, _File] = {}
        self._names: dict[str, int] = {}
        """As the process saw them."""
        self._directories = {self._root: os.stat(root).st_ino}
        self._durable: dict[str, int] = {}
        self._pending: list[tuple[int, int, str, int | None]] = []
        """Number of the record, inode of the directory, path, inode of what it names (None: removed)."""
        self._count = 0

    def apply(self, record: Record) -> None:
        """The next record."""
        number, self._count = self._count, self._count + 1
        if record.op in ("W", "T"):
            if record.inode in self._files:
                self._files[record.inode].pending.append((number, record))
        elif record.op == "S":
            self._sync(record.inode, record.a)
        elif record.op == "C":
            path = record.data.decode()
            if record.a:
                self._directories[path] = record.inode
            if self._wanted(path):
                self._files[record.inode] = _File(directory=bool(record.a))
                self._name(number, path, record.inode)
        elif record.op == "U":
            self._name(number, record.data.decode(), None)
        elif record.op == "R":
            old, new = record.data[: record.b].decode(), record.data[record.b :].decode()
            inode = self._names.get(old)
            self._name(number, old, None)
            self._name(number, new, inode)

    def _name(self, number: int, path: str, inode: int | None) -> None:
        if inode is None and path not in self._names:
            return
        if inode is None:
            del self._names[path]
        else:
            self._names[path] = inode
        self._pending.append((number, self._directories[os.path.dirname(path)], path, inode))

    def _sync(self, inode: int, before: int) -> None:
        file = self._files.get(inode)
        if file is not None and not file.directory:
            done = [record for number, record in file.pending if number < before]
            file.pending = file.pending[len(done) :]
            for record in done:
                _write(file.durable, record, 0, len(record.data))
            return
        left = []
        for change in self._pending:
            number, directory, path, named = change
            if directory == inode and number < before:
                _rename(self._durable, path, named)
            else:
                left.append(change)
        self._pending = left

    def image(self, target: Path, coin: Coin | None = None, unit: int = SECTOR) -> None:
        """Write the disk as a power cut now would leave it; with a coin, parts of what was not synced are there: `unit`
        bytes of each write at a time."""
        names = dict(self._durable)
        if coin is not None:
            for _, _, path, inode in self._pending:
                if coin():
                    _rename(names, path, inode)
        for path in sorted(names):
            place = target / os.path.relpath(path, self._root)
            if not place.parent.is_dir():
                continue  # the name of its directory is gone
            file = self._files[names[path]]
            if file.directory:
                place.mkdir(exist_ok=True)
                continue
            content = bytearray(file.durable)
            if coin is not None:
                _tear(content, file.pending, coin, unit)
            place.write_bytes(content)


def _rename(names: dict[str, int], path: str, inode: int | None) -> None:
    if inode is None:
        names.pop(path, None)
    else:
        names[path] = inode


def _write(content: bytearray, record: Record, start: int, end: int) -> None:
    """Bytes [start, end) of a write; or a change of size."""
    if record.op == "T":
        del content[record.a :]
        content.extend(bytes(record.a - len(content)))
        return
    at = record.a + start
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    content[at : record.a + end] = record.data[start:end]


def _tear(content: bytearray, pending: list[tuple[int, Record]], coin: Coin, unit: int) -> None:
    for _, record in pending:
        if record.op == "T":
            if coin():
                _write(content, record, 0, 0)
            continue
        for start in range(0, len(record.data), unit):
            if coin():
                _write(content, record, start, min(start + unit, len(record.data)))


def records(log: Path) -> Iterator[Record]:
    """The complete records of a log."""
    at = 0
    with log.open("rb") as file:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            op, inode, a, b, size = _HEAD.unpack(head)
            data = file.read(size)
            if len(data) < size:
                return
            at += _HEAD.size + size
            yield Record(chr(op), inode, a, b, data, at)


def build_shim(directory: Path) -> Path | None:
    """The compiled shim; None where there is no C compiler."""
    target = directory / "shim.so"
    source = Path(__file__).with_name("shim.c")
    command = ["cc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(target), str(source), "-ldl", "-lpthread"]
    try:
        subprocess.run(command, check=True)
    except FileNotFoundError:
        return None
    return target
