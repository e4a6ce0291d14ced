"""Samples of a running server, taken from outside: its process, those of functions, its disk, the rows of its store."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import apsw
import psutil

from freehold.kit.tuples import pack


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment. Megabytes are 10^6 bytes."""

    at_s: float
    rss_mb: float
    """Resident memory of the server itself."""
    pss_mb: float
    """The same, what it shares with its forks divided among them."""
    sqlite_mb: float
    """Of it, what SQLite holds: pages, mostly."""
    blocks: int
    """Small objects of Python in it, of whatever kind."""
    functions_mb: float
    """PSS of all processes below it: zygotes and function instances."""
    functions: int
    """Processes below the server."""
    files: int
    sockets: int
    """Of the open files."""
    threads: int
    tasks: int
    """Tasks of the event loop."""
    store_mb: float
    wal_mb: float
    blobs_mb: float
    blobs: int
    """Files below blobs/."""
    other_mb: float
    """Unpacked packages and scratch."""
    cpu: float
    """Cores that the server took since the last sample."""
    functions_cpu: float
    """Cores that functions took since the last sample, as far as their processes still live."""
    p50_ms: float
    p99_ms: float
    calls: int
    """Calls since the last sample; p50 and p99 are theirs."""
    machine_ms: float
    """How long a fixed piece of work takes beside the server (hashing, and a synced write): the machine's own pace."""


_NONE, _STR, _INT_ZERO = 0x00, 0x02, 0x14
_QUEUE = pack("sqs", None, "g")
_REGION = re.compile(r"[a-z]{2}-[a-z]+-\d|")

Rows = dict[str, tuple[int, int]]
"""Kind of rows -> how many, bytes of keys and values."""


