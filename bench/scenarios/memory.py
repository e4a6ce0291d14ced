"""Memory under load and after: of the server and of everything below it, while it is used as hard as 32 connections can."""

from __future__ import annotations

import threading
import time
from typing import Any

from bench.rounds import Entrant, Loader
from bench.scenarios.context import Context, Row
from bench.servers import Server
from bench.tree import Usage, usage

TITLE = "Memory under load and after"
OPERATIONS = {
    "sqs_send": "SendMessage",
    "ddb_put": "PutItem",
    "s3_get_1m": "GetObject 1 MiB",
    "httpapi_get": "HTTP API → Lambda, 32 instances",
}
EVERY_S = 0.25
AFTER_S = 5.0
STAYS_MB = 40
"""MB by which the server's own process may be larger than before, when all has been quiet for a while."""


class Watcher:
    """Takes samples of a server until it is told to stop."""

    def __init__(self, server: Server) -> None:
        self.samples: list[tuple[float, Usage]] = []
        self._pid = server.process.pid
        self._began = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            self.samples.append((self.now, usage(self._pid)))

    @property
    def now(self) -> float:
        return time.monotonic() - self._began

    def since(self, start_s: float) -> list[Usage]:
        return [each for at, each in self.samples if at >= start_s]

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


def run(context: Context) -> dict[str, Any]:
    """Each operation in turn on a fresh server, then quiet."""
    seconds = 1.0 if context.quick else 3.0
    found: dict[str, Any] = {"phases": []}
    with context.server() as server:
        time.sleep(2)
        found["before"] = _figures([usage(server.process.pid)])
        watcher, loader = Watcher(server), Loader(context.tool, server)
        try:
            for operation, name in OPERATIONS.items():
                start, entrant = watcher.now, Entrant(loader, operation)
                entrant.prepare()
                entrant.run(32, seconds)
                figures = entrant.figures()[32]
                errors = figures.get("errors", 1)
                said = _figures(watcher.since(start))
                found["phases"].append({"name": name, "start_s": start, "errors": errors, **said})
            quiet = watcher.now
            time.sleep(AFTER_S)
            found["after"] = _figures(watcher.since(quiet + AFTER_S - 1))
        finally:
            loader.close()
            watcher.stop()
        found["series"] = [
            (round(at, 2), round(each.server_mb, 1), round(each.memory_mb, 1)) for at, each in watcher.samples
        ]
    return found  # fmt: skip


def _figures(samples: list[Usage]) -> dict[str, float]:
    """The most of a span."""
    return {
        "server_mb": max(each.server_mb for each in samples),
        "memory_mb": max(each.memory_mb for each in samples),
    }


def rows(found: dict[str, Any]) -> list[Row]:
    """The most of each phase, and what stays."""
    stays = found["after"]["server_mb"] - found["before"]["server_mb"]
    made = [Row("before", _said(found["before"]))]
    made += [Row(f"{phase['name']}, {phase['errors']} errors", _said(phase)) for phase in found["phases"]]
    made.append(Row(f"{AFTER_S:g} s after (instances still there)", _said(found["after"])))
    target = f"≤ {STAYS_MB} MB"
    return [*made, Row("the server's own process, after against before", f"{stays:+.0f} MB", target, stays <= STAYS_MB)]


def _said(figures: dict[str, Any]) -> str:
    return f"server {figures['server_mb']:.0f} MB, all processes {figures['memory_mb']:.0f} MB"
