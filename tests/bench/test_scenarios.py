"""What scenarios make of what they saw; and that the load they are made of counts what goes wrong."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest

from bench.openloop import Answers, _play, due_times
from bench.scenarios import burst, deploys, idle, memory, scale


def test_requests_are_due_evenly_within_each_phase() -> None:
    assert due_times([(2, 1.0), (4, 0.5), (1, 1.0)]) == [0.0, 0.5, 1.0, 1.25, 1.5]


def test_spans_of_answers() -> None:
    answers = Answers([0.1, 0.2, 0.3], [1.0, 2.0, 3.0], [(0.2, "x"), (0.4, "y")])
    part = answers.between(0.2, 0.3)
    assert (part.due_s, part.latency_s, part.errors) == ([0.2], [2.0], [(0.2, "x")])


def test_calm_after_a_burst() -> None:
    before = [(0.0, 4.0), (0.25, 5.0)]
    assert burst.calm_after([*before, (0.5, 90.0), (0.75, 10.0)], 0.5, 0.75) == 0.0
    assert burst.calm_after([*before, (0.5, 90.0), (0.75, 11.0), (1.0, 30.0), (1.25, 4.0)], 0.5, 0.75) == 0.5


def phase(**more: Any) -> dict[str, Any]:
    return {"requests": 10, "errors": 0, "p50_ms": 1.0, "p99_ms": 2.0, "max_ms": 3.0, **more}


def test_an_error_in_a_burst_is_not_met() -> None:
    found = {"rate": 30.0, "before": phase(), "during": phase(errors=1), "after": phase(), "calm_s": 0.5}
    assert [row.met for row in burst.rows({"Invoke": found})] == [None, True, False]


def test_what_scaling_to_zero_leaves() -> None:
    found = {
        "idle_s": 300, "gone_s": 301.0, "first_ms": 520.0, "errors": 0,
        "empty": {"memory_mb": 100.0, "processes": 7}, "busy": {"memory_mb": 300.0, "processes": 71},
        "zero": {"memory_mb": 105.0, "processes": 7},
    }  # fmt: skip
    assert [row.met for row in scale.rows(found)][3:] == [True, True, True]
    left = {**found, "zero": {"memory_mb": 150.0, "processes": 9}, "first_ms": 700.0}
    assert [row.met for row in scale.rows(left)][3:] == [False, False, False]
    assert scale.rows(left)[3].found == "2"
    assert scale.rows({**found, "errors": 1})[-1].met is False


def test_a_failed_call_during_a_deployment_is_not_met() -> None:
    found = {
        "per_minute": 90.0, "p50_s": 0.5, "max_s": 1.0, "created_s": 0.5, "calls": 500, "failed": 1, "late": 0,
        "call_ms": {"p50_ms": 1.0, "p99_ms": 2.0},
    }  # fmt: skip
    met = {row.what: row.met for row in deploys.rows(found)}
    assert met["failed calls of 500"] is False
    assert met["deployments a minute"] is True
    assert met["answers of an old version after a deployment"] is True


def test_each_version_of_the_template_changes_function_and_api() -> None:
    first, second = (json.loads(deploys.template(version))["Resources"] for version in (1, 2))
    assert set(first) - set(second) == {"Route1", "Integration1"}
    assert first["Function"] != second["Function"] and first["Route"] == second["Route"]


def test_idle_and_memory_that_is_too_much() -> None:
    figures = {"cpu_percent": 0.5, "memory_mb": 99.0, "server_mb": 60.0}
    found = {"nothing": figures, "queues": {**figures, "cpu_percent": 9.0}, "mappings": {**figures, "server_mb": 999.0}}
    assert [row.met for row in idle.rows(found)] == [True, True, False, True, True, False]
    before, after = {"server_mb": 57.0, "memory_mb": 90.0}, {"server_mb": 157.0, "memory_mb": 190.0}
    rows = memory.rows({"before": before, "after": after, "phases": [{"name": "x", "errors": 0, **after}]})
    assert rows[-1].met is False and rows[-1].found == "+100 MB"


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 0),
        (b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nok", 6),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", 6),
        (b"", 6),
    ],
)
def test_every_answer_is_checked(answer: bytes, wrong: int) -> None:
    async def run() -> Answers:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(answer)
                if not answer:
                    writer.close()
                    return

        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            server = await asyncio.start_server(serve, sock=listening)
            port = server.sockets[0].getsockname()[1]
            request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
            found = await _play(
                port, [request], [0.0, 0.0, 0.01, 0.01, 0.02, 0.02], lambda s, b: s == 200 and b == b"ok"
            )
            server.close()
            return found

    found = asyncio.run(run())
    assert (len(found.due_s), len(found.errors)) == (6, wrong)
