"""Control groups of instances: memory, processes, CPU share, freezing. Version 1 and version 2 of the kernel interface.

Everything here is small blocking file I/O (about 0.2 ms per group); callers run creation, entering and removal on a
worker thread. Groups live under `freehold/` in each hierarchy, named after the server's pid and its start time, so that
the next server finds and sweeps what a killed one left.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

CPU_PERIOD_US = 20_000
FULL_CORE_MB = 1769
"""Memory that buys one core, as Lambda documents."""
MAX_PROCESSES = 1024
"""Processes and threads of one instance, as Lambda's quota."""
_ROOT = "freehold"


class Group(Protocol):
    """The control group of one instance."""

    def enter(self, pid: int) -> None: ...

    def entrances(self) -> list[int]:
        """Open descriptors into which a process of one thread writes `0` to enter by itself; none where it cannot."""
        ...

    def share_cpu(self, memory_mb: int | None) -> None:
        """Limit to the share of a core that the memory size buys; None lifts the limit."""
        ...

    def stop_forks(self) -> None:
        """No new processes: before a fork storm gets its share of a core back to die with."""
        ...

    def freeze(self) -> None: ...

    def thaw(self) -> None: ...

    def charged_bytes(self) -> int:
        """All memory charged to the instance, its /tmp and cached files included. Cheap."""
        ...

    def resident_bytes(self) -> int:
        """Anonymous memory: what the function itself holds."""
        ...

    def pids(self) -> list[int]: ...

    def remove(self) -> bool:
        """Remove the empty group; False while something is still dying in it."""
        ...


class Hierarchy(Protocol):
    """What this host offers to limit and freeze instances."""

    version: int
    controllers: frozenset[str]

    def create(self, name: str, memory_bytes: int) -> Group: ...

    def sweep(self) -> bool:
        """Remove the groups of servers that are gone, after killing what runs in them. False while some are dying."""
        ...

    def close(self) -> None: ...


def detect() -> tuple[Hierarchy | None, str]:
    """The usable hierarchy and how it was found, or None and why not."""
    mounts, unified = _mounts()
    owner = _owner()
    version1 = {name: path / _ROOT for name, path in mounts.items() if _writable(path)}
    if "memory" in version1 and "pids" in version1:
        return _Version1(version1, owner), "cgroup v1: " + ", ".join(sorted(version1))
    if unified is not None:
        return _detect_unified(unified, owner)
    return None, "resource limits and a watch: no writable control group hierarchy"


def _detect_unified(unified: Path, owner: str) -> tuple[Hierarchy | None, str]:
    """The root of the hierarchy where that is ours, else our own group where it has been delegated."""
    own = unified / Path("/proc/self/cgroup").read_text().rsplit("::", 1)[-1].strip().lstrip("/")
    for parent in dict.fromkeys((unified, own)):
        try:
            offered = set((parent / "cgroup.controllers").read_text().split()) & {"memory", "pids", "cpu"}
            if {"memory", "pids"} <= offered:
                root = _open_unified(parent, offered)
                return _Version2(root, frozenset(offered), owner), "cgroup v2: " + ", ".join(sorted(offered))
        except OSError:
            continue
    return None, "resource limits and a watch: cgroup v2 without delegated memory and pids controllers"


def _open_unified(parent: Path, controllers: Iterable[str]) -> Path:
    """A group under `parent` whose children have the controllers."""
    enable = " ".join(f"+{name}" for name in sorted(controllers))
    try:
        (parent / "cgroup.subtree_control").write_text(enable)
    except OSError as problem:
        if problem.errno != errno.EBUSY:
            raise
        # Only a group without processes of its own may hand on controllers: ours move one level down.
        _move_down(parent)
        (parent / "cgroup.subtree_control").write_text(enable)
    root = parent / _ROOT
    root.mkdir(exist_ok=True)
    (root / "cgroup.subtree_control").write_text(enable)
    return root


def _move_down(parent: Path) -> None:
    below = parent / f"{_ROOT}-server"
    below.mkdir(exist_ok=True)
    for pid in (parent / "cgroup.procs").read_text().split():
        with contextlib.suppress(ProcessLookupError):
            (below / "cgroup.procs").write_text(pid)


def _mounts() -> tuple[dict[str, Path], Path | None]:
    found: dict[str, Path] = {}
    unified = None
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        path = Path(left.split(" ")[4])
        if kind == "cgroup2":
            unified = path
        elif kind == "cgroup":
            for name in options.split(","):
                if name in ("memory", "pids", "cpu", "freezer"):
                    found[name] = path
    return found, unified


def _writable(path: Path) -> bool:
    try:
        (path / _ROOT).mkdir(exist_ok=True)
        probe = path / _ROOT / f"probe-{os.getpid()}"
        probe.mkdir()
        probe.rmdir()
    except OSError:
        return False
    return True


