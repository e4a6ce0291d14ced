"""What it was measured on, and how busy that was before."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path

import apsw
import uvicorn

from bench import environments
from bench.limits import redis

HERE = Path(__file__).parent


def busy(seconds: float = 1.0) -> float:
    """Share of all processors that is in use now, by whomever."""
    before = _times()
    time.sleep(seconds)
    used, idle = (now - then for now, then in zip(_times(), before, strict=True))
    return used / max(1, used + idle)


def _times() -> tuple[int, int]:
    words = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = words[3] + words[4]
    return sum(words) - idle, idle


def description() -> str:
    """The machine."""
    kernel = platform.release().partition("-")[0]
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = {line.partition(":")[2].strip() for line in lines if line.startswith("model name")}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    processor = ", ".join(sorted(names)) or "unknown processor"
    return f"{os.cpu_count()} cores ({processor}), {memory:.0f} GB, Linux {kernel}"


def versions() -> str:
    """What ran."""
    parts = [
        f"Freehold at {_revision()}",
        f"Python {platform.python_version()}",
        f"uvicorn {uvicorn.__version__}",
        f"SQLite {apsw.sqlite_lib_version()}",
        environments.version("ministack"),
        environments.version("moto"),
    ]
    if (program := redis.installed()) is not None:
        said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
        parts.append("Redis " + said.partition("v=")[2].partition(" ")[0])
    return ", ".join(parts)


def _revision() -> str:
    try:
        found = subprocess.run(
            ["git", "-C", str(HERE), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "an unknown revision"
    return found.stdout.strip()
