"""Samples of a running server, whether they are flat, and a picture of them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

MARGIN = 0.15
"""The last quarter of a flat run lies at most this much above its second quarter (and FLOOR more)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment."""

    at_s: float
    memory_mb: float
    """Resident memory of the server itself; functions come and go."""
    files: int
    disk_mb: float
    p50_ms: float
    p99_ms: float
    turns: int


SERIES = {
    "memory_mb": ("memory of the server, MB", 20.0),
    "files": ("open files", 20.0),
    "disk_mb": ("data directory, MB", 50.0),
    "p50_ms": ("turn p50, ms", 3.0),
}
"""Series -> (what it is, how much growth is noise)."""


def disk_mb(data: Path) -> float:
    """What the data directory takes."""
    total = 0
    for path in data.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total / 1e6


def take(at_s: float, process: psutil.Process, data: Path, latencies: Sequence[float]) -> Sample:
    """A sample of now and of the turns since the last one."""
    ordered = sorted(latencies) or [0.0]
    p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99))
    return Sample(at_s, process.memory_info().rss / 1e6, process.num_fds(), disk_mb(data), p50, p99, len(latencies))


def grown(samples: Sequence[Sample]) -> dict[str, str]:
    """The series that are not flat: the last quarter against the second (the first warms up)."""
    quarter = len(samples) // 4
    if not quarter:
        return {}
    found = {}
    for name, (title, noise) in SERIES.items():
        values = [getattr(sample, name) for sample in samples]
        early, late = statistics.median(values[quarter : 2 * quarter]), statistics.median(values[-quarter:])
        if late > early * (1 + MARGIN) + noise:
            found[name] = f"{title}: {early:.1f} in the second quarter, {late:.1f} in the last"
    return found


def table(samples: Sequence[Sample]) -> str:
    """All of them as comma separated values."""
    rows = [
        f"{s.at_s:.0f},{s.memory_mb:.1f},{s.files},{s.disk_mb:.1f},{s.p50_ms:.2f},{s.p99_ms:.2f},{s.turns}"
        for s in samples
    ]
    return "\n".join(["seconds,memory_mb,files,disk_mb,p50_ms,p99_ms,turns", *rows]) + "\n"


def picture(samples: Sequence[Sample]) -> str:
    """An SVG: one strip per series over time."""
    width, height, gap = 720, 90, 34
    rows = len(SERIES) * (height + gap) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + 40}" height="{rows}" '
        'font-family="sans-serif" font-size="12">'
    ]
    for row, (name, (title, _)) in enumerate(SERIES.items()):
        values = [float(getattr(sample, name)) for sample in samples]
        top, highest = row * (height + gap) + gap, max(*values, 1e-9) * 1.1
        across = [20 + sample.at_s / max(samples[-1].at_s, 1.0) * width for sample in samples]
        down = [top + height - value / highest * height for value in values]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, down, strict=True))
        said = f"{title}: {values[0]:.1f} at first, {values[-1]:.1f} at last, {max(values):.1f} at most"
        parts.append(f'<text x="20" y="{top - 8}">{said}</text>')
        parts.append(f'<rect x="20" y="{top}" width="{width}" height="{height}" fill="none" stroke="#bbb"/>')
        parts.append(f'<polyline points="{points}" fill="none" stroke="#06c" stroke-width="1.5"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"
