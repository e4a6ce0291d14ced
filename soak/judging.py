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
from itertools import pairwise

from soak.samples import Rows, Sample

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
    """It does not pass this in more than RARELY of the samples."""
    per_process: float = 0.0
    """As much more for every process of functions by which there are more."""


RARELY = 0.01
"""Whoever looks at the store from outside, as this command does, may hold its log back for a moment."""

RULES = (
    Rule("rss_mb", "resident memory of the server, MB", 3.0, 0.05),
    Rule("pss_mb", "proportional memory of the server, MB", 3.0, 0.05),
    Rule("functions_mb", "memory of the functions, MB", 40.0, 0.10),
    Rule("functions", "processes of functions", 8.0, 0.10),
    Rule("files", "open files", 8.0, per_process=3.0),
    Rule("sockets", "open sockets", 8.0, per_process=2.0),
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
    **dict.fromkeys(
        ("events/replay", "timer/by/events.replay", "timer/due/events.replay"),
        "replays can be described for 90 days after their end, as on AWS",
    ),
    "scheduler/gone": "client tokens of deletions, by the hour, for two hours",
    "logs/s": "log streams: one per function instance; they go with their events",
}
"""Rows that a run is allowed to gather, because AWS's retention is longer than the run: steadily, never faster. That they go
when it is over is shown by `resting`."""

FILLING = {
    "sqs/r": "deduplication ids of the last five minutes",
    "sns/d": "deduplication ids of the last five minutes",
    "dynamodb/e": "client request tokens of the last ten minutes",
    "dynamodb/k": "client request tokens of the last ten minutes",
    "lambda/event": "events between their attempts",
    "timer/by/lambda.events": "events between their attempts",
    "timer/due/lambda.events": "events between their attempts",
}
"""Rows that stay for minutes, swept in turns of minutes: a sawtooth, whose peak in the last third may be PEAK times that
of the second. In a run that is too short to settle they are judged as those that are kept."""
PEAK = 1.4

ROWS_NOISE, ROWS_SHARE = 60, 0.10
"""Rows of any other kind may rise in the second half by so many, and by this share of their level per hour."""
FASTER = 1.35
"""What is kept may gather in the last quarter so many times as fast as in the one before it."""

P50_FACTOR, P50_NOISE_MS = 1.35, 3.0
P99_FACTOR, P99_NOISE_MS = 1.75, 25.0
"""What an operation's latency in the last third may be of that in the second third, and so much more (see judge_latency)."""
TOO_BUSY = 2.0
"""Where the machine itself became so many times slower, single operations are not judged."""
ENOUGH = 10
"""Calls in a minute for its percentiles to count."""
MINUTES = 4
"""Such minutes in a third for an operation to be judged; one where the thirds of a run are shorter."""
ROOM = 0.2
"""Bytes of store.db for a byte of rows that the second half may add."""
WORK_SHARE = 0.15
"""The server's processor time for a thousand calls may rise by this share of its level in the second half."""


@dataclass(frozen=True, slots=True)
class Minute:
    """The calls of one operation in one minute; percentiles and the worst in milliseconds."""

    calls: int
    p50: float
    p99: float
    most: float


Latencies = Mapping[tuple[int, str], Minute]
"""By minute and operation."""


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

    def half(series: str) -> tuple[float, float, float]:
        return second_half([(sample.at_s, float(getattr(sample, series))) for sample in samples])

    wide = WARMING if samples[-1].at_s < SETTLED_S else 1.0
    processes = max(0.0, half("functions")[0])
    verdicts = []
    for rule in RULES:
        rise, level, length = half(rule.series)
        bound = (rule.noise + rule.share * level * length / 3600) * wide + rule.per_process * processes
        said, flat = f"{rise:+.1f} in the second half at {level:.1f} (at most {bound:+.1f})", rise <= bound
        if rule.most is not None:
            values = [float(getattr(sample, rule.series)) for sample in samples]
            beyond = sum(value > rule.most for value in values)
            said = f"{said}; beyond {rule.most:g} in {beyond} of {len(values)} samples, {max(values):.1f} at most"
            flat = flat and beyond <= RARELY * len(values)
        verdicts.append(Verdict(rule.title, said, flat))
    return verdicts


