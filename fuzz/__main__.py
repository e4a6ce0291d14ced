"""`python -m fuzz`: a server of its own, random requests of all services at it, and what broke (exit code 1).

The seed of a run is printed; `--seed` repeats it.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import urllib.parse
from collections import Counter
from pathlib import Path
from typing import Any

import botocore.parsers
import botocore.session
import psutil

from freehold.testing import Freehold
from fuzz import supervisor
from fuzz.sending import Clients, Reply, Wire, damaged, send
from fuzz.values import Memory, Values, broken

ACCOUNT = "000000000000"
LEFT_OUT = {("lambda", "Invoke"): "runs whatever was uploaded", ("logs", "StartLiveTail"): "an answer without end"}
LONG_S = 120.0
"""Runs of this many seconds also say which lines they reached."""
GROWTH_MB = 300
"""More resident memory than this, after a run, is a leak or a hoard."""


class Run:
    """One run against one server."""

    def __init__(self, server: Freehold, seed: int, services: list[str], *, guarded: bool) -> None:
        parts = urllib.parse.urlsplit(server.url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._server, self._guarded = server, guarded
        self._seeded, self._memory = random.Random(seed), Memory()
        self._values = Values(self._seeded, self._memory)
        self._clients = Clients(server.url, ACCOUNT)
        self._operations = self._load(services, _offered())
        self.statuses: Counter[int] = Counter()
        self.findings: list[str] = []
        self.answered: set[str] = set()

    def _load(self, services: list[str], works: dict[str, Any]) -> list[tuple[str, Any]]:
        session, found = botocore.session.get_session(), []
        for service in services or works:
            model = session.get_service_model(service)
            names = works[service]["works"] or works[service]["missing"]
            # A few that are refused by name, too: the refusal must hold whatever the input is.
            names = [*names, *works[service]["missing"][: len(names) // 10]]
            found += [(service, model.operation_model(name)) for name in names if (service, name) not in LEFT_OUT]
        return found

    def step(self) -> None:
        """One request: valid, broken in its input, or damaged on the way."""
        service, operation = self._seeded.choice(self._operations)
        value = self._values.structure(operation.input_shape) if operation.input_shape else {}
        kind = self._seeded.random()
        try:
            sent = broken(value, self._seeded) if kind > 0.5 else value
            wire = self._clients.request(service, operation, sent)
        except Exception:  # noqa: BLE001 the SDK itself cannot write this input: nothing to send
            return
        if kind > 0.85:
            wire = damaged(wire, self._seeded)
        if self._guarded:
            wire.headers.pop("Authorization", None)
        reply = send(self._host, self._port, wire)
        self._judge(service, operation, sent, wire, reply)

    def _judge(self, service: str, operation: Any, sent: Any, wire: Wire, reply: Reply) -> None:
        self.statuses[reply.status] += 1
        name = f"{service}:{operation.name}"
        if reply.status == 0 or (reply.status >= 500 and reply.status not in (501, 503)):
            where = f"{wire.method} {wire.path[:200]}"
            answer = f"{reply.status} {reply.problem} {reply.body[:300]!r}"
            self.findings.append(f"{name} {answer} for {str(sent)[:600]} ({where})")
        elif self._guarded and 0 < reply.status < 400:
            self.findings.append(f"{name} answered {reply.status} to a request without a signature")
        elif 200 <= reply.status < 300:
            self.answered.add(name)
            self._learn(operation, reply)

    def _learn(self, operation: Any, reply: Reply) -> None:
        if operation.output_shape is None or operation.has_streaming_output or operation.has_event_stream_output:
            return
        parser = botocore.parsers.create_parser(operation.service_model.resolved_protocol)
        response = {"status_code": reply.status, "headers": reply.headers, "body": reply.body}
        self._memory.learn(parser.parse(response, operation.output_shape))


def main() -> None:
    """Fuzz for a while and say what broke."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--services", help="comma separated names of botocore's models; default: all that are offered")
    parser.add_argument("--guarded", action="store_true", help="unsigned requests at a guarded server")
    parser.add_argument(
        "--target", help="pure engines, comma separated, instead of a server; all: every one; list: their names"
    )
    parser.add_argument("--jobs", type=int, default=2, help="targets at once")
    parser.add_argument("--work", type=Path, help="where corpora and findings are kept; default: a directory in /tmp")
    parser.add_argument("--replay", type=Path, help="run the input of a finding again")
    given = parser.parse_args()
    if given.replay is not None:
        sys.exit(not supervisor.replay(given.replay))
    if given.target == "list":
        print("\n".join(supervisor.known("all")))
        return
    seed = given.seed if given.seed is not None else int(time.time())
    print(f"seed {seed}", flush=True)
    if given.target is not None:
        sys.exit(_pure(given, seed))
    with Freehold(flags=("--guarded",) if given.guarded else ()) as server:
        run = Run(server, seed, given.services.split(",") if given.services else [], guarded=given.guarded)
        process = psutil.Process(server.process.pid)
        before, deadline = process.memory_info().rss, time.monotonic() + given.seconds
        while time.monotonic() < deadline and server.process.poll() is None:
            run.step()
        if server.process.poll() is not None:
            run.findings.append(f"the server ended with {server.process.returncode}")
        elif (grown := (process.memory_info().rss - before) / 1e6) > GROWTH_MB:
            run.findings.append(f"the server grew by {grown:.0f} MB")
    for finding in run.findings:
        print(finding)
    total, codes = sum(run.statuses.values()), dict(sorted(run.statuses.items()))
    print(f"{total} requests, {len(run.answered)} operations succeeded at least once: {codes}")
    sys.exit(bool(run.findings))


def _pure(given: argparse.Namespace, seed: int) -> bool:
    """Fuzz pure targets; whether anything was found."""
    work = given.work or Path(tempfile.mkdtemp(prefix="freehold-fuzz-"))
    names = supervisor.known(given.target)
    outcomes = supervisor.fuzz(names, given.seconds, seed, work, jobs=given.jobs, coverage=given.seconds >= LONG_S)
    findings = [finding for outcome in outcomes for finding in outcome.findings]
    for text, path in findings:
        print(f"\n{path}\n{text}")
    total = sum(outcome.executions for outcome in outcomes)
    print(f"{total:,} executions of {len(names)} targets, {len(findings)} findings", flush=True)
    if findings:
        print("repeat one with: ./dev fuzz --replay FILE")
    return bool(findings)


def _offered() -> dict[str, Any]:
    """Which operations this checkout works, by service: a guarded server tells nobody."""
    from freehold.front.control import services
    from freehold.front.offer import Offer
    from freehold.node.assemble import manifests

    return services(Offer(manifests()))


if __name__ == "__main__":
    main()
