"""Slices of each server in turn, so that the noise of the machine hits all alike."""

from __future__ import annotations

import contextlib
import json
import os
import select
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.servers import HERE, Server

Found = dict[str, Any]
LOAD_TOOL = HERE.parent.parent / "shared" / "tools" / "load.py"
PATIENCE_S = 240.0
"""A server that keeps an operation waiting longer is said to hang."""


@dataclass(frozen=True)
class Pace:
    """How long everything takes: `rounds` slices for each server and number of connections."""

    rounds: int
    many_s: float
    one_s: float
    warm_s: float = 0.3
    functions_warm_s: float = 5.0
    """Functions at 32 connections: peers need long to start 32 instances."""
    latencies: bool = True
    """One connection is measured for every operation, not only for those that have a target."""

    def seconds(self, connections: int) -> float:
        """Of one slice."""
        return self.many_s if connections > 1 else self.one_s


class Loader:
    """The worker of one server. Answers are documents; a worker that hangs or dies answers `unsupported` from then on."""

    def __init__(self, tool: Path, server: Server) -> None:
        self.name = server.name
        command = [sys.executable, "-m", "bench.worker", str(tool), server.url, str(server.process.pid)]
        environment = {**os.environ, **server.credentials(), "PYTHONPATH": str(HERE.parent)}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._dead = ""

    def ask(self, do: str, **command: Any) -> Found:
        """One command and its answer."""
        if self._dead:
            return {"unsupported": self._dead}
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **command}) + "\n")
            self._process.stdin.flush()
            ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE_S)
            line = self._process.stdout.readline() if ready else ""
        except OSError:
            line = ""
        if not line:
            self._dead = "the load generator died" if self._process.poll() is not None else "hangs"
            self.close()
            return {"unsupported": self._dead}
        found: Found = json.loads(line)
        return found

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@dataclass
class Entrant:
    """One server in the rounds of an operation, with what was found. `operation` may differ: limits have their own."""

    loader: Loader
    operation: str
    slices: dict[int, list[Found]] = field(default_factory=dict)
    whole: Found = field(default_factory=dict)
    refused: str = ""

    def prepare(self) -> None:
        found = self.loader.ask("prepare", operation=self.operation)
        self.refused = found.get("unsupported", "")
        self.whole = found.get("whole", {})

    @property
    def runs(self) -> bool:
        return not self.refused and not self.whole

    def run(self, connections: int, seconds: float, *, warm: bool = False) -> None:
        if not self.runs:
            return
        found = self.loader.ask("slice", connections=connections, seconds=seconds, warm=warm)
        if "unsupported" in found:
            self.refused = found["unsupported"]
        else:
            self.slices.setdefault(connections, []).append(found)

    def figures(self) -> dict[int, Found]:
        """By number of connections."""
        if self.refused:
            return {connections: {"unsupported": self.refused} for connections in (32, 1)}
        if self.whole:
            return {self.whole.get("conns", 32): self.whole}
        ended = self.loader.ask("finish")
        return {connections: summary(taken, ended, connections) for connections, taken in self.slices.items()}


def summary(slices: Sequence[Found], ended: Found, connections: int) -> Found:
    """What several slices of one operation say together: the median rate, latencies of all, every error."""
    counted = [each for each in slices if not each["warm"]]
    rates = [each["rps"] for each in counted]
    found: Found = {
        "rps": statistics.median(rates),
        "slices": [round(rate, 1) for rate in rates],
        "errors": sum(each["errors"] for each in slices),
        "answers": sum(each["answers"] for each in slices),
        "codes": {code: count for each in slices for code, count in each["codes"].items()},
        **ended.get("latency", {}).get(str(connections), {}),
        **ended.get("after", {}),
    }
    for name in ("server_cpu", "server_mb", "cpu_us"):
        values = [each[name] for each in counted if name in each]
        if values:
            found[name] = statistics.mean(values)
    samples = [each["sample"] for each in slices if each["errors"] and "sample" in each]
    if samples:
        found["sample"] = samples[0]
    return found


def turns(count: int, rounds: int) -> Iterable[list[int]]:
    """The order of `count` entrants in each round: forth and back, so that nobody always follows the same one."""
    order = list(range(count))
    for number in range(rounds):
        yield order if number % 2 == 0 else order[::-1]


def compete(entrants: Sequence[Entrant], connections: Sequence[int], pace: Pace, warm_s: float) -> None:
    """Run one operation on all of them."""
    for entrant in entrants:
        entrant.prepare()
    for number in connections:
        for entrant in entrants:
            entrant.run(number, warm_s if number > 1 else min(warm_s, pace.warm_s), warm=True)
        for order in turns(len(entrants), pace.rounds):
            for at in order:
                entrants[at].run(number, pace.seconds(number))
