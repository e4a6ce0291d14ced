"""Tables of operations: against the peers, against the limits, alone, and all of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.report.table import TIMES, Line, Table, milliseconds, rate, said, trouble
from bench.rules import LATENCIES, RATIOS, SHARES, ratio

Figures = Mapping[tuple[str, str, int], Mapping[str, Any]]
PEERS = ("ministack", "moto")


def throughput(figures: Figures) -> Table:
    """Requests/s at 32 connections beside the peers."""
    lines, notes = [], []
    for operation, (name, wanted) in RATIOS.items():
        ours = figures.get(("freehold", operation, 32), {})
        if not ours:
            continue
        cells, times = [name, rate(ours)], None
        for peer in PEERS:
            theirs = figures.get((peer, operation, 32), {})
            compared = None if trouble(ours) or trouble(theirs) else ratio(ours, theirs)
            cells += [rate(theirs), "" if compared is None else f"{compared:.2f}{TIMES}"]
            times = compared if peer == PEERS[0] else times
            if theirs and trouble(theirs):
                notes.append(f"- {peer}, {name}: {trouble(theirs)}: `{said(theirs)}`")
        target = f"≥ {wanted:g}{TIMES}"
        shown = trouble(ours) if times is None else f"{times:.2f}{TIMES} {PEERS[0]}"
        met = times >= wanted and not ours["errors"] if times is not None else False if trouble(ours) else None
        lines.append(Line((*cells, target, str(ours.get("errors", ""))), shown, target, met))
    columns = ("", "Freehold", "ministack", "ratio", "moto", "ratio", "target (ministack)", "errors")
    notes = ["What a peer could not do:", "", *notes] if notes else []
    return Table("Requests/s, 32 connections", columns, lines, notes)


TRUST = {"guarded": "guarded (verifies signatures)", "freehold": "open (does not)"}


def shares(figures: Figures) -> Table:
    """The hot operations as a share of the bare server that does the least their definition allows."""
    lines = []
    for operation, (limit, wanted, judged) in SHARES.items():
        for server, trust in TRUST.items():
            for connections in (32, 1):
                ours = figures.get((server, operation, connections), {})
                bare = figures.get((limit, operation, connections), {})
                if not ours or not bare:
                    continue
                share = None if trouble(ours) or trouble(bare) else ratio(ours, bare)
                shown = "" if share is None else f"{share:.0%}"
                target = f"≥ {wanted:.0%}" if connections == 32 and server == judged else ""
                cpu = [f"{found['cpu_us']:.0f} µs" if "cpu_us" in found else "" for found in (ours, bare)]
                cells = (RATIOS[operation][0], trust, str(connections), rate(ours), rate(bare), shown, target, *cpu)
                met = share >= wanted if share is not None else False if trouble(ours) else None
                lines.append(Line(cells, shown or trouble(ours), target, met))
    columns = (
        "",
        "Freehold is",
        "connections",
        "Freehold",
        "bare",
        "share",
        "target",
        "processor",
        "of the bare server",
    )
    notes = [
        "The bare server is uvicorn with a signature check and a SQLite group commit (SendMessage, PutItem) or point read",
        "(GetItem), or a Runtime API round trip without signatures (Invoke), and nothing else: `bench/limits`. Processor is",
        "the time of the server and everything below it for each request. All other tables are of an open Freehold.",
    ]
    return Table("Hot operations as a share of this machine's limits", columns, lines, notes if lines else [])


def latency(figures: Figures) -> Table:
    """One connection."""
    lines = []
    for operation, wanted in LATENCIES.items():
        ours = figures.get(("freehold", operation, 1), {})
        if not ours:
            continue
        p50, target = ours.get("p50_ms"), f"≤ {wanted:g} ms"
        theirs = [figures.get((peer, operation, 1), {}) for peer in PEERS]
        peers = [trouble(found) or milliseconds(found["p50_ms"]) for found in theirs]
        cells = (RATIOS[operation][0], milliseconds(p50), milliseconds(ours.get("p99_ms")), *peers, target)
        lines.append(Line(cells, milliseconds(p50), target, None if p50 is None else p50 <= wanted))
    columns = ("", "p50", "p99", "ministack p50", "moto p50", "target p50")
    return Table("Latency, one connection", columns, lines)


def everything(figures: Figures) -> Table:
    """Every figure of every operation."""
    lines = []
    servers = ("freehold", *PEERS)
    for operation, (name, _) in RATIOS.items():
        for connections in (32, 1):
            cells = [name, str(connections)]
            for server in servers:
                found = figures.get((server, operation, connections), {})
                cells += [
                    rate(found) if found else "",
                    milliseconds(found.get("p50_ms")),
                    milliseconds(found.get("p99_ms")),
                    f"{found['server_cpu']:.2f}" if "server_cpu" in found else "",
                ]
            if ("freehold", operation, connections) in figures:
                lines.append(Line(tuple(cells)))
    columns = ("", "connections", *(f"{s} {w}" for s in servers for w in ("req/s", "p50", "p99", "CPUs")))
    return Table("All of it", columns, lines, judged=False)


def limits(figures: Figures, titles: Mapping[str, tuple[str, str]]) -> Table:
    """This machine's limits; `titles` maps a limit to what it is and the operation it was measured beside."""
    lines = []
    for limit, (title, operation) in titles.items():
        many, one = (figures.get((limit, operation, connections), {}) for connections in (32, 1))
        if many or one:
            cells = [title, rate(many), milliseconds(many.get("p50_ms")), milliseconds(many.get("p99_ms"))]
            cells += [rate(one), milliseconds(one.get("p50_ms")), milliseconds(one.get("p99_ms"))]
            lines.append(Line(tuple(cells)))
    columns = ("", "32 connections, req/s", "p50", "p99", "1 connection, req/s", "p50", "p99")
    notes = ["Appends with 32 at once share a sync; one alone has a sync of its own."]
    return Table("This machine's limits", columns, lines, notes if lines else [], judged=False)
