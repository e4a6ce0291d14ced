"""kill -9 at any moment: whatever was acknowledged is there, and no transaction is there by halves."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from freehold.store.base import ReadTx
from freehold.store.sqlite import SqliteStore

ROUNDS = 5
WRITER = """
import asyncio, sys
from pathlib import Path
from freehold.store.sqlite import SqliteStore

async def write(store, round_, worker):
    for n in range(1_000_000):
        def body(tx):
            for part in b"abc":
                tx.put(b"%c/%02d/%02d/%08d" % (part, round_, worker, n), bytes(300))
        await store.transact(body)
        print(worker, n, flush=True)

async def main(directory, round_):
    store = SqliteStore.open(Path(directory))
    await asyncio.gather(*(write(store, round_, worker) for worker in range(8)))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""

LIMITED = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (11 << 20, 11 << 20))
"""


def test_acknowledged_transactions_survive_kill_9(tmp_path: Path) -> None:
    acknowledged: set[tuple[int, int, int]] = set()
    for round_ in range(ROUNDS):
        for line in run_and_kill(tmp_path, round_, after=150 + 170 * round_):
            worker, n = line.split()
            acknowledged.add((round_, int(worker), int(n)))
    found = asyncio.run(transactions(tmp_path))
    assert len(acknowledged) >= 150 * ROUNDS
    assert acknowledged <= found.keys()
    assert set(found.values()) == {"abc"}


def test_a_disk_that_refuses_ends_the_process(tmp_path: Path) -> None:
    """The server dies with one clear line, and what it acknowledged is there when there is room again."""
    command = [sys.executable, "-c", LIMITED + WRITER, str(tmp_path), "0"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 70
    assert result.stderr.startswith("freehold: the store could not write (")
    assert result.stderr.count("\n") == 1
    lines = result.stdout[: result.stdout.rindex("\n")].splitlines()
    acknowledged = {(0, int(worker), int(n)) for worker, n in map(str.split, lines)}
    found = asyncio.run(transactions(tmp_path))
    assert len(acknowledged) > 1_000
    assert acknowledged <= found.keys()
    assert set(found.values()) == {"abc"}


def run_and_kill(directory: Path, round_: int, after: int) -> list[str]:
    """The acknowledgements of a writing process that is killed once it has given `after` of them."""
    command = [sys.executable, "-c", WRITER, str(directory), str(round_)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(after)]
        process.kill()
        lines += process.stdout.readlines()
    return [line for line in lines if line.endswith("\n")]


async def transactions(directory: Path) -> dict[tuple[int, int, int], str]:
    """The parts that are there of each transaction."""
    store = SqliteStore.open(directory)
    found: dict[tuple[int, int, int], str] = {}
    start = b""
    while rows := await store.read_many(lambda tx, start=start: page(tx, start)):
        for key in rows:
            part, round_, worker, n = key.decode().split("/")
            name = (int(round_), int(worker), int(n))
            found[name] = found.get(name, "") + part
        start = rows[-1] + b"\0"
    await store.close()
    return found


def page(tx: ReadTx, start: bytes) -> list[bytes]:
    return [key for key, _ in tx.scan(start, b"\xff")]
