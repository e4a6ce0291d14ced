"""Tables of a run, and RESULTS.md."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from soak.judging import Latencies, Verdict
from soak.samples import Rows, Sample, percentiles


def rows_table(taken: Sequence[tuple[float, Rows]]) -> str:
    """Comma separated: rows and bytes of each kind over time."""
    lines = [f"{at:.0f},{kind},{count},{size}" for at, rows in taken for kind, (count, size) in rows.items()]
    return "\n".join(["seconds,kind,rows,bytes", *lines]) + "\n"


def latency_table(latencies: Latencies) -> str:
    """Comma separated: percentiles of each operation in each minute."""
    lines = []
    for (minute, operation), values in sorted(latencies.items()):
        p50, p99 = percentiles(values)
        lines.append(f"{minute},{operation},{len(values)},{p50:.2f},{p99:.2f},{max(values):.2f}")
    return "\n".join(["minute,operation,calls,p50_ms,p99_ms,max_ms", *lines]) + "\n"


MOMENTS = (1, 5, 15, 30, 45, 60)
"""Minutes that the report shows, and the last."""

SHOWN = {
    "rss_mb": "server RSS, MB",
    "pss_mb": "server PSS, MB",
    "functions_mb": "functions PSS, MB",
    "functions": "function processes",
    "files": "open files",
    "threads": "threads",
    "tasks": "tasks",
    "store_mb": "store.db, MB",
    "wal_mb": "log (WAL), MB",
    "blobs_mb": "blobs, MB",
    "other_mb": "packages, scratch, MB",
    "cpu": "cores, server",
    "functions_cpu": "cores, functions",
    "p50_ms": "p50, ms",
    "p99_ms": "p99, ms",
}


def document(samples: Sequence[Sample], latencies: Latencies, verdicts: Sequence[Verdict], wrong: Sequence[str]) -> str:
    """RESULTS.md."""
    minutes = samples[-1].at_s / 60
    calls: defaultdict[str, list[float]] = defaultdict(list)
    for (_, operation), values in latencies.items():
        calls[operation] += values
    total = sum(map(len, calls.values()))
    lines = [
        "# Load held",
        "",
        f"`./dev soak`: {minutes:.0f} minutes, {total:,} calls of {len(calls)} operations "
        f"({total / samples[-1].at_s:.0f} a second). " + ("Everything is flat." if not wrong else "**Not flat:**"),
        "",
        *(f"- {line}" for line in wrong),
        *(("",) if wrong else ()),
        "![the server](results/server.svg)",
        "",
        "## Over time",
        "",
        "Medians of the minute that ends then.",
        "",
        *_moments(samples),
        "",
        "## Judgement",
        "",
        "| what | found | |",
        "|---|---|---|",
        *(f"| {each.title} | {each.said} | {'flat' if each.flat else '**grows**'} |" for each in verdicts),
        "",
        "## Operations",
        "",
        "| operation | calls | p50 ms | p99 ms |",
        "|---|---:|---:|---:|",
    ]
    for operation, values in sorted(calls.items()):
        p50, p99 = percentiles(values)
        lines.append(f"| {operation} | {len(values)} | {p50:.1f} | {p99:.1f} |")
    return "\n".join(lines) + "\n"


def _moments(samples: Sequence[Sample]) -> list[str]:
    last = samples[-1].at_s / 60
    moments = [minute for minute in MOMENTS if minute < last - 0.5] + [last]
    lines = ["| |" + "".join(f" {minute:.0f} min |" for minute in moments), "|---|" + "---:|" * len(moments)]
    for name, title in SHOWN.items():
        cells = []
        for minute in moments:
            around = [s for s in samples if (minute - 1) * 60 < s.at_s <= minute * 60 + 1]
            values = sorted(float(getattr(s, name)) for s in around)
            cells.append(f" {values[len(values) // 2]:.2f} |" if values else " |")
        lines.append(f"| {title} |" + "".join(cells))
    return lines
