"""What a run makes of its parts."""

from __future__ import annotations

import argparse
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
