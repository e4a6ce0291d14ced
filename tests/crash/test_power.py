"""Power cuts: what was synced is all that is left, and everything that was acknowledged is among it.

A kill keeps what the kernel has not written yet; a power cut does not. Here every write and sync of a server under load
is recorded (power/shim.c), the disk is rebuilt as cuts at many moments would leave it (power/disk.py), and on each the
invariants are checked, the server is started and asked for what it had acknowledged by then.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from freehold.node.checks import check_directory
from freehold.testing import Freehold
from tests.crash.power.disk import Coin, Disk, Record, build_shim, records
from tests.crash.power.load import Load, compare

CUTS = int(os.environ.get("POWER_CUTS", "12"))
"""Each loses what was not synced or, every other time, keeps parts of it."""
ENOUGH = 25


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = build_shim(tmp_path_factory.mktemp("shim"))
    if found is None:
        pytest.skip("no C compiler (cc) to build the recorder with")
    return found


def recorded(server: Freehold, shim: Path, root: Path, log: Path) -> Freehold:
    """The server, run under the recorder."""
    variables = [f"LD_PRELOAD={shim}", f"POWER_ROOT={root}", f"POWER_LOG={log}"]
    server._command = ["env", *variables, *server._command]
    return server


def wanted(path: str) -> bool:
    """What lasts: the database with its log, and blobs. The log's index is made anew at every start."""
    return path.endswith("/data") or "/data/blobs" in path or (path.rpartition("/")[2] in ("store.db", "store.db-wal"))


def cuts(ends: list[int], moving: list[int], first: int, count: int) -> list[int]:
    """Moments, as lengths of the log: right after acknowledgements, while the log is moved into the database, anywhere."""
    throw = random.Random(1)
    chosen = []
    for at in range(count):
        if at % 4 == 0:
            chosen.append(throw.randrange(first, ends[-1]))
        elif at % 4 == 1:
            chosen.append(throw.choice(moving))
        else:
            chosen.append(ends[(at + 1) * len(ends) // (count + 1)])
    return sorted(chosen)


def checkpoints(log: Path, first: int) -> list[int]:
    """Lengths of the log after each write to the database itself, once the load had begun."""
    inodes, ends = set(), []
    for record in records(log):
        if record.op == "C" and record.data.endswith(b"/store.db"):
            inodes.add(record.inode)
        elif record.op == "W" and record.inode in inodes and record.end > first:
            ends.append(record.end)
    return ends


def test_everything_acknowledged_survives_power_cuts(shim: Path, tmp_path: Path) -> None:
    root, log = tmp_path / "disk", tmp_path / "log"
    root.mkdir()
    server = recorded(Freehold(data=root / "data"), shim, root, log).start()
    try:
        load = Load(server, log)
        load.prepare()
        first = log.stat().st_size
        load.run(ENOUGH)
    finally:
        server.kill()
    ends = sorted(each.end for each in load.done if each.end is not None)
    moving = [end for end in checkpoints(log, first) if end < ends[-1]]
    disk, history = Disk(root, wanted), records(log)
    read = 0
    for number, cut in enumerate(cuts(ends, moving, first, CUTS)):
        read = forward(disk, history, read, cut)
        image = tmp_path / f"cut-{number}"
        image.mkdir()
        disk.image(image, torn(number) if number % 2 else None)
        lines: list[str] = []
        assert check_directory(image / "data", lines.append) == 0, (number, lines)
        with Freehold(data=image / "data") as again:
            compare(again, load.done, read)
        assert check_directory(image / "data", lines.append) == 0, (number, "after the server ran", lines)
        shutil.rmtree(image)


def torn(seed: int) -> Coin:
    throw = random.Random(seed)
    return lambda: throw.random() < 0.5


def forward(disk: Disk, history: Iterator[Record], read: int, cut: int) -> int:
    """Apply records up to a length of the log; answers the length of what was applied."""
    while read < cut:
        record = next(history)
        disk.apply(record)
        read = record.end
    return read


PROGRAM = """
import os, sys
os.chdir("/")
root = sys.argv[1]
def write(name, *, sync, named):
    fd = os.open(f"{root}/{name}", os.O_WRONLY | os.O_CREAT)
    os.write(fd, b"x" * 2000)
    if sync:
        os.fsync(fd)
    os.write(fd, b"y" * 2000)
    os.close(fd)
    if named:
        fd = os.open(root, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
write("nameless", sync=True, named=False)
write("kept", sync=True, named=True)
write("empty", sync=False, named=True)
os.unlink(f"{root}/kept")  # may be there again
write("late", sync=True, named=False)
"""


def test_the_rebuilt_disk_keeps_only_what_was_synced(shim: Path, tmp_path: Path) -> None:
    """Else the test above could not fail."""
    root, log, image = tmp_path / "disk", tmp_path / "log", tmp_path / "image"
    root.mkdir()
    image.mkdir()
    environment = {**os.environ, "LD_PRELOAD": str(shim), "POWER_ROOT": str(root), "POWER_LOG": str(log)}
    subprocess.run([sys.executable, "-c", PROGRAM, str(root)], env=environment, check=True)
    disk = Disk(root, lambda path: True)
    for record in records(log):
        disk.apply(record)
    disk.image(image)
    found = {path.name: path.read_bytes() for path in image.iterdir()}
    assert found == {"nameless": b"x" * 2000, "kept": b"x" * 2000, "empty": b""}
    (tmp_path / "torn").mkdir()
    disk.image(tmp_path / "torn", torn(3))
    parts = {path.name: path.read_bytes() for path in (tmp_path / "torn").iterdir()}
    assert parts["nameless"].startswith(b"x" * 2000) and parts["nameless"] != b"x" * 2000 + b"y" * 2000