def _start_time(pid: int) -> str | None:
    """When a process began, in clock ticks since boot; None when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return None


def _owner() -> str:
    return f"{os.getpid()}-{_start_time(os.getpid())}"


def _abandoned(root: Path, owner: str) -> Iterable[Path]:
    try:
        names = os.listdir(root)
    except OSError:
        return
    for name in names:
        pid, _, started = name.partition("-")
        if name == owner or not pid.isdigit() or not (root / name).is_dir():
            continue
        if _start_time(int(pid)) != started:
            yield root / name


def _remove_tree(root: Path) -> None:
    for directory, _subdirectories, _files in os.walk(root, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(directory)


def _kill_all(owner: Path) -> None:
    """Kill what runs in the groups of a server that is gone; groups may vanish meanwhile."""
    for procs in owner.glob("*/cgroup.procs"):
        with contextlib.suppress(OSError):
            for pid in procs.read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _read(path: str) -> str:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 16384).decode()
    finally:
        os.close(descriptor)


def _quota_us(memory_mb: int) -> int:
    return max(1000, CPU_PERIOD_US * memory_mb // FULL_CORE_MB)


def _removed(path: str) -> bool:
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError as problem:
        if problem.errno == errno.EBUSY:
            return False
        raise
    return True


@dataclass(slots=True)
class _Group1:
    """One directory per controller."""

    paths: Mapping[str, str]

    def enter(self, pid: int) -> None:
        for path in self.paths.values():
            _write(path + "/cgroup.procs", str(pid))

    def entrances(self) -> list[int]:
        # Whoever moves others waits for all processors to agree, 5 to 13 ms on a quiet machine; a thread that moves
        # itself need not (Linux 5.6: "cgroup: Optimize single thread migration") and takes 0.1 ms.
        return [os.open(path + "/tasks", os.O_WRONLY | os.O_CLOEXEC) for path in self.paths.values()]

    def share_cpu(self, memory_mb: int | None) -> None:
        if "cpu" in self.paths:
            quota = -1 if memory_mb is None else _quota_us(memory_mb)
            _write(self.paths["cpu"] + "/cpu.cfs_quota_us", str(quota))

    def stop_forks(self) -> None:
        _write(self.paths["pids"] + "/pids.max", "0")

    def freeze(self) -> None:
        if "freezer" in self.paths:
            _write(self.paths["freezer"] + "/freezer.state", "FROZEN")

    def thaw(self) -> None:
        if "freezer" in self.paths:
            _write(self.paths["freezer"] + "/freezer.state", "THAWED")

    def charged_bytes(self) -> int:
        return int(_read(self.paths["memory"] + "/memory.usage_in_bytes"))

    def resident_bytes(self) -> int:
        return _field(_read(self.paths["memory"] + "/memory.stat"), "rss")

    def pids(self) -> list[int]:
        return [int(line) for line in _read(self.paths["pids"] + "/cgroup.procs").split()]

    def remove(self) -> bool:
        left = [path for path in self.paths.values() if not _removed(path)]
        return not left


def _field(text: str, name: str) -> int:
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


class _Version1:
    version = 1

    def __init__(self, roots: dict[str, Path], owner: str) -> None:
        self._roots = roots
        self._owner = owner
        self.controllers = frozenset(roots)
        self._open = {name: str(root / owner) for name, root in roots.items()}
        for path in self._open.values():
            os.makedirs(path, exist_ok=True)

    def create(self, name: str, memory_bytes: int) -> Group:
        paths = {controller: f"{base}/{name}" for controller, base in self._open.items()}
        for path in paths.values():
            os.mkdir(path)
        _write(paths["memory"] + "/memory.limit_in_bytes", str(memory_bytes))
        _write(paths["pids"] + "/pids.max", str(MAX_PROCESSES))
        if "cpu" in paths:
            _write(paths["cpu"] + "/cpu.cfs_period_us", str(CPU_PERIOD_US))
        return _Group1(paths)

    def sweep(self) -> bool:
        for controller in ("freezer", "pids", *self._roots):
            if controller not in self._roots:
                continue
            for left in list(_abandoned(self._roots[controller], self._owner)):
                for state in left.glob("*/freezer.state"):
                    with contextlib.suppress(OSError):
                        state.write_text("THAWED")
                _kill_all(left)
                _remove_tree(left)
        return not any(list(_abandoned(root, self._owner)) for root in self._roots.values())

    def close(self) -> None:
        for path in self._open.values():
            _remove_tree(Path(path))


@dataclass(slots=True)
class _Group2:
    """One directory with every controller."""

    path: str

    def enter(self, pid: int) -> None:
        _write(self.path + "/cgroup.procs", str(pid))

    def entrances(self) -> list[int]:
        return []

    def share_cpu(self, memory_mb: int | None) -> None:
        quota = "max" if memory_mb is None else str(_quota_us(memory_mb))
        with contextlib.suppress(FileNotFoundError):
            _write(self.path + "/cpu.max", f"{quota} {CPU_PERIOD_US}")

    def stop_forks(self) -> None:
        _write(self.path + "/pids.max", "0")

    def freeze(self) -> None:
        _write(self.path + "/cgroup.freeze", "1")

    def thaw(self) -> None:
        _write(self.path + "/cgroup.freeze", "0")

    def charged_bytes(self) -> int:
        return int(_read(self.path + "/memory.current"))

    def resident_bytes(self) -> int:
        return _field(_read(self.path + "/memory.stat"), "anon")

    def pids(self) -> list[int]:
        return [int(line) for line in _read(self.path + "/cgroup.procs").split()]

    def remove(self) -> bool:
        return _removed(self.path)


class _Version2:
    version = 2

    def __init__(self, root: Path, controllers: frozenset[str], owner: str) -> None:
        self._root = root
        self._owner = owner
        self.controllers = controllers
        self._open = str(root / owner)
        os.makedirs(self._open, exist_ok=True)
        enable = " ".join(f"+{name}" for name in sorted(controllers))
        _write(self._open + "/cgroup.subtree_control", enable)

    def create(self, name: str, memory_bytes: int) -> Group:
        path = f"{self._open}/{name}"
        os.mkdir(path)
        _write(path + "/memory.max", str(memory_bytes))
        _write(path + "/pids.max", str(MAX_PROCESSES))
        with contextlib.suppress(FileNotFoundError):
            _write(path + "/memory.swap.max", "0")
        return _Group2(path)

    def sweep(self) -> bool:
        for left in list(_abandoned(self._root, self._owner)):
            _kill_all(left)
            _remove_tree(left)
        return not list(_abandoned(self._root, self._owner))

    def close(self) -> None:
        _remove_tree(Path(self._open))
