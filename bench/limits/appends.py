"""Durable appends: records of 300 bytes written at the end of a file, each write followed by fdatasync."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

RECORD = b"x" * 300


def measure(directory: Path, together: int, seconds: float) -> dict[str, Any]:
    """Records a second when `together` of them share a sync, and milliseconds of a sync."""
    file = directory / "appends"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    written = RECORD * together
    took: list[float] = []
    try:
        os.pwrite(descriptor, bytes(16 << 20), 0)  # a file that is made longer takes twice as long to sync
        os.fsync(descriptor)
        until = time.perf_counter() + seconds
        began = at = 0.0
        offset = 0
        while (began := time.perf_counter()) < until:
            if os.pwrite(descriptor, written, offset) != len(written):
                raise OSError("a record was not written whole")
            os.fdatasync(descriptor)
            offset = (offset + len(written)) % (15 << 20)
            at = time.perf_counter() - began
            took.append(at)
    finally:
        os.close(descriptor)
        file.unlink()
    took.sort()
    p50, p99 = (round(took[int(len(took) * share)] * 1e3, 3) for share in (0.5, 0.99))
    return {"rps": round(len(took) * together / sum(took), 1), "p50_ms": p50, "p99_ms": p99, "errors": 0}
