"""kill -9 in the middle: effects that were committed happen, bytes that were named are there, the rest is swept."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from freehold.kit.clock import SystemClock
from freehold.kit.ids import Ids
from freehold.store.sqlite import SqliteStore
from freehold.work.blobs import Blobs
from freehold.work.outbox import Outbox
from freehold.work.tasks import Tasks
from freehold.work.timers import Timers

SIZE = 300_000


async def victim(directory: Path) -> None:
    """Commits work, begins all of it, and is killed."""
    store, clock, tasks, ids = SqliteStore.open(directory), SystemClock(), Tasks(), Ids()
    blobs, outbox, timers = (
        Blobs(store, clock, ids, directory / "blobs"),
        Outbox(store, clock, ids, tasks),
        Timers(store, clock, tasks),
    )
    await blobs.start()
    begun = asyncio.Event()

    async def hang(_: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    await outbox.start({"effect": hang})
    await timers.start({"owner": hang})  # type: ignore[dict-item]
    named, _orphan = await blobs.write(b"n" * SIZE), await blobs.write(b"o" * SIZE)
    now = clock.now_ms()

    def body(tx):  # type: ignore[no-untyped-def]
        blobs.claim(tx, named)
        outbox.add(tx, "effect", b"large" * 1000, id="a", due_ms=now)
        outbox.add(tx, "effect", b"second", id="b", due_ms=now, group=b"g")
        outbox.add(tx, "effect", b"third", id="c", due_ms=now, group=b"g")
        timers.set(tx, "owner", b"key", now)

    await store.transact(body)
    await begun.wait()
    print(named.id, flush=True)
    await asyncio.Event().wait()


async def survivor(directory: Path, blob_id: str) -> None:
    store, clock, tasks, ids = SqliteStore.open(directory), SystemClock(), Tasks(), Ids()
    blobs, outbox, timers = (
        Blobs(store, clock, ids, directory / "blobs"),
        Outbox(store, clock, ids, tasks),
        Timers(store, clock, tasks),
    )
    await blobs.start()
    done: list[str] = []

    async def perform(delivery):  # type: ignore[no-untyped-def]
        done.append(delivery.id)

    async def fire(key: bytes) -> None:
        done.append(key.decode())

    await outbox.start({"effect": perform})
    await timers.start({"owner": fire})
    await outbox.settle()
    await timers.settle()
    assert sorted(done) == ["a", "b", "c", "key"] and done.index("b") < done.index("c")
    await blobs.sweep(before=clock.wall() + 1)
    left = [name for _, _, names in os.walk(directory / "blobs") for name in names]
    assert left == [blob_id]
    for close in (outbox.close, timers.close, tasks.close, blobs.close, store.close):
        await close()


def test_what_was_committed_survives_kill_9(tmp_path: Path) -> None:
    program = "import asyncio, pathlib, sys; from tests.work.test_kill import victim; "
    program += "asyncio.run(victim(pathlib.Path(sys.argv[1])))"
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        blob_id = process.stdout.readline().strip()
        process.send_signal(signal.SIGKILL)
    assert blob_id
    asyncio.run(survivor(tmp_path, blob_id))
