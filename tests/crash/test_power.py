"""Power cuts: what was synced is all that is left, and everything that was acknowledged is among it.

A kill keeps what the kernel has not written yet; a power cut does not. Here every write and sync of a server under the
mixed load is recorded (power/shim.c), the disk is rebuilt as cuts at many moments would leave it (power/disk.py), and on
each the invariants are checked, the server is started and asked for what it had acknowledged by then (power/cutting.py).
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.power.cutting import KINDS, Cutting
from tests.crash.power.disk import Coin, Disk, build_shim, records

CUTS = int(os.environ.get("POWER_CUTS", "12"))
SEED = 20261123


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = build_shim(tmp_path_factory.mktemp("shim"))
    if found is None:
        pytest.skip("no C compiler (cc) to build the recorder with")
    return found


def test_everything_acknowledged_survives_power_cuts(shim: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o711)  # functions read their code below it
    cutting = Cutting(tmp_path, shim, SEED)
    cutting.run(CUTS)
    assert cutting.wrong == [], f"seed {SEED}; again: ./dev crash --power --cuts {CUTS} --seed {SEED}"
    assert set(cutting.kinds) == set(KINDS)
    assert cutting.facts.total() > 100 * CUTS


def torn(seed: int) -> Coin:
    throw = random.Random(seed)
    return lambda: throw.random() < 0.5


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
