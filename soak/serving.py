"""`python -m soak.serving up ...`: the server as always, with a window into it, and with a leak where one is planted.

The window is `GET /_freehold/inside`. A planted leak shows that the judgement sees one: each kind leaks a little, for ever.
"""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import apsw

from freehold.kit.tuples import pack
from freehold.node import assemble, cli
from freehold.ports.manifest import Manifest
from freehold.ports.platform import Platform

PLANT, TRACE = "SOAK_PLANT", "SOAK_TRACE"
"""Variables: which leak, and how many frames of each allocation tracemalloc keeps (none: it does not run)."""
FRAMES = 6


async def inside(platform: Platform, query: Mapping[str, str]) -> dict[str, Any]:
    """What is not seen from outside: tasks by what they run, who has memory; on request objects by type, memory by place."""
    running = Counter(getattr(task.get_coro(), "__qualname__", "?") for task in asyncio.all_tasks())
    found: dict[str, Any] = {
        "tasks": dict(running),
        "own": len(platform.own),
        "blocks": sys.getallocatedblocks(),
        "sqlite": apsw.memory_used(),
    }
    if "objects" in query:
        found["collected"] = gc.collect()
        types = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())
        found["objects"] = dict(types.most_common(80))
    if "memory" in query and tracemalloc.is_tracing():
        gc.collect()
        kept = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(False, tracemalloc.__file__)])
        found["memory"] = [
            [stat.size, stat.count, [f"{frame.filename}:{frame.lineno}" for frame in stat.traceback]]
            for stat in kept.statistics("traceback")[: int(query["memory"])]
        ]
    return found


async def _leak(kind: str, platform: Platform) -> None:
    held: list[Any] = []
    began = time.monotonic()
    plants: dict[str, Callable[[], Any]] = {
        "memory": lambda: os.urandom(48 << 10),
        "files": lambda: os.open("/dev/null", os.O_RDONLY),
        "threads": lambda: threading.Thread(target=threading.Event().wait, daemon=True).start(),
        "tasks": lambda: asyncio.get_running_loop().create_task(asyncio.Event().wait()),
        "processes": lambda: subprocess.Popen(["sleep", "3600"], start_new_session=True),
        "blobs": lambda: _blob(platform, len(held)),
        "latency": lambda: time.sleep(min(0.02 * 2 ** ((time.monotonic() - began) / 30), 2.0)),
    }
    pause = {"processes": 1.0, "threads": 2.0, "blobs": 0.5}.get(kind, 0.2)
    while True:
        if kind == "rows":
            key = pack("sqs", "planted", "us-east-1", "planted", len(held))
            await platform.store.transact(lambda tx, key=key: tx.put(key, bytes(200)))  # type: ignore[misc]
            held.append(None)
        else:
            held.append(plants[kind]())
        await asyncio.sleep(pause)


def _blob(platform: Platform, number: int) -> None:
    directory = platform.settings.data / "blobs" / "planted"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{number}").write_bytes(bytes(200_000))


def _furnished(listed: list[Manifest], kind: str | None) -> list[Manifest]:
    """The manifests, the first one with the window and the leak."""

    async def start(platform: Platform) -> None:
        if first.start is not None:
            await first.start(platform)
        if kind is not None:
            platform.tasks.loop(f"planted: {kind}", lambda: _leak(kind, platform))

    first, *others = listed
    return [replace(first, control={**first.control, "inside": inside}, start=start), *others]


def main() -> None:
    """Serve."""
    if TRACE in os.environ:
        tracemalloc.start(int(os.environ[TRACE]) or FRAMES)
    listed, kind = assemble.manifests, os.environ.get(PLANT)
    assemble.manifests = lambda: _furnished(listed(), kind)
    cli.main(sys.argv[1:])


if __name__ == "__main__":
    main()
