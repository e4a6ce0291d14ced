"""What a run makes of its parts."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from bench.__main__ import PARTS, Run
from bench.report import page
from bench.rules import RATIOS


def run(only: str = "", quick: bool = False) -> Run:
    return Run(argparse.Namespace(only=only, quick=quick, load_tool=Path("load.py"), no_peers=False))


def test_everything_unless_something_is_named() -> None:
    assert run().parts == list(PARTS) and run().operations == list(RATIOS)
    assert run("burst").parts == ["burst"] and run("burst").operations == []
    assert run("sqs_send,idle").operations == ["sqs_send"]
    assert run("operations").operations == list(RATIOS)


def test_a_part_that_fails_is_said_and_the_others_go_on() -> None:
    def fails() -> None:
        raise RuntimeError("the stack does not settle")

    one = run("deploys,idle")
    one.part("deploys", fails)
    one.part("memory", fails)  # not wanted
    figures = {"cpu_percent": 0.1, "memory_mb": 99.0, "server_mb": 60.0}
    one.part("idle", lambda: {"nothing": figures, "queues": figures, "mappings": figures})
    text = page.markdown([], one.tables(), None)
    assert "| deploys | RuntimeError: the stack does not settle | to be measured | **no** |" in text
    assert "- Parts that failed: deploys: RuntimeError: the stack does not settle" in text
    assert "## Cost of idle" in text and "memory" not in one.found


def test_every_part_has_its_table() -> None:
    """Figures of every scenario as they come, one that counts failures of its own among them."""
    one = run()
    each = {"memory_mb": 99.0, "server_mb": 60.0, "processes": 7, "cpu_percent": 0.0}
    phase = {"requests": 9, "errors": 0, "p50_ms": 1.0, "p99_ms": 2.0, "max_ms": 3.0}
    one.found = {
        "start": {"freehold": {"start_s": 0.5, "idle_mb": 70.0, "zygote_mb": 40.0}},
        "cold": {"freehold": {"plain": 12.0, "boto3": 60.0}, "ministack": {"plain": 200.0}},
        "limits": None,
        "messaging": None,
        "burst": {"Invoke": {"rate": 30.0, "calm_s": 0.0, "before": phase, "during": phase, "after": phase, "series": []}},
        "deploys": {
            "per_minute": 90.0, "p50_s": 0.5, "max_s": 1.0, "created_s": 0.5, "calls": 500, "failed": 0, "late": 0,
            "call_ms": {"p50_ms": 1.0, "p99_ms": 2.0},
        },
        "idle": {"nothing": each, "queues": each, "mappings": each},
        "memory": {"before": each, "after": each, "phases": [{"name": "x", "errors": 0, "start_s": 0.0, **each}]},
        "scale": {"idle_s": 300, "gone_s": 301.0, "first_ms": 520.0, "errors": 0, "empty": each, "busy": each, "zero": each},
    }  # fmt: skip
    text = page.markdown([], one.tables(), None)
    assert "Nothing: every target that was measured was met." in text
    for title in ("Burst", "Deploy rate", "Cost of idle", "Memory", "Scale to zero", "Start and idle", "First Invoke"):
        assert f"## {title}" in text
    assert "Parts that failed" not in text
    assert json.loads(one.document())["found"]["deploys"]["failed"] == 0
