"""Whether a run was flat: rules with bounds, each stated in one line.

Growth is the slope of the second half of the run by Theil and Sen (the median of the slopes of all pairs: a third of the
samples may be wild without moving it), times the length of that half. What a run may grow by is a fixed noise, and for
memory what a slow, explained growth may be: the first half warms caches up.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from soak.samples import Rows, Sample, percentiles

SETTLED_S = 20 * 60.0
"""A shorter run has not warmed up: its bounds are WARMING times as wide."""
WARMING = 4.0


@dataclass(frozen=True, slots=True)
class Rule:
    """A series may rise in the second half by `noise`, and by `share` of its level per hour."""

    series: str
    title: str
    noise: float
    share: float = 0.0
    most: float | None = None
    """It never passes this."""


RULES = (
    Rule("rss_mb", "resident memory of the server, MB", 3.0, 0.05),
    Rule("pss_mb", "proportional memory of the server, MB", 3.0, 0.05),
    Rule("functions_mb", "memory of the functions, MB", 40.0, 0.10),
    Rule("functions", "processes of functions", 4.0, 0.05),
    Rule("files", "open files", 8.0),
    Rule("sockets", "open sockets", 8.0),
    Rule("threads", "threads", 1.0),
    Rule("tasks", "tasks of the event loop", 8.0),
    Rule("wal_mb", "write-ahead log, MB", 4.0, most=32.0),
    Rule("blobs", "files of blobs", 8.0),
    Rule("blobs_mb", "files of blobs, MB", 10.0),
    Rule("other_mb", "unpacked packages and scratch, MB", 5.0),
)

KEPT = {
    "meter": "one row per meter and minute, kept for 15 days as CloudWatch keeps them",
    "trace": "segments of sampled traces, kept for 30 days as X-Ray does",
    "logs/d": "log events, kept as long as the retention of their group says: a day at least",
    "logs/t": "the index of log events by time, which goes with them",
    **dict.fromkeys(
        ("cloudformation/e", "cloudformation/r", "cloudformation/s", "cloudformation/t", "cloudformation/j"),
        "deleted stacks and their events can be described for 90 days, as on AWS",
    ),
    "timer/by/cloudformation": "when a deleted stack is forgotten",
    "timer/due/cloudformation": "when a deleted stack is forgotten",
    "scheduler/gone": "client tokens of deletions, by the hour, for two hours",
    "logs/s": "log streams: one per function instance; they go with their events",
}
"""Rows that a run is allowed to gather, because AWS's retention is longer than the run: steadily, never faster. That they go
when it is over is shown by `resting`."""

FILLING = {
    "sqs/r": "deduplication ids of the last five minutes",
    "sns/d": "deduplication ids of the last five minutes",
    "lambda/event": "events between their attempts",
    "timer/by/lambda.events": "events between their attempts",
    "timer/due/lambda.events": "events between their attempts",
}
"""Rows that stay for minutes: in a run that is too short to settle they are judged as those that are kept."""

ROWS_NOISE, ROWS_SHARE = 60, 0.10
"""Rows of any other kind may rise in the second half by so many, and by this share of their level per hour."""
FASTER = 1.35
"""What is kept may gather in the last quarter so many times as fast as in the one before it."""

P50_FACTOR, P50_NOISE_MS = 1.35, 3.0
P99_FACTOR, P99_NOISE_MS = 1.75, 25.0
"""The median over the minutes of the last third may be so many times that of the second third, and so much more. Where the
machine itself was slower (`machine_ms`), as much more is allowed."""
ENOUGH = 10
"""Calls in a minute for its percentiles to count."""

Latencies = Mapping[tuple[int, str], Sequence[float]]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Theil and Sen's: the median of the slopes between all pairs."""
    thinned = points[:: max(1, len(points) // 240)]
    slopes = [(v - u) / (t - s) for at, (s, u) in enumerate(thinned) for t, v in thinned[at + 1 :] if t > s]
    return statistics.median(slopes) if slopes else 0.0


def second_half(points: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """Rise by the slope, level (median) and length in seconds of the second half."""
    half = [point for point in points if point[0] >= points[-1][0] / 2]
    length = half[-1][0] - half[0][0]
    return slope(half) * length, statistics.median(value for _, value in half), length


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule found."""

    title: str
    said: str
    flat: bool


def judge_samples(samples: Sequence[Sample]) -> list[Verdict]:
    """The rules of RULES."""
    wide = WARMING if samples[-1].at_s < SETTLED_S else 1.0
    verdicts = []
    for rule in RULES:
        rise, level, length = second_half([(sample.at_s, float(getattr(sample, rule.series))) for sample in samples])
        bound = (rule.noise + rule.share * level * length / 3600) * wide
        said, flat = f"{rise:+.1f} in the second half at {level:.1f} (at most {bound:+.1f})", rise <= bound
        if rule.most is not None:
            highest = max(float(getattr(sample, rule.series)) for sample in samples)
            said, flat = f"{said}, {highest:.1f} at most (bound {rule.most:g})", flat and highest <= rule.most
        verdicts.append(Verdict(rule.title, said, flat))
    return verdicts


def judge_rows(taken: Sequence[tuple[float, Rows]]) -> list[Verdict]:
    """Rows by kind: steady, or (KEPT) gathering no faster than before."""
    wide = WARMING if taken[-1][0] < SETTLED_S else 1.0
    kept = KEPT if taken[-1][0] >= SETTLED_S else KEPT | FILLING
    verdicts = []
    for kind in sorted({kind for _, rows in taken for kind in rows}):
        points = [(at_s, float(rows.get(kind, (0, 0))[0])) for at_s, rows in taken]
        rise, level, length = second_half(points)
        if kind in kept:
            verdicts.append(_gathering(kind, points, kept[kind], wide))
            continue
        bound = (ROWS_NOISE + ROWS_SHARE * level * length / 3600) * wide
        said = f"{rise:+.0f} in the second half at {level:.0f} (at most {bound:+.0f})"
        verdicts.append(Verdict(f"rows {kind}", said, rise <= bound))
    return verdicts


def _gathering(kind: str, points: Sequence[tuple[float, float]], why: str, wide: float) -> Verdict:
    """Rows that are kept may gather steadily; with fewer than three looks in a quarter there is nothing to compare."""
    parts = [_part(points, quarter, 4) for quarter in (2, 3)]
    before, last = (slope(part) * 60 for part in parts)
    bound = before * FASTER * (1.0 if wide == 1.0 else 2.0) + 3.0 * wide
    said = f"{last:.1f} rows a minute at last, {before:.1f} before (at most {bound:.1f}): {why}"
    return Verdict(f"rows {kind}", said, last <= bound or min(map(len, parts)) < 3)


def judge_latency(latencies: Latencies, samples: Sequence[Sample]) -> list[Verdict]:
    """Every operation that was called often enough; latencies of a busy machine are judged by medians of minutes."""
    by_operation: defaultdict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for (minute, operation), values in sorted(latencies.items()):
        if len(values) >= ENOUGH:
            by_operation[operation].append((minute * 60.0, *percentiles(values)))
    pace = [(sample.at_s, sample.machine_ms) for sample in samples]
    end = samples[-1].at_s
    before, after = (statistics.median(v for _, v in _part(pace, third, 3, end)) for third in (1, 2))
    slower = max(1.0, after / max(before, 1e-6))
    verdicts = []
    for operation, minutes in sorted(by_operation.items()):
        parts = [[each for each in minutes if third * end / 3 <= each[0] < (third + 1) * end / 3] for third in (1, 2)]
        if not all(parts):
            continue
        for place, name, factor, noise in ((1, "p50", P50_FACTOR, P50_NOISE_MS), (2, "p99", P99_FACTOR, P99_NOISE_MS)):
            early, late = (statistics.median(each[place] for each in part) for part in parts)
            bound = early * factor * slower + noise
            said = f"{early:.1f} ms in the second third, {late:.1f} in the last (at most {bound:.1f})"
            verdicts.append(Verdict(f"{operation} {name}", said, late <= bound))
    return verdicts


def _part(
    points: Sequence[tuple[float, float]], number: int, of: int, end: float | None = None
) -> list[tuple[float, float]]:
    end = points[-1][0] if end is None else end
    return [point for point in points if number * end / of <= point[0] <= (number + 1) * end / of] or list(points[-1:])
