"""Pictures of a run: SVG, drawn by hand, small enough to commit."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from soak.judging import Latencies
from soak.samples import Rows, Sample

WIDTH, HEIGHT, GAP, MARGIN, COLUMNS = 440, 76, 40, 14, 2
POINTS = 130
"""A line of more samples shows the median of those that share a point, and the highest where that matters."""
COLORS = ("#0b62c4", "#c2410c", "#15803d", "#7e22ce")


@dataclass(frozen=True, slots=True)
class Strip:
    """One small chart: lines by name over the same time."""

    title: str
    lines: Mapping[str, Sequence[tuple[float, float]]]


def sample_strips(samples: Sequence[Sample]) -> list[Strip]:
    """Memory, files, disk, processor."""

    def line(name: str) -> list[tuple[float, float]]:
        return [(sample.at_s, float(getattr(sample, name))) for sample in samples]

    return [
        Strip("server, MB", {"RSS": line("rss_mb"), "PSS": line("pss_mb"), "SQLite": line("sqlite_mb")}),
        Strip("small objects of Python", {"": line("blocks")}),
        Strip("functions, MB (PSS)", {"": line("functions_mb")}),
        Strip("open files", {"all": line("files"), "sockets": line("sockets")}),
        Strip("threads, tasks", {"threads": line("threads"), "tasks": line("tasks")}),
        Strip("store.db, MB", {"": line("store_mb")}),
        Strip("write-ahead log, MB", {"": line("wal_mb")}),
        Strip("blobs, MB", {"": line("blobs_mb")}),
        Strip("files of blobs", {"": line("blobs")}),
        Strip("packages and scratch, MB", {"": line("other_mb")}),
        Strip("processes of functions", {"": line("functions")}),
        Strip("cores", {"server": line("cpu"), "functions": line("functions_cpu")}),
        Strip("all calls, ms", {"p50": line("p50_ms"), "p99": line("p99_ms")}),
        Strip("the machine's own pace, ms", {"": line("machine_ms")}),
        Strip("calls between samples", {"": line("calls")}),
    ]


def latency_strips(latencies: Latencies, most: int = 24) -> list[Strip]:
    """p50 and p99 by minute of the operations that were called most."""
    calls: dict[str, int] = {}
    for (_, operation), minute in latencies.items():
        calls[operation] = calls.get(operation, 0) + minute.calls
    strips = []
    for operation in sorted(sorted(calls, key=lambda each: -calls[each])[:most]):
        points = [(minute * 60.0, found) for (minute, name), found in sorted(latencies.items()) if name == operation]
        lines = {"p50": [(at, found.p50) for at, found in points], "p99": [(at, found.p99) for at, found in points]}
        strips.append(Strip(f"{operation}, ms", lines))
    return strips


def row_strips(taken: Sequence[tuple[float, Rows]], most: int = 30) -> list[Strip]:
    """Rows by kind, those of which there were most."""
    highest = {kind: max(rows.get(kind, (0, 0))[0] for _, rows in taken) for _, rows in taken for kind in rows}
    kinds = sorted(sorted(highest, key=lambda kind: -highest[kind])[:most])
    return [
        Strip(f"rows {kind}", {"": [(at, float(rows.get(kind, (0, 0))[0])) for at, rows in taken]}) for kind in kinds
    ]


def svg(strips: Sequence[Strip]) -> str:
    """The strips, two beside each other."""
    down = -(-len(strips) // COLUMNS)
    width, height = COLUMNS * (WIDTH + 2 * MARGIN), down * (HEIGHT + GAP) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for place, strip in enumerate(strips):
        left = (place % COLUMNS) * (WIDTH + 2 * MARGIN) + MARGIN
        parts += _drawn(strip, left, (place // COLUMNS) * (HEIGHT + GAP) + GAP - 8)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _drawn(strip: Strip, left: float, top: float) -> list[str]:
    every = [point for line in strip.lines.values() for point in line]
    if not every:
        return []
    end = max(max(at for at, _ in every), 1.0)
    highest = max(max(value for _, value in every), 1e-9) * 1.08
    parts = [
        f'<rect x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#ccc"/>',
        f'<text x="{left + WIDTH}" y="{top + HEIGHT + 11}" text-anchor="end" fill="#777">{end / 60:.0f} min</text>',
        f'<text x="{left}" y="{top - 5}">{_escaped(strip.title)}',
    ]
    for color, (name, line) in zip(COLORS, strip.lines.items(), strict=False):
        values = [value for _, value in line]
        said = f"{name} {_short(values[0])} … {_short(values[-1])}, most {_short(max(values))}".strip()
        parts.append(f'<tspan fill="{color}" dx="8">{_escaped(said)}</tspan>')
    parts.append("</text>")
    for color, line in zip(COLORS, strip.lines.values(), strict=False):
        points = " ".join(
            f"{left + at / end * WIDTH:.1f},{top + HEIGHT - value / highest * HEIGHT:.1f}" for at, value in _thin(line)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.2"/>')
    return parts


def _thin(line: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    step = -(-len(line) // POINTS)
    groups = [line[at : at + step] for at in range(0, len(line), step)]
    return [(group[-1][0], statistics.median(value for _, value in group)) for group in groups]


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