def judge_work(samples: Sequence[Sample]) -> list[Verdict]:
    """Processor time per call: what a busy machine cannot blur, and what rises when something is looked for among more."""
    minutes: defaultdict[int, list[tuple[float, int]]] = defaultdict(list)
    for before, sample in pairwise(samples):
        minutes[int(sample.at_s) // 60].append((sample.cpu * (sample.at_s - before.at_s), sample.calls))
    points = [
        (minute * 60.0, sum(cpu for cpu, _ in each) * 1e6 / calls)
        for minute, each in sorted(minutes.items())
        if (calls := sum(calls for _, calls in each)) > 0
    ]
    rise, level, _ = second_half(points)
    bound = level * WORK_SHARE * (WARMING if samples[-1].at_s < SETTLED_S else 1.0)
    said = f"{rise:+.0f} µs in the second half at {level:.0f} (at most {bound:+.0f})"
    return [Verdict("processor time of the server per call", said, rise <= bound)]


def judge_room(taken: Sequence[tuple[float, Rows]], samples: Sequence[Sample]) -> list[Verdict]:
    """What store.db takes for each byte of rows: what is deleted makes room for what comes."""
    points = []
    for at_s, rows in taken:
        nearest = min(samples, key=lambda sample: abs(sample.at_s - at_s))
        points.append((at_s, nearest.store_mb * 1e6 / max(1, sum(size for _, size in rows.values()))))
    rise, level, _ = second_half(points)
    said = f"{rise:+.2f} bytes in the second half at {level:.2f} (at most {ROOM:+.2f})"
    return [Verdict("store.db for each byte of rows", said, rise <= ROOM or taken[-1][0] < SETTLED_S)]


def judge_rows(taken: Sequence[tuple[float, Rows]], samples: Sequence[Sample]) -> list[Verdict]:
    """Rows by kind: steady, or (KEPT) gathering no faster than before."""
    wide = WARMING if taken[-1][0] < SETTLED_S else 1.0
    kept = KEPT if taken[-1][0] >= SETTLED_S else KEPT | FILLING
    verdicts = []
    for kind in sorted({kind for _, rows in taken for kind in rows}):
        points = [(at_s, float(rows.get(kind, (0, 0))[0])) for at_s, rows in taken]
        why = kept.get(kind) or kept.get(kind.partition("/")[0])
        if why is not None:
            verdicts.append(_gathering(kind, points, samples, why, wide))
            continue
        if kind in FILLING:
            before, last = (max(value for _, value in _part(points, third, 3)) for third in (1, 2))
            said = (
                f"{last:.0f} at most in the last third, {before:.0f} before (at most {before * PEAK + ROWS_NOISE:.0f})"
            )
            verdicts.append(Verdict(f"rows {kind}", said, last <= before * PEAK + ROWS_NOISE))
            continue
        rise, level, length = second_half(points)
        bound = (ROWS_NOISE + ROWS_SHARE * level * length / 3600) * wide
        said = f"{rise:+.0f} in the second half at {level:.0f} (at most {bound:+.0f})"
        verdicts.append(Verdict(f"rows {kind}", said, rise <= bound))
    return verdicts


def _gathering(
    kind: str, points: Sequence[tuple[float, float]], samples: Sequence[Sample], why: str, wide: float
) -> Verdict:
    """Rows that are kept may gather steadily, by the minute or by the call: what a slower machine does not call, it does
    not gather. With fewer than three looks in a quarter there is nothing to compare."""
    parts = [_part(points, quarter, 4) for quarter in (2, 3)]
    before, last = (slope(part) * 60 for part in parts)
    calls = [sum(s.calls for s in samples if part[0][0] < s.at_s <= part[-1][0]) for part in parts]
    minutes = [max((part[-1][0] - part[0][0]) / 60, 1e-6) for part in parts]
    busier = (calls[1] / minutes[1]) / max(calls[0] / minutes[0], 1e-6)
    bound = max(0.0, before) * FASTER * max(1.0, busier) * (1.0 if wide == 1.0 else 2.0) + 3.0 * wide
    said = f"{last:.1f} rows a minute at last, {before:.1f} before (at most {bound:.1f}): {why}"
    return Verdict(f"rows {kind}", said, last <= bound or min(map(len, parts)) < 3)


def judge_latency(latencies: Latencies, samples: Sequence[Sample]) -> list[Verdict]:
    """The operations that were called often enough, the last third of the run beside the second.

    A machine that is busy with other things only ever makes calls slower: of a third's minutes the lower quartile counts.
    How much slower all became (the median of the operations) is judged by the machine's own pace in the same thirds
    (`machine_ms`, and `judge_work`); each operation is judged by how much slower all became.
    """
    end, compared = samples[-1].at_s, []
    for operation in sorted({operation for _, operation in latencies}):
        minutes = [
            (minute * 60.0, found)
            for (minute, name), found in sorted(latencies.items())
            if name == operation and found.calls >= ENOUGH
        ]
        thirds = [[m for at, m in minutes if third * end / 3 <= at < (third + 1) * end / 3] for third in (1, 2)]
        if all(len(third) >= min(MINUTES, max(1, int(end / 180))) for third in thirds):
            compared.append((operation, thirds))
    pace = [(sample.at_s, sample.machine_ms) for sample in samples]
    before, after = (_quartile([value for _, value in _part(pace, third, 3, end)]) for third in (1, 2))
    slower = max(1.0, after / max(before, 1e-6))
    verdicts = []
    for name, factor, noise in (("p50", P50_FACTOR, P50_NOISE_MS), ("p99", P99_FACTOR, P99_NOISE_MS)):
        found: list[tuple[str, float, float]] = []
        for operation, thirds in compared:
            early, late = (_quartile([getattr(minute, name) for minute in third]) for third in thirds)
            found.append((operation, early, late))
        if not found:
            continue
        all_of_them = statistics.median(late / max(early, 1e-6) for _, early, late in found)
        said = f"{all_of_them:.2f} times (at most {factor * slower:.2f}; the machine itself: {slower:.2f} times)"
        verdicts.append(Verdict(f"{name} of all operations", said, all_of_them <= factor * slower))
        for operation, early, late in found if slower <= TOO_BUSY else ():
            bound = early * factor * max(1.0, all_of_them) + noise
            said = f"{early:.1f} ms in the second third, {late:.1f} in the last (at most {bound:.1f})"
            verdicts.append(Verdict(f"{operation} {name}", said, late <= bound))
    return verdicts


def _quartile(values: Sequence[float]) -> float:
    """The lower one."""
    return sorted(values)[len(values) // 4]


def _part(
    points: Sequence[tuple[float, float]], number: int, of: int, end: float | None = None
) -> list[tuple[float, float]]:
    end = points[-1][0] if end is None else end
    return [point for point in points if number * end / of <= point[0] <= (number + 1) * end / of] or list(points[-1:])
