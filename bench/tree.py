"""Processor time, memory and processes of a server and everything below it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Usage:
    """Of a whole tree: seconds of processor time of what is still alive, MB of memory with shared pages divided among
    those who share them, number of processes, and MB of the server's own process."""

    cpu_s: float
    memory_mb: float
    processes: int
    server_mb: float


def usage(pid: int) -> Usage:
    """What the tree under `pid` takes now."""
    root = psutil.Process(pid)
    cpu = memory = own = 0.0
    count = 0
    for process in [root, *root.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            times, taken = process.cpu_times(), process.memory_full_info().pss / 1e6
            cpu += times.user + times.system
            memory += taken
            own += taken if process.pid == pid else 0.0
            count += 1
    return Usage(cpu, memory, count, own)
