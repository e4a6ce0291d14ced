"""What loads one server: prepares an operation once, then runs slices of it when it is told to.

`python -m bench.worker LOAD_TOOL URL PID` reads commands from standard input, one JSON document a line, and answers each
with one line: `{"do": "prepare", "operation": name}`, `{"do": "slice", "connections": 32, "seconds": 1, "warm": false}`,
`{"do": "finish"}`. The key it signs with is in the environment. It lives as long as its standard input, and so do its
requests' signatures and its clients.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import urllib.parse
from pathlib import Path
from typing import Any

from bench import operations
from bench.cold import RUNTIME
from bench.percentiles import milliseconds


class Worker:
    """The operation under way, and what its slices found."""

    def __init__(self, load: Any) -> None:
        self._load = load
        self._operation: Any = None
        self._post: Any = None
        self._latencies: dict[int, list[float]] = {}
        self._ok = 0
        self._wall = 0.0

    def prepare(self, operation: str) -> dict[str, Any]:
        """Make what the operation needs. Operations that are figures themselves answer `whole`."""
        self._latencies, self._ok, self._wall = {}, 0, 0.0
        self._load._cache.pop("filled", None)
        try:
            made = getattr(self._load, "op_" + operation)()
        except Exception as problem:  # noqa: BLE001 whatever a peer says instead of doing it
            return {"unsupported": f"{type(problem).__name__}: {problem}"[:300]}
        if isinstance(made, dict):
            return {"whole": made}
        self._operation, self._post = made
        return {}

    def slice(self, connections: int, seconds: float, warm: bool) -> dict[str, Any]:
        """Load the server for so long; a warm one is not a figure, but its errors count."""
        load = self._load
        load.A.conns, load.A.seconds = connections, seconds
        before = load.tree(load.A.pid)
        state = load.run_engine(self._operation, connections, seconds, 1)
        after = load.tree(load.A.pid)
        self._ok += state.ok
        self._wall += state.wall
        if not warm:
            self._latencies.setdefault(connections, []).extend(state.lat)
        found = {
            "rps": state.ok / state.wall,
            "errors": state.err,
            "answers": state.ok + state.err,
            "codes": state.codes,
            "warm": warm,
        }
        if state.sample:
            found["sample"] = repr(state.sample)[:300]
        if before and after:
            found["server_cpu"] = (after["cpu_s"] - before["cpu_s"]) / state.wall
            found["server_mb"] = after["pss_mb"]
            if answered := state.ok + state.err:
                found["cpu_us"] = 1e6 * (after["cpu_s"] - before["cpu_s"]) / answered
        return found

    def finish(self) -> dict[str, Any]:
        """Latencies of all slices together, by connections, and what the operation looks at in the end."""
        found: dict[str, Any] = {
            "latency": {str(each): milliseconds(taken) for each, taken in self._latencies.items() if taken}
        }
        if self._post is not None:
            state = argparse.Namespace(ok=self._ok, wall=self._wall)
            try:
                found["after"] = self._post(state)
            except Exception as problem:  # noqa: BLE001 as above
                found["after"] = {"failed": repr(problem)[:200]}
        self._operation = self._post = None
        return found


def main() -> None:
    """Serve commands until there are no more."""
    tool, url, pid = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    load = operations.tool(tool)
    parts = urllib.parse.urlsplit(url)
    load.A = argparse.Namespace(
        endpoint=url, host=parts.hostname, port=parts.port, netloc=parts.netloc, pid=pid, conns=1, seconds=1.0, procs=1,
        access_key=os.environ["AWS_ACCESS_KEY_ID"], secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        region="us-east-1", runtime=RUNTIME, cold=1,
    )  # fmt: skip
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what load.py prints is no answer
    worker = Worker(load)
    for line in sys.stdin:
        command = json.loads(line)
        answer = getattr(worker, command.pop("do"))(**command)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
