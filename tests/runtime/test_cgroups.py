"""Control groups: version 1 as this host has it, version 2 against a directory that behaves like the kernel's."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from freehold.runtime import cgroups

FILES = ("cgroup.procs", "cgroup.subtree_control", "cgroup.freeze", "memory.max", "memory.current", "memory.stat",
         "memory.swap.max", "pids.max", "cpu.max")  # fmt: skip


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A unified hierarchy: every new directory has the kernel's files."""

    def fill(path: str | Path) -> None:
        for name in FILES:
            Path(path, name).write_text("")

    real_mkdir = os.mkdir

    def mkdir(path: str | Path, mode: int = 0o777) -> None:
        real_mkdir(path, mode)
        fill(path)

    monkeypatch.setattr(os, "mkdir", mkdir)
    fill(tmp_path)
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    return tmp_path


def test_version_2_limits_freezes_and_reads(kernel: Path) -> None:
    hierarchy, detail = cgroups._detect_unified(kernel, "1-1")
    assert hierarchy is not None and detail == "cgroup v2: cpu, memory, pids"
    assert (kernel / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    group = hierarchy.create("7", 640 << 20)
    path = kernel / "freehold" / "1-1" / "7"
    assert (path / "memory.max").read_text() == str(640 << 20)
    assert (path / "pids.max").read_text() == "1024"
    group.enter(4242)
    assert (path / "cgroup.procs").read_text() == "4242"
    group.share_cpu(1769)
    assert (path / "cpu.max").read_text() == "20000 20000"
    group.freeze()
    assert (path / "cgroup.freeze").read_text() == "1"
    (path / "memory.current").write_text("99\n")
    (path / "memory.stat").write_text("anon 77\nfile 22\n")
    assert (group.charged_bytes(), group.resident_bytes()) == (99, 77)


def test_version_2_without_controllers_is_not_used(kernel: Path) -> None:
    (kernel / "cgroup.controllers").write_text("cpuset io\n")
    hierarchy, detail = cgroups._detect_unified(kernel, "1-1")
    assert hierarchy is None and "without delegated memory" in detail


def test_version_2_moves_processes_out_of_the_way(kernel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel hands no controllers to the children of a group that has processes."""
    (kernel / "cgroup.procs").write_text("11\n12\n")
    real = Path.write_text

    def write_text(self: Path, text: str, *args: object, **named: object) -> int:
        if self == kernel / "cgroup.subtree_control" and not (kernel / "freehold-server").exists():
            raise OSError(errno.EBUSY, "busy")
        return real(self, text)

    monkeypatch.setattr(Path, "write_text", write_text)
    assert cgroups._detect_unified(kernel, "1-1")[0] is not None
    assert (kernel / "freehold-server" / "cgroup.procs").read_text() == "12", "the last of those moved"


def test_this_hosts_hierarchy_holds_a_process() -> None:
    hierarchy, detail = cgroups.detect()
    if hierarchy is None:
        pytest.skip(detail)
    try:
        group = hierarchy.create("test", 256 << 20)
        with subprocess.Popen(["sleep", "60"]) as process:
            group.enter(process.pid)
            assert group.pids() == [process.pid]
            assert group.charged_bytes() >= 0 and group.resident_bytes() >= 0
            assert not group.remove(), "not while something runs in it"
            group.freeze()
            group.thaw()
            process.kill()
        assert group.remove()
    finally:
        hierarchy.close()
