"""What /proc tells of an instance's processes, seen from the host."""

from __future__ import annotations

import os
from collections.abc import Iterator


def descendants(pid: int) -> Iterator[int]:
    """A process and all that came from it, as far as they are still there."""
    pending = [pid]
    while pending:
        process = pending.pop()
        yield process
        try:
            for task in os.listdir(f"/proc/{process}/task"):
                with open(f"/proc/{process}/task/{task}/children") as file:
                    pending += [int(word) for word in file.read().split()]
        except OSError:
            continue


def peak_kb(pid: int) -> int:
    """Peak resident KiB of the largest process under an instance's first process; 0 where it cannot be known."""
    return max((_status(process, "VmHWM:") for process in _below(pid)), default=0)


def resident_kb(pid: int) -> int:
    """Resident anonymous KiB of all processes under an instance's first process."""
    return sum(_status(process, "RssAnon:") for process in _below(pid))


def _below(pid: int) -> Iterator[int]:
    return (process for process in descendants(pid) if process != pid)


def _status(pid: int, name: str) -> int:
    try:
        with open(f"/proc/{pid}/status") as file:
            for line in file:
                if line.startswith(name):
                    return int(line.split()[1])
    except OSError:
        pass
    return 0


def sockets(pid: int) -> set[int]:
    """Inodes of the sockets that an instance's processes hold."""
    found: set[int] = set()
    for process in descendants(pid):
        try:
            links = [os.readlink(f"/proc/{process}/fd/{name}") for name in os.listdir(f"/proc/{process}/fd")]
        except OSError:
            continue
        found.update(int(link[8:-1]) for link in links if link.startswith("socket:["))
    return found
