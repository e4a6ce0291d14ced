"""Ten times the load within a second: errors and p99 before, during and after."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from bench import openloop, operations
from bench.percentiles import milliseconds
from bench.scenarios.context import Context, Row, client, function
from bench.servers import Server

TITLE = "Burst: 10 times the load within a second"
TIMES = 10
BURST_S = 1.0
STEADY = {"SendMessage": 300.0, "Invoke": 30.0}
"""Requests/s before and after."""
WIDTH_S = 0.25
CALM_S = 2.0
"""Seconds that it may take to digest a burst."""
WORK_S = 0.02
SLOW = f"import time\n\n\ndef handler(event, context):\n    time.sleep({WORK_S})\n    return {{'hello': 'world'}}\n"
"""A function that is busy for a while: a burst needs ten times the instances."""


def run(context: Context) -> dict[str, Any]:
    """Both kinds of burst on a fresh server; latencies count from when a request was due."""
    steady_s = 2.0 if context.quick else 5.0
    found = {}
    with context.server() as server:
        load = operations.tool(context.tool)
        load.A = argparse.Namespace(endpoint=server.url, access_key="test", secret_key="test", region="us-east-1")
        for kind, prepare in (("SendMessage", _sends), ("Invoke", _invokes)):
            requests, word = prepare(load, server)
            found[kind] = _burst(server, requests, word, STEADY[kind], steady_s)
    return found


def _sends(load: Any, server: Server) -> tuple[list[bytes], bytes]:
    queues = client(server, "sqs")
    url = queues.create_queue(QueueName="burst")["QueueUrl"]
    return [load.build(queues, "send_message", QueueUrl=url, MessageBody=f"{n:04d}" + "x" * 250) for n in range(64)], (
        b"MD5OfMessageBody"
    )


def _invokes(load: Any, server: Server) -> tuple[list[bytes], bytes]:
    function(server, "burst", SLOW)
    functions = client(server, "lambda")
    functions.invoke(FunctionName="burst")["Payload"].read()
    return [load.build(functions, "invoke", FunctionName="burst", Payload=b"{}")], b"hello"


def _burst(server: Server, requests: list[bytes], word: bytes, rate: float, steady_s: float) -> dict[str, Any]:
    check: Callable[[int, bytes], bool] = lambda status, body: status == 200 and word in body  # noqa: E731
    phases = [(rate, steady_s), (rate * TIMES, BURST_S), (rate, steady_s)]
    answers = openloop.play(server.port, requests, openloop.due_times(phases), check)
    found: dict[str, Any] = {"rate": rate, "said": [said for _, said in answers.errors[:3]]}
    spans = {"before": (0.0, steady_s), "during": (steady_s, steady_s + BURST_S), "after": (steady_s + BURST_S, 1e9)}
    for name, (start, end) in spans.items():
        part = answers.between(start, end)
        found[name] = {"requests": len(part.due_s), "errors": len(part.errors), **milliseconds(part.latency_s)}
    found["series"] = series(answers)
    found["calm_s"] = calm_after(found["series"], steady_s, steady_s + BURST_S)
    return found


def calm_after(series: Sequence[tuple[float, float]], starts_s: float, ends_s: float) -> float:
    """Seconds from the end of a burst until nothing takes longer than twice the worst before it."""
    worst = max(value for at, value in series if at + WIDTH_S <= starts_s)
    late = [at + WIDTH_S for at, value in series if at >= ends_s and value > 2 * worst]
    return max(late) - ends_s if late else 0.0


def series(answers: openloop.Answers) -> list[tuple[float, float]]:
    """(second, worst latency in ms) of each quarter of a second, for the plot."""
    worst: dict[int, float] = {}
    for due, latency in zip(answers.due_s, answers.latency_s, strict=True):
        at = int(due / WIDTH_S)
        worst[at] = max(worst.get(at, 0.0), latency * 1e3)
    return [(at * WIDTH_S, round(value, 2)) for at, value in sorted(worst.items())]


def rows(found: dict[str, Any]) -> list[Row]:
    """Errors and p99 of each phase."""
    made = []
    for kind, figures in found.items():
        phases = [figures[name] for name in ("before", "during", "after")]
        p99 = " / ".join(f"{phase['p99_ms']:.1f}" for phase in phases)
        errors = [phase["errors"] for phase in phases]
        load = f"{kind}, {figures['rate']:g}/s → {figures['rate'] * TIMES:g}/s → {figures['rate']:g}/s"
        made.append(Row(f"{load}: p99 before / during / after", f"{p99} ms"))
        calm = figures["calm_s"]
        made.append(Row(f"{kind}: calm again after the burst", f"{calm:.2f} s", f"≤ {CALM_S:g} s", calm <= CALM_S))
        made.append(Row(f"{kind}: errors before / during / after", " / ".join(map(str, errors)), "0", not any(errors)))
    return made
