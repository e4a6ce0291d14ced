"""Was anything lost, doubled, or out of order?"""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cluster.application import RESERVED
from cluster.client import Cluster, Failed
from cluster.load import Load

_VARIES = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:.]+Z")
PATIENCE_S = 90.0
"""Seconds without progress after which what has not arrived is lost: messages of a killed node come back after 20 s."""


@dataclass(slots=True)
class Verdict:
    """What was found. `wrong` is empty where everything promised holds."""

    wrong: list[str] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)
    """Wall seconds at which messages were first written to the table."""
    facts: dict[str, Any] = field(default_factory=dict)


def judge(load: Load, cluster: Cluster, table: Any, drain_began: float) -> Verdict:
    """Wait until all has arrived, or nothing more does; then look at everything."""
    verdict = Verdict()
    sent = {body for producer in [*load.fifo, *load.standard] for body in producer.kept}
    rows, waited = _settled(table, sent, drain_began)
    _messages(verdict, sent, rows)
    _reserved(verdict, [one for caller in load.callers for one in caller.ran])
    _objects(verdict, load, cluster)
    verdict.wrong += load.problems
    verdict.facts |= {
        "acknowledged": len(sent),
        "throttled": sum(caller.throttled for caller in load.callers),
        "drained_s": waited,
        "objects written": len(cluster.of("put").answered),
        "objects read": len(cluster.of("get").answered),
    }
    return verdict


def _settled(table: Any, sent: set[str], began: float) -> tuple[list[dict[str, Any]], float]:
    """The table's rows when all of `sent` are there, or none has come for PATIENCE_S."""
    last, since = -1, time.monotonic()
    while True:
        rows = scan(table)
        missing = len(sent - {row["pk"] for row in rows})
        if not missing:
            return rows, time.monotonic() - began
        print(f"{missing} of {len(sent)} have not arrived yet", flush=True)
        if missing != last:
            last, since = missing, time.monotonic()
        elif time.monotonic() - since > PATIENCE_S:
            return rows, time.monotonic() - began
        time.sleep(1.0)


def complaints(logs: Any) -> dict[str, Any]:
    """How long invocations of `store` took, and what it complained of, by its log."""
    found: Counter[str] = Counter()
    durations, inits = [], []
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName="/aws/lambda/store", filterPattern="?REPORT ?ERROR ?timed ?Error"
    )
    for page in pages:
        for event in page["events"]:
            message = " ".join(event["message"].split())
            if message.startswith("REPORT"):
                durations += [float(ms) for ms in re.findall(r"(?<!Billed )(?<!Init )Duration: ([\d.]+)", message)]
                inits += [float(ms) for ms in re.findall(r"Init Duration: ([\d.]+)", message)]
            else:
                found[_VARIES.sub("...", message)[:140]] += 1
    facts: dict[str, Any] = {"invocations of `store`": len(durations), "instances of `store`": len(inits)}
    for name, values in (("duration", durations), ("init", inits)):
        ordered = sorted(values) or [0.0]
        for share in (0.5, 0.99):
            facts[f"`store`: {name}, p{share * 100:.0f}, ms"] = ordered[int(share * (len(ordered) - 1))]
    return facts | {f"function said: {line}": count for line, count in found.most_common(6)}


def scan(table: Any) -> list[dict[str, Any]]:
    """All items."""
    rows: list[dict[str, Any]] = []
    more: dict[str, Any] = {}
    while True:
        page = table.scan(ConsistentRead=True, **more)
        rows += page["Items"]
        if "LastEvaluatedKey" not in page:
            return rows
        more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def _messages(verdict: Verdict, sent: set[str], rows: Sequence[dict[str, Any]]) -> None:
    kinds = Counter(row["pk"].partition("/")[0] for row in rows)
    arrivals: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["pk"].partition("/")[0] in ("orders", "events"):
            arrivals[row["pk"]].append(row)
    lost = sorted(sent - set(arrivals))
    if lost:
        verdict.wrong.append(f"{len(lost)} acknowledged messages are not in the table: {', '.join(lost[:10])}")
    doubled = [body for body, found in arrivals.items() if body.startswith("orders/") and len(found) > 1]
    if doubled:
        verdict.wrong.append(
            f"{len(doubled)} FIFO messages are there twice inside the window: {', '.join(doubled[:10])}"
        )
    for row in rows:
        if row["pk"].startswith("violation/"):
            verdict.wrong.append(f"order: {row['pk']} got {row['sk']} when it was at {row['reached']}")
    heads = {row["pk"].partition("/")[2]: int(row["last"]) for row in rows if row["pk"].startswith("head/")}
    for group, most in _highest(sent).items():
        if heads.get(group, 0) < most:
            verdict.wrong.append(f"order: group {group} is at {heads.get(group, 0)}, but {most} was acknowledged")
    verdict.arrived = [int(row["at"]) / 1000 for found in arrivals.values() for row in found]
    verdict.facts |= {
        "in the table": len(arrivals),
        "FIFO groups": len(heads),
        "FIFO messages": sum(body.startswith("orders/") for body in arrivals),
        "standard messages twice (sent again after an unclear end)": sum(
            len(found) - 1 for body, found in arrivals.items() if body.startswith("events/")
        ),
        "received more than once": sum(int(row["times"]) > 1 for found in arrivals.values() for row in found),
        "violations": kinds.get("violation", 0),
    }


def _highest(sent: set[str]) -> dict[str, int]:
    most: dict[str, int] = {}
    for body in sent:
        kind, group, number = body.split("/")
        if kind == "orders":
            most[group] = max(most.get(group, 0), int(number))
    return most


def _reserved(verdict: Verdict, ran: Sequence[tuple[float, float]]) -> None:
    """How many ran at the same time, by their own account."""
    moments = sorted([(began, 1) for began, _ in ran] + [(ended, -1) for _, ended in ran], key=lambda m: (m[0], m[1]))
    running = most = 0
    for _, change in moments:
        running += change
        most = max(most, running)
    verdict.facts |= {"invocations of `held`": len(ran), "of them at once": most}
    if most > RESERVED:
        verdict.wrong.append(f"{most} invocations of `held` ran at once, whose reserved concurrency is {RESERVED}")
    if most < RESERVED:
        verdict.wrong.append(f"only {most} invocations of `held` ran at once: its {RESERVED} were never all used")


def _objects(verdict: Verdict, load: Load, cluster: Cluster) -> None:
    """Every object from every node."""
    for writer in load.objects:
        for key in writer.kept:
            for at in range(len(cluster.urls)):
                try:
                    writer.check(key, only=at)
                except Failed as problem:
                    verdict.wrong.append(f"object {key} cannot be read from {cluster.urls[at]}: {problem}")
        verdict.wrong += writer.wrong
