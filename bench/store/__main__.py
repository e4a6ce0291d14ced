"""What the embedded store costs: `python -m bench.store [seconds per figure]`. Rows of 300 bytes, durable commits."""

from __future__ import annotations

import asyncio
import itertools
import random
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import uvloop

from freehold.store.base import Store, Tx
from freehold.store.sqlite import SqliteStore

VALUE = bytes(300)
SEEDED = 10_000


def adjacent(n: int) -> Callable[[Tx], None]:
    """One get and three puts, each at the end of a range, as messages and log rows are."""

    def body(tx: Tx) -> None:
        tx.get(b"seed/%06d" % (n * 7919 % SEEDED))
        for part in b"abc":
            tx.put(b"%c/%012d" % (part, n), VALUE)

    return body


def scattered(n: int) -> Callable[[Tx], None]:
    """One get and three puts anywhere, as items of a table are."""

    def body(tx: Tx) -> None:
        tx.get(b"seed/%06d" % (n * 7919 % SEEDED))
        for part in range(3):
            tx.put(b"x/%012d" % ((n * 3 + part) * 7_919_993 % 1_000_000_007), VALUE)

    return body


async def load(store: Store, tasks: int, seconds: float, make: Callable[[int], Callable[[Tx], None]]) -> str:
    latencies: list[float] = []
    counter = itertools.count()
    until = time.perf_counter() + seconds

    async def client() -> None:
        while (began := time.perf_counter()) < until:
            await store.transact(make(next(counter)))
            latencies.append(time.perf_counter() - began)

    used = time.process_time()
    await asyncio.gather(*(client() for _ in range(tasks)))
    used = time.process_time() - used
    latencies.sort()
    p50, p99 = latencies[len(latencies) // 2], latencies[len(latencies) * 99 // 100]
    rate, cpu = len(latencies) / seconds, used / len(latencies)
    return f"{rate:8,.0f} bodies/s   p50 {p50 * 1e3:6.2f} ms   p99 {p99 * 1e3:6.2f} ms   {cpu * 1e6:4.0f} µs CPU"


async def gets(store: Store, count: int) -> str:
    keys = [b"seed/%06d" % random.randrange(SEEDED) for _ in range(count)]
    began = time.perf_counter()
    for key in keys:
        await store.read(lambda tx, key=key: tx.get(key))  # type: ignore[misc]
    return f"{(time.perf_counter() - began) / count * 1e6:8.2f} µs"


async def main(directory: Path, seconds: float) -> None:
    began = time.perf_counter()
    store = SqliteStore.open(directory)
    print(f"open a new store            {(time.perf_counter() - began) * 1e3:8.1f} ms")
    for first in range(0, SEEDED, 100):
        await store.transact(
            lambda tx, first=first: [tx.put(b"seed/%06d" % n, VALUE) for n in range(first, first + 100)]  # type: ignore[misc]
        )
    print("point read                 ", await gets(store, 20_000))
    print(
        "alone, one row             ",
        await load(store, 1, seconds, lambda n: lambda tx: tx.put(b"one/%012d" % n, VALUE)),
    )
    for tasks in (32, 128):
        print(f"{tasks:3} tasks, adjacent rows    ", await load(store, tasks, seconds, adjacent))
        print(f"{tasks:3} tasks, scattered rows   ", await load(store, tasks, seconds, scattered))
    done = threading.Event()
    busy = threading.Thread(target=spin, args=(done,))
    busy.start()
    print("32, beside a busy thread   ", await load(store, 32, seconds, adjacent))
    done.set()
    busy.join()
    print(f"log {(directory / 'store.db-wal').stat().st_size / 1e6:.1f} MB, ", end="")
    print(f"memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    await store.close()


def spin(done: threading.Event) -> None:
    while not done.is_set():
        pass


if __name__ == "__main__":
    sys.setswitchinterval(0.0005)  # as the server does
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
        uvloop.run(main(Path(name), float(sys.argv[1]) if len(sys.argv) > 1 else 2.0))
