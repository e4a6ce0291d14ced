"""What a server costs while nobody calls it: with nothing, with a thousand queues, with a hundred mappings."""

from __future__ import annotations

import time
from typing import Any

from bench.scenarios.context import Context, Row, client, function
from bench.servers import Server
from bench.tree import usage

TITLE = "Cost of idle"
QUEUES = 1000
MAPPINGS = 100
SETTLE_S = 4.0
MOST_CPU = {"nothing": 1.0, "queues": 1.0, "mappings": 3.0}
"""Percent of one processor."""
MOST_MB = {"nothing": 90.0, "queues": 100.0, "mappings": 130.0}
"""MB of the server's own process."""


def run(context: Context) -> dict[str, Any]:
    """One server that is given more and more."""
    seconds = 3.0 if context.quick else 10.0
    with context.server() as server:
        found = {"nothing": _idle(server, seconds)}
        queues = client(server, "sqs")
        made = [queues.create_queue(QueueName=f"idle{number}")["QueueUrl"] for number in range(QUEUES)]
        found["queues"] = _idle(server, seconds)
        function(server, "idle")
        functions = client(server, "lambda")
        for url in made[:MAPPINGS]:
            arn = f"arn:aws:sqs:us-east-1:000000000000:{url.rpartition('/')[2]}"
            functions.create_event_source_mapping(FunctionName="idle", EventSourceArn=arn)
        _enabled(functions)
        found["mappings"] = _idle(server, seconds)
    return found


def _enabled(functions: Any) -> None:
    """Wait until all mappings are. Raises RuntimeError when they do not become so."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        pages = functions.get_paginator("list_event_source_mappings").paginate()
        states = [each["State"] for page in pages for each in page["EventSourceMappings"]]
        if len(states) == MAPPINGS and set(states) == {"Enabled"}:
            return
        time.sleep(0.2)
    raise RuntimeError(f"the mappings do not become enabled: {set(states)}")


def _idle(server: Server, seconds: float) -> dict[str, float]:
    time.sleep(SETTLE_S)
    before, began = usage(server.process.pid), time.perf_counter()
    time.sleep(seconds)
    wall, after = time.perf_counter() - began, usage(server.process.pid)
    cpu = 100 * (after.cpu_s - before.cpu_s) / wall
    return {"cpu_percent": cpu, "memory_mb": after.memory_mb, "server_mb": after.server_mb}


def rows(found: dict[str, Any]) -> list[Row]:
    """Processor and memory of each."""
    names = {
        "nothing": "nothing",
        "queues": f"{QUEUES:,} queues",
        "mappings": f"{QUEUES:,} queues, {MAPPINGS} mappings of queues to a function",
    }
    made = []
    for key, name in names.items():
        cpu, own = found[key]["cpu_percent"], found[key]["server_mb"]
        made.append(Row(f"{name}: processor", f"{cpu:.1f} % of one", f"≤ {MOST_CPU[key]:g} %", cpu <= MOST_CPU[key]))
        said = f"{own:.0f} MB (with the templates of functions {found[key]['memory_mb']:.0f})"
        made.append(Row(f"{name}: memory of the server", said, f"≤ {MOST_MB[key]:g} MB", own <= MOST_MB[key]))
    return made