class Observer:
    """Looks at one server. `url`: its address; `data`: its directory."""

    def __init__(self, pid: int, url: str, data: Path) -> None:
        self._process, self._url, self._data = psutil.Process(pid), url, data
        self._cpu: dict[int, float] = {}
        self._at = time.monotonic()
        self._store = apsw.Connection(str(data / "store.db"), flags=apsw.SQLITE_OPEN_READONLY)
        self._store.set_busy_timeout(5_000)
        self._functions_mb, self._turn = 0.0, 0

    def sample(self, at_s: float, latencies: Sequence[float]) -> Sample:
        """A sample of now; the latencies (ms) are those of the calls since the last one."""
        memory, below = self._process.memory_full_info(), self._process.children(recursive=True)
        if self._turn % 6 == 0:  # adding up the maps of every function costs more than all the rest
            self._functions_mb = sum(map(_pss, below)) / 1e6
        self._turn += 1
        kinds = Counter(_kind(self._process.pid))
        server_cpu, functions_cpu = self._cores(below)
        sizes, inside = self._disk(), self.inside()
        p50, p99 = percentiles(latencies)
        return Sample(
            at_s=round(at_s, 1),
            rss_mb=memory.rss / 1e6,
            pss_mb=memory.pss / 1e6,
            sqlite_mb=inside["sqlite"] / 1e6,
            blocks=inside["blocks"],
            functions_mb=self._functions_mb,
            functions=len(below),
            files=sum(kinds.values()),
            sockets=kinds["socket"],
            threads=self._process.num_threads(),
            tasks=sum(inside["tasks"].values()),
            **sizes,
            cpu=server_cpu,
            functions_cpu=functions_cpu,
            p50_ms=p50,
            p99_ms=p99,
            calls=len(latencies),
            machine_ms=self._pace(),
        )

    def _cores(self, below: Sequence[psutil.Process]) -> tuple[float, float]:
        """Cores taken by the server, and by what is below it, since the last time."""
        now, past, took = time.monotonic(), self._cpu, {}
        for process in (self._process, *below):
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            took[process.pid] = times.user + times.system
        spent, self._cpu, self._at = now - self._at, took, now
        used = {pid: seconds - past.get(pid, 0.0) for pid, seconds in took.items()}
        own = used.pop(self._process.pid, 0.0)
        return own / max(spent, 1e-3), sum(used.values()) / max(spent, 1e-3)

    def _disk(self) -> dict[str, Any]:
        store, wal = (_size(self._data / name) for name in ("store.db", "store.db-wal"))
        blobs = _below(self._data / "blobs")
        other = sum(sum(_below(self._data / name)) for name in ("functions", "scratch"))
        return {
            "store_mb": store / 1e6,
            "wal_mb": wal / 1e6,
            "blobs_mb": sum(blobs) / 1e6,
            "blobs": len(blobs),
            "other_mb": other / 1e6,
        }

    def inside(self, query: str = "") -> Any:
        """What the server's window shows (soak.serving)."""
        with urllib.request.urlopen(f"{self._url}/_freehold/inside?{query}", timeout=60) as answer:
            return json.load(answer)

    def rows(self) -> Rows:
        """The rows of the store by kind, read page by page: no snapshot is held that would keep the log from restarting."""
        found: dict[str, list[int]] = {}
        page = self._page(b"")
        while page:
            for key, size in page:
                entry = found.setdefault(kind_of(key), [0, 0])
                entry[0] += 1
                entry[1] += size
            page = self._page(page[-1][0])
        return {kind: (count, size) for kind, (count, size) in sorted(found.items())}

    def _page(self, last: bytes) -> list[tuple[bytes, int]]:
        wanted = "SELECT k, length(k) + length(v) FROM kv WHERE k > ? ORDER BY k LIMIT 500"
        return cast(list[tuple[bytes, int]], self._store.execute(wanted, (last,)).fetchall())

    def _pace(self) -> float:
        began, block = time.perf_counter(), bytes(1 << 20)
        hashlib.sha256(block).digest()
        descriptor = os.open(self._data.parent / "pace", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, block[:4096], 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return (time.perf_counter() - began) * 1e3


def kind_of(key: bytes) -> str:
    """Service and kind of a row: `pack(service, account, region, kind, ...)`, or what else a key begins with."""
    if key.startswith(_QUEUE):  # rows of a queue: a letter after its number says which
        return f"sqs/queue {chr(key[len(_QUEUE) + 1 + key[len(_QUEUE)] - _INT_ZERO])}"
    names: list[str] = []
    at = 0
    for _ in range(5):
        if at >= len(key) or len(names) == (3 if names[:1] == ["timer"] else 2):
            break
        if key[at] == _STR:
            end = key.find(b"\x00", at)
            name = key[at + 1 : end].decode("utf-8", "replace")
            at = end + 1
            if not (name.isdigit() and len(name) == 12) and not _REGION.fullmatch(name):
                names.append(name if len(name) < 25 else "*")
        elif key[at] == _NONE:
            at += 1
        elif _INT_ZERO - 8 <= key[at] <= _INT_ZERO + 8:
            at += 1 + abs(key[at] - _INT_ZERO)
        else:
            break
    return "/".join(names)


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """p50 and p99; zero where there is nothing."""
    ordered = sorted(values) or [0.0]
    p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99))
    return p50, p99


def table(samples: Sequence[Sample]) -> str:
    """All of them as comma separated values."""
    names = [each.name for each in fields(Sample)]
    lines = [
        ",".join(f"{value:g}" if (value := getattr(s, name)) == int(value) else f"{value:.3f}" for name in names)
        for s in samples
    ]
    return "\n".join([",".join(names), *lines]) + "\n"


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


def _kind(pid: int) -> list[str]:
    """What each open file of a process is."""
    kinds = []
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(entry.path)
        except OSError:
            continue
        kinds.append("file" if target.startswith("/") else target.split(":")[0])
    return kinds


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _below(directory: Path) -> list[int]:
    """Sizes of all files below a directory."""
    found = []
    for place, _, names in os.walk(directory):
        for name in names:
            try:
                found.append(os.lstat(os.path.join(place, name)).st_size)
            except OSError:
                continue
    return found
