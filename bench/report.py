"""RESULTS.md: each figure beside the peer's, its target, and whether it was met."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Figures = Mapping[tuple[str, str, int], Mapping[str, Any]]
RATIOS = {
    "ddb_put": ("DynamoDB PutItem", 2.0),
    "ddb_get": ("DynamoDB GetItem", 2.5),
    "ddb_query": ("DynamoDB Query of 10 items", 3.0),
    "s3_put_1k": ("S3 PutObject 1 KiB", 1.0),
    "s3_get_1k": ("S3 GetObject 1 KiB", 2.0),
    "s3_get_1m": ("S3 GetObject 1 MiB", 1.2),
    "lambda_warm": ("Lambda warm Invoke", 9.0),
    "httpapi_get": ("HTTP API → Lambda GET", 8.0),
    "sqs_send": ("SQS SendMessage", 2.5),
    "sqs_cycle": ("SQS send + receive + delete", 2.5),
    "sqs_batch": ("SQS SendMessageBatch of 10", 1.0),
    "sns_publish": ("SNS Publish → 1 queue", 2.0),
    "eb_1rule": ("EventBridge PutEvents → 1 rule", 2.0),
    "eb_100rules": ("EventBridge PutEvents, 100 rules", 4.0),
}
"""Operation -> what it is, and times ministack's requests/s at 32 connections that are wanted."""
LATENCIES = {"ddb_put": 0.7, "lambda_warm": 1.0, "httpapi_get": 1.5, "sqs_send": 0.7}
"""Operation -> milliseconds p50 at one connection that are wanted."""
COLD = {"plain": ("plain handler", 30.0), "boto3": ("handler that makes a boto3 client", 130.0)}
TIMES = "\N{MULTIPLICATION SIGN}"
NOTES = Path(__file__).parent / "NOTES.md"


def line(figures: Figures, operation: str, connections: int) -> str:
    """One line for the terminal while it runs."""
    words = [f"{operation:12s} {connections:3d} connections"]
    for name in ("freehold", "ministack"):
        found = figures.get((name, operation, connections), {})
        words.append(f"{name} {found.get('rps', 'none')}/s p50 {found.get('p50_ms')} ms ({found.get('errors')} errors)")
    return "  ".join(words)


def markdown(
    figures: Figures,
    starts: Mapping[str, Mapping[str, float]],
    colds: Mapping[tuple[str, str], float],
    began: float,
    seconds: float,
    peer: Path,
) -> str:
    """The whole page."""
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(began))
    head = [
        "# Results",
        "",
        f"Written by `./dev bench` on {when}: {_machine()}; {seconds:g} s per operation, server and number of connections",
        "(functions at 32 connections six times that: the peer needs long to start 32 instances), the two servers in turn.",
        "Freehold as it is by default: every write durable before it is acknowledged, functions sandboxed.",
        f"{_version(peer)} keeps everything in memory and runs functions unsandboxed. The load generator shares",
        "the processors with the server it measures. The notes at the end are kept in `bench/NOTES.md`.",
        "",
    ]
    parts = [
        _throughput(figures),
        _latency(figures),
        _messaging(figures),
        _lambda(colds),
        _idle(starts),
        _others(figures),
    ]
    notes = NOTES.read_text().splitlines() if NOTES.exists() else []
    return "\n".join([*head, *(row for part in parts for row in [*part, ""]), *notes]).rstrip() + "\n"


def _throughput(figures: Figures) -> list[str]:
    rows = []
    for operation, (name, wanted) in RATIOS.items():
        ours = figures.get(("freehold", operation, 32), {})
        theirs = figures.get(("ministack", operation, 32), {})
        if ours.get("rps") and theirs.get("rps"):
            ratio = ours["rps"] / theirs["rps"]
            cells = (f"{ours['rps']:,.0f}", f"{theirs['rps']:,.0f}", f"{ratio:.2f}{TIMES}", f"≥ {wanted:g}{TIMES}")
            rows.append((name, *cells, _met(ratio >= wanted), _errors(ours)))
        else:
            rows.append((name, _said(ours), _said(theirs), "", f"≥ {wanted:g}{TIMES}", _met(None), _errors(ours)))
    return _table("Requests/s, 32 connections", ("", "Freehold", "ministack", "ratio", "target", "met", "errors"), rows)


def _latency(figures: Figures) -> list[str]:
    rows = []
    for operation, wanted in LATENCIES.items():
        ours = figures.get(("freehold", operation, 1), {})
        theirs = figures.get(("ministack", operation, 1), {})
        p50 = ours.get("p50_ms")
        met = _met(None if p50 is None else p50 <= wanted)
        cells = (_ms(p50), _ms(ours.get("p99_ms")), _ms(theirs.get("p50_ms")), f"≤ {wanted:g} ms")
        rows.append((RATIOS[operation][0], *cells, met))
    return _table("Latency, one connection", ("", "p50", "p99", "ministack p50", "target p50", "met"), rows)


