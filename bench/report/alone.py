"""Tables of what Freehold is measured at by itself: messaging, first invokes, start, and the scenarios."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.report.operations import Figures
from bench.report.table import TIMES, Line, Table, milliseconds, trouble
from bench.rules import BATCH_MESSAGES, COLD, DRAIN_MESSAGES, LARGER, MAPPING_MS, STARTS, ratio
from bench.scenarios.context import Row


def messaging(figures: Figures) -> Table:
    """Costs that must not grow, and mappings."""
    ours = {each[1]: found for each, found in figures.items() if each[0] == "freehold" and each[2] == 32}
    lines = []

    def add(what: str, value: float | None, shown: str, target: str, met: bool) -> None:
        cells = (what, shown if value is not None else "", target)
        lines.append(Line(cells, shown, target, None if value is None else met))

    if requests := ours.get("sqs_batch", {}).get("rps"):
        batch = 10 * requests
        shown = f"{batch:,.0f} messages/s"
        add("SendMessageBatch of 10, 32 connections", batch, shown, f"≥ {BATCH_MESSAGES:,}", batch >= BATCH_MESSAGES)
    for what, (few, many, most) in LARGER.items():
        if few in ours or many in ours:
            bad = trouble(ours.get(few, {})) or trouble(ours.get(many, {}))
            costs = None if bad else ratio(ours[few], ours[many])
            add(what, costs, f"costs {costs or 0:.2f}{TIMES}", f"≤ {most:g}{TIMES}", (costs or 0) <= most)
    if mapping := ours.get("esm_sqs"):
        for name, most in MAPPING_MS.items():
            value = mapping.get(f"{name}_ms")
            met = (value or 0) <= most and not mapping.get("errors")
            add(f"queue → function start, {name}", value, milliseconds(value), f"≤ {most:g} ms", met)
    if backlog := ours.get("esm_backlog"):
        drained = backlog.get("rps")
        met = (drained or 0) >= DRAIN_MESSAGES and not backlog.get("errors")
        shown = f"{drained or 0:,.0f} messages/s"
        add("10,000 messages drained in batches of 10", drained, shown, f"≥ {DRAIN_MESSAGES:,}", met)
    return Table("Messaging, Freehold alone", ("", "Freehold", "target"), lines)


def first_invokes(colds: Mapping[str, Mapping[str, float]]) -> Table:
    """Cold starts, by server and kind."""
    lines = []
    for kind, (name, wanted) in COLD.items():
        ours, theirs = colds.get("freehold", {}).get(kind), colds.get("ministack", {}).get(kind)
        if ours is not None:
            target = f"≤ {wanted:g} ms"
            cells = (name, milliseconds(ours), milliseconds(theirs), target)
            lines.append(Line(cells, milliseconds(ours), target, ours <= wanted))
    return Table("First Invoke of a new function, p50", ("", "Freehold", "ministack", "target"), lines)


def starts(found: Mapping[str, Mapping[str, float]]) -> Table:
    """From the command to the first call, and memory when idle."""
    lines = []
    for key, (name, unit, wanted) in STARTS.items():
        ours = found.get("freehold", {}).get(key)
        if ours is None:
            continue
        digits = 2 if unit == "s" else 0
        peers = [found.get(peer, {}).get(key) for peer in ("ministack", "moto")]
        shown = [f"{value:.{digits}f} {unit}" if value else "" for value in (ours, *peers)]
        target = f"≤ {wanted:g} {unit}"
        lines.append(Line((name, *shown, target), shown[0], target, ours <= wanted))
    return Table("Start and idle", ("", "Freehold", "ministack", "moto", "target"), lines)


def scenario(title: str, rows: Sequence[Row]) -> Table:
    """The table of a scenario."""
    lines = [Line((row.what, row.found, row.target), row.found, row.target, row.met) for row in rows]
    return Table(title, ("", "found", "target"), lines)
