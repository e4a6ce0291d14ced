"""bench/CLUSTER.md and its picture."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cluster.client import Cluster


@dataclass(slots=True)
class Event:
    """Something that was done to the cluster, in seconds since the load began."""

    what: str
    began: float
    ended: float = 0.0
    said: str = ""


@dataclass(slots=True)
class Series:
    """What happened in each second."""

    seconds: int
    strips: dict[str, list[float]] = field(default_factory=dict)


def series(
    cluster: Cluster, began: float, began_wall: float, arrived: Sequence[float], seconds: int, batch: int
) -> Series:
    """Per second: messages acknowledged, messages that arrived in the table, the slowest send, repetitions."""
    sends = [*cluster.of("send").answered, *cluster.of("send to FIFO").answered]
    acknowledged = Counter(int(at - began) for at, _ in sends)
    slowest: dict[int, float] = {}
    for at, took in sends:
        slowest[int(at - began)] = max(slowest.get(int(at - began), 0.0), took)
    repeated = Counter(
        int(at - began) for kind in cluster.measured.values() for at, what in kind.repeated if "429" not in what
    )
    came = Counter(int(at - began_wall) for at in arrived)
    invoked = Counter(int(at - began) for at, _ in cluster.of("invoke").answered)
    stored = Counter(int(at - began) for at, _ in cluster.of("put").answered)
    axis = range(seconds)
    return Series(
        seconds,
        {
            "messages acknowledged per second": [acknowledged[at] * batch for at in axis],
            "messages that arrived in the table per second": [came[at] for at in axis],
            "slowest send, s": [slowest.get(at, 0.0) for at in axis],
            "calls repeated per second (no answer, or an error)": [repeated[at] for at in axis],
            "invocations of `held` per second": [invoked[at] for at in axis],
            "objects written per second": [stored[at] for at in axis],
        },
    )


def table(found: Series, events: Sequence[Event]) -> str:
    """Before, during and after each event."""
    sent, came = list(found.strips.values())[:2]
    slow = found.strips["slowest send, s"]
    lines = [
        "| event | lasted | acknowledged/s before | during | after | arrived/s before | during | after | slowest send | |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for at, event in enumerate(events):
        follows = events[at + 1].began if at + 1 < len(events) else found.seconds
        spans = [
            (max(0.0, event.began - 5), event.began),
            (event.began, event.ended),
            (event.ended, min(event.ended + 5, follows)),
        ]
        figures = [_mean(values, *span) for values in (sent, came) for span in spans]
        worst = max(slow[int(event.began) : int(min(event.ended + 5, found.seconds))], default=0.0)
        cells = " | ".join(f"{figure:.0f}" for figure in figures)
        lines.append(f"| {event.what} | {event.ended - event.began:.1f} s | {cells} | {worst:.1f} s | {event.said} |")
    return "\n".join(lines) + "\n"


def _mean(values: Sequence[float], low: float, high: float) -> float:
    chosen = values[int(low) : max(int(high), int(low) + 1)]
    return statistics.fmean(chosen) if chosen else 0.0


def picture(found: Series, events: Sequence[Event]) -> str:
    """An SVG: one strip per series, the events as bands."""
    width, height, gap = 900, 90, 36
    rows = len(found.strips) * (height + gap) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + 40}" height="{rows}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width + 40}" height="{rows}" fill="white"/>',
    ]
    scale = width / max(found.seconds, 1)
    for row, (title, values) in enumerate(found.strips.items()):
        top, highest = row * (height + gap) + gap, max(*values, 1e-9) * 1.1
        for event in events:
            x, wide = 20 + event.began * scale, max(2.0, (event.ended - event.began) * scale)
            parts.append(
                f'<rect x="{x:.1f}" y="{top}" width="{wide:.1f}" height="{height}" fill="#fcc" opacity="0.6"/>'
            )
        points = " ".join(
            f"{20 + (at + 0.5) * scale:.1f},{top + height - v / highest * height:.1f}" for at, v in enumerate(values)
        )
        said = f"{title} (at most {max(values):.4g}, on average {statistics.fmean(values):.3g})"
        parts.append(f'<text x="20" y="{top - 6}">{said}</text>')
        parts.append(f'<rect x="20" y="{top}" width="{width}" height="{height}" fill="none" stroke="#bbb"/>')
        parts.append(f'<polyline points="{points}" fill="none" stroke="#06c" stroke-width="1.5"/>')
    bottom = len(found.strips) * (height + gap) + 16
    for at, event in enumerate(events):
        x = 20 + event.began * scale
        parts.append(f'<text x="{x:.1f}" y="{bottom + at % 2 * 14}" font-size="10" fill="#a00">{event.what}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def page(
    header: dict[str, Any], facts: dict[str, Any], wrong: Sequence[str], figures: str, repeated: Counter[str]
) -> str:
    """The whole of CLUSTER.md."""
    verdict = (
        "**Nothing acknowledged was lost; everything promised held.**"
        if not wrong
        else "**Broken:**\n\n" + "\n".join(f"- {line}" for line in wrong)
    )
    lines = [
        "# A cluster under load, its nodes killed and cut off",
        "",
        "Written by `./dev cluster`, which exits with 1 where anything is lost. Producers send to a FIFO and a standard",
        "queue; two event source mappings hand the messages to a function, which writes them to a DynamoDB table;",
        "meanwhile a function with reserved concurrency is called, and objects too large for rows are written and read.",
        "Clients fail over: what one node does not do, they ask the next one for.",
        "",
        *(f"- {name}: {value}" for name, value in header.items()),
        "",
        verdict,
        "",
        "| what | figure |",
        "|---|---|",
        *(
            f"| {name} | {value:.1f} |" if isinstance(value, float) else f"| {name} | {value} |"
            for name, value in facts.items()
        ),
        "",
        figures,
        "![per second](cluster.svg)",
        "",
        "What clients had to repeat, by node and reason: "
        + (", ".join(f"{count} times {what}" for what, count in repeated.most_common(20)) or "nothing")
        + ".",
        "",
    ]
    return "\n".join(lines)
