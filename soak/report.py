"""Tables of a run, and RESULTS.md."""

from __future__ import annotations

import csv
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from soak.judging import Latencies, Minute, Verdict
from soak.samples import Rows, Sample


def rows_table(taken: Sequence[tuple[float, Rows]]) -> str:
    """Comma separated: rows and bytes of each kind over time."""
    lines = [f"{at:.0f},{kind},{count},{size}" for at, rows in taken for kind, (count, size) in rows.items()]
    return "\n".join(["seconds,kind,rows,bytes", *lines]) + "\n"


def latency_table(latencies: Latencies) -> str:
    """Comma separated: percentiles of each operation in each minute."""
    lines = []
    for (minute, operation), found in sorted(latencies.items()):
        lines.append(f"{minute},{operation},{found.calls},{found.p50:.2f},{found.p99:.2f},{found.most:.2f}")
    return "\n".join(["minute,operation,calls,p50_ms,p99_ms,max_ms", *lines]) + "\n"


def read(directory: Path) -> tuple[list[Sample], list[tuple[float, Rows]], dict[tuple[int, str], Minute]]:
    """The tables of a run, to judge and draw them once more."""
    with (directory / "samples.csv").open() as file:
        names = [each.name for each in fields(Sample)]
        read = [[float(row[name]) for name in names] for row in csv.DictReader(file)]
        samples = [Sample(*values) for values in read]  # type: ignore[arg-type]
    rows: dict[float, Rows] = {}
    with (directory / "rows.csv").open() as file:
        for row in csv.DictReader(file):
            rows.setdefault(float(row["seconds"]), {})[row["kind"]] = (int(row["rows"]), int(row["bytes"]))
    latencies = {}
    with (directory / "latency.csv").open() as file:
        for row in csv.DictReader(file):
            numbers = (float(row[name]) for name in ("p50_ms", "p99_ms", "max_ms"))
            latencies[int(row["minute"]), row["operation"]] = Minute(int(row["calls"]), *numbers)
    return samples, list(rows.items()), latencies


_NAMES = re.compile(r"[0-9a-f-]{30,}|(?<=/_apis/)\w+|(?<=127\.0\.0\.1:)\d+|\d{3,}(?=[^ ]*$)|(?<=-)\d+\b")

MOMENTS = (1, 5, 15, 30, 45, 60)
"""Minutes that the report shows, and the last."""

SHOWN = {
    "rss_mb": "server RSS, MB",
    "pss_mb": "server PSS, MB",
    "sqlite_mb": "of it SQLite, MB",
    "blocks": "small objects of Python",
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


def document(
    samples: Sequence[Sample],
    latencies: Latencies,
    verdicts: Sequence[Verdict],
    failed: Sequence[str],
    pictures: str = "",
    notes: str = "",
) -> str:
    """RESULTS.md. `failed`: steps that ended in an error, and what was not there at the end; `pictures`: where they are."""
    grows = [each for each in verdicts if not each.flat]
    operations: defaultdict[str, list[Minute]] = defaultdict(list)
    for (_, operation), found in sorted(latencies.items()):
        operations[operation].append(found)
    total = sum(found.calls for found in latencies.values())
    rows = [each for each in verdicts if each.title.startswith("rows ")]
    of_one = {f"{operation} {name}" for operation in operations for name in ("p50", "p99")}
    series = [each for each in verdicts if each not in rows and (each.title not in of_one or not each.flat)]
    lines = [
        "# Load held",
        "",
        f"`./dev soak --minutes {samples[-1].at_s / 60:.0f}`: {total:,} calls of {len(operations)} operations, "
        f"{total / samples[-1].at_s:.0f} a second. {len(verdicts) - len(grows)} of {len(verdicts)} series are flat.",
        "",
        *(f"- **{each.title}**: {each.said}" for each in grows),
        *(f"- {line}" for line in failed),
        "",
        notes,
        f"![the server]({pictures}server.svg)",
        "",
        f"[Latency by operation]({pictures}latency.svg), [rows by kind]({pictures}rows.svg), "
        f"[samples]({pictures}samples.csv).",
        "",
        "## Over time",
        "",
        "Medians of the minute that ends then.",
        "",
        *_moments(samples),
        "",
        "## Judgement",
        "",
        f"The rules and their bounds are in `soak/judging.py`. Of {len(of_one)} percentiles of single operations only those "
        "that are not flat are listed here.",
        "",
        *_table(series),
        "",
        "Rows of the store:",
        "",
        *_table(rows),
        "",
        "## Operations",
        "",
        "Medians over the minutes of p50 and p99, and the worst call.",
        "",
        "| operation | calls | p50 ms | p99 ms | worst ms |",
        "|---|---:|---:|---:|---:|",
    ]
    for operation, minutes in sorted(operations.items()):
        p50, p99 = (statistics.median(getattr(minute, name) for minute in minutes) for name in ("p50", "p99"))
        calls, worst = sum(minute.calls for minute in minutes), max(minute.most for minute in minutes)
        lines.append(f"| {operation} | {calls} | {p50:.1f} | {p99:.1f} | {worst:.0f} |")
    return "\n".join(lines) + "\n"


def _table(verdicts: Sequence[Verdict]) -> list[str]:
    lines = [f"| {each.title} | {each.said} | {'flat' if each.flat else '**grows**'} |" for each in verdicts]
    return ["| what | found | |", "|---|---|---|", *lines]


def alike(problems: Mapping[str, int]) -> list[str]:
    """Problems that differ by names and numbers only, counted together."""
    counted: Counter[str] = Counter()
    for problem, count in problems.items():
        counted[_NAMES.sub("…", problem)[:200]] += count
    return [f"{count} times {what}" for what, count in counted.most_common()]


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
