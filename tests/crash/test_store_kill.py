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