def _messaging(figures: Figures) -> list[str]:
    """What has its own measure: costs that must not grow, and mappings."""
    ours = {
        operation: found for (server, operation, conns), found in figures.items() if (server, conns) == ("freehold", 32)
    }
    rows = []

    def add(what: str, value: float | None, text: str, target: str, met: bool) -> None:
        rows.append((what, "" if value is None else text, target, _met(None if value is None else met)))

    batch = ours.get("sqs_batch", {}).get("messages_s")
    add(
        "SendMessageBatch of 10, 32 connections",
        batch,
        f"{batch or 0:,.0f} messages/s",
        "≥ 15,000",
        (batch or 0) >= 15_000,
    )
    for what, few, many, most in (
        ("PutEvents, 10,000 rules against 10", "eb_10rules", "eb_10000rules", 1.5),
        ("ReceiveMessage, 1,000,000 waiting against 10", "sqs_receive_10", "sqs_receive_1m", 1.3),
    ):
        ratio = _ratio(ours.get(few, {}), ours.get(many, {}))
        add(what, ratio, f"costs {ratio or 0:.2f}{TIMES}", f"≤ {most:g}{TIMES}", (ratio or 0) <= most)
    mapping = ours.get("esm_sqs", {})
    for name, most in (("p50", 5.0), ("p99", 30.0)):
        value = mapping.get(f"{name}_ms")
        add(f"queue → function start, {name}", value, _ms(value), f"≤ {most:g} ms", (value or 0) <= most)
    drained = ours.get("esm_backlog", {}).get("rps")
    add(
        "10,000 messages drained in batches of 10",
        drained,
        f"{drained or 0:,.0f} messages/s",
        "≥ 5,000",
        (drained or 0) >= 5_000,
    )
    return _table("Messaging, Freehold alone", ("", "Freehold", "target", "met"), rows)


def _ratio(few: Mapping[str, Any], many: Mapping[str, Any]) -> float | None:
    """How many times the requests of `few` cost what those of `many` do."""
    return few["rps"] / many["rps"] if few.get("rps") and many.get("rps") else None


def _lambda(colds: Mapping[tuple[str, str], float]) -> list[str]:
    rows = []
    for kind, (name, wanted) in COLD.items():
        ours, theirs = colds.get(("freehold", kind)), colds.get(("ministack", kind))
        met = _met(None if ours is None else ours <= wanted)
        rows.append((name, _ms(ours), _ms(theirs), f"≤ {wanted:g} ms", met))
    return _table("First Invoke of a new function, p50", ("", "Freehold", "ministack", "target", "met"), rows)


def _idle(starts: Mapping[str, Mapping[str, float]]) -> list[str]:
    ours, theirs = starts.get("freehold", {}), starts.get("ministack", {})
    rows = []
    for key, name, unit, wanted in (
        ("start_s", "start to first successful call", "s", 0.8),
        ("idle_mb", "idle memory of the server (resident)", "MB", 90.0),
        ("zygote_mb", "idle memory of the largest zygote (resident)", "MB", 50.0),
    ):
        if key in ours:
            digits = 2 if unit == "s" else 0
            other = f"{theirs[key]:.{digits}f} {unit}" if theirs.get(key) else ""
            met = _met(ours[key] <= wanted)
            rows.append((name, f"{ours[key]:.{digits}f} {unit}", other, f"≤ {wanted:g} {unit}", met))
    return _table("Start and idle", ("", "Freehold", "ministack", "target", "met"), rows)


def _others(figures: Figures) -> list[str]:
    rows = []
    for operation, (name, _) in RATIOS.items():
        for connections in (32, 1):
            cells = [name, str(connections)]
            for server in ("freehold", "ministack"):
                found = figures.get((server, operation, connections), {})
                cells += [
                    f"{found['rps']:,.0f}" if found.get("rps") else _said(found),
                    _ms(found.get("p50_ms")),
                    _ms(found.get("p99_ms")),
                    f"{found['server_cpu']:.2f}" if "server_cpu" in found else "",
                ]
            rows.append(tuple(cells))
    names = (
        "",
        "connections",
        *(f"{s} {w}" for s in ("Freehold", "ministack") for w in ("req/s", "p50", "p99", "CPUs")),
    )
    return _table("All of it", names, rows)


def _table(title: str, names: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    names = list(names)
    made = [f"## {title}", "", f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    return made + [f"| {' | '.join(row)} |" for row in rows]


def _met(fact: bool | None) -> str:
    return "not measured" if fact is None else "yes" if fact else "**no**"


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} ms"


def _errors(found: Mapping[str, Any]) -> str:
    return str(found.get("errors", ""))


def _said(found: Mapping[str, Any]) -> str:
    return str(found.get("unsupported", "none"))[:60].replace("|", "/")


def _machine() -> str:
    kernel = platform.release().partition("-")[0]
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, Linux {kernel}, Python {platform.python_version()}, load average {load:.1f} at the end"


def _version(peer: Path) -> str:
    found = sorted(peer.glob("lib/python3*/site-packages/ministack-*.dist-info"))
    return f"ministack {found[-1].name.split('-')[1].removesuffix('.dist')}" if found else "ministack"
