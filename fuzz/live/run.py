"""One run against one server: valid requests, broken ones, forged ones, front doors; what broke, and how to repeat it."""

from __future__ import annotations

import base64
import json
import random
import tempfile
import time
import urllib.parse
from collections import Counter, deque
from pathlib import Path
from typing import Any

import botocore.parsers
import botocore.session
import psutil

from freehold.testing import Freehold
from fuzz.live import doors, growth
from fuzz.live.attacks import Attacks
from fuzz.live.neighbour import Neighbour
from fuzz.live.prologue import Prologue
from fuzz.live.sending import PATIENCE_S, Clients, Reply, Sender, Wire, damaged
from fuzz.live.server import Log, credentials, start, stop
from fuzz.live.values import Memory, Values, broken

ACCOUNT = "000000000000"
LEFT_OUT = {("logs", "StartLiveTail"): "an answer without end"}
UNSIGNED = {"sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity"}
"""Answered without a signature, on AWS too: they bring a token of another kind."""
AGAIN = 400
"""Requests after which the prologue runs again: what was deleted is made anew."""
WARM = 0.25
"""Part of a run after which growth counts."""
FUNCTIONS_S = 45.0
"""What runs a function may take two initializations of 10 s and its timeout."""
PATIENT = {
    "sqs:ReceiveMessage": 20.0,
    **dict.fromkeys(("lambda:Invoke", "lambda:InvokeWithResponseStream", "lambda:InvokeAsync"), FUNCTIONS_S),
    **dict.fromkeys(("door http", "door rest", "door url"), FUNCTIONS_S),
}
"""Seconds that these may take by themselves: long polls, functions."""
SLOW_S = 10.0
"""A reply that comes later is a hang."""
KEPT = 400
"""Requests before a finding that its reproducer holds."""
OTHERWISE = (501, 503)
"""Refusals by name, and of what is there in excess."""


class Live:
    """One run."""

    def __init__(
        self, server: Freehold, data: Path, seed: int, services: list[str], work: Path, *, guarded: bool
    ) -> None:
        parts = urllib.parse.urlsplit(server.url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._server, self._data, self._work, self._guarded, self._seed = server, data, work, guarded, seed
        key, secret = credentials(server.said) if guarded else (ACCOUNT, "test")
        self._seeded, self._memory = random.Random(seed), Memory()
        self._values = Values(self._seeded, self._memory)
        self._clients, self._sender = Clients(server.url, key, secret), Sender(self._host, self._port)
        self._attacks = Attacks(self._clients, key, secret, self._seeded)
        self.prologue = Prologue(self._clients, self._memory, account=ACCOUNT)
        self._services = services
        self._log = Log(data.parent / "log")
        self._operations: list[tuple[str, Any]] = []
        self._past: deque[Wire] = deque(maxlen=KEPT)
        self.statuses: Counter[int] = Counter()
        self.kinds: Counter[str] = Counter()
        self.findings: dict[str, str] = {}
        self.answered: set[str] = set()
        self.tried: set[str] = set()
        self.slowest = (0.0, "")

    def run(self, seconds: float, progress: Any) -> None:
        """Until the time is over or the server is gone."""
        process = psutil.Process(self._server.process.pid)
        self.prologue.run()
        if self.prologue.refused and not self._services:
            self.findings["prologue"] = f"the prologue was refused: {self.prologue.refused}"
        self._operations = _operations(self._services)
        neighbour = Neighbour(self._clients)
        neighbour.start()
        begun = time.monotonic()
        before, told = None, begun
        while (now := time.monotonic()) < begun + seconds and self._server.process.poll() is None:
            if before is None and now > begun + seconds * WARM:
                before = growth.held(process, self._data)
            if now > told + 60:
                told = now
                progress(f"{now - begun:.0f} s: {self.summary()}; {growth.held(process, self._data)}")
            self.step()
            self.read_log()
        neighbour.stop()
        self.read_log()
        if self._server.process.poll() is not None:
            self.findings["ended"] = f"the server ended with {self._server.process.returncode}"
            self._keep("ended")
            return
        for text in (
            *growth.judge(before or growth.held(process, self._data), growth.held(process, self._data), self.successes),
            *neighbour.late,
        ):
            self.findings[text] = text
        if self.successes == 0:
            self.findings["nothing"] = "not one request succeeded: nothing was tested"

    @property
    def successes(self) -> int:
        return sum(count for status, count in self.statuses.items() if 200 <= status < 300)

    def summary(self) -> str:
        """What was done, in one line."""
        total = sum(self.statuses.values())
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.kinds.items()))
        return (
            f"{total:,} requests ({kinds}), {len(self.answered)} of {len(self.tried)} operations succeeded at least once, "
            f"slowest {self.slowest[0]:.1f} s ({self.slowest[1]}): {dict(sorted(self.statuses.items()))}, "
            f"{len(self.findings)} findings"
        )

    # --- steps

    def step(self) -> None:
        """One request of some kind."""
        seeded = self._seeded
        if sum(self.statuses.values()) % AGAIN == AGAIN - 1:
            self.prologue.run()
        kind = seeded.random()
        if kind < 0.06 and not self._services:
            self._door()
        elif kind < 0.08:
            data, reply = doors.raw(self._host, self._port, seeded)
            self._judge("raw bytes", Wire("", "", {}, data), reply, "raw")
        elif self._guarded and kind < 0.55:
            self._attack()
        else:
            self._call()

    def _call(self) -> None:
        seeded = self._seeded
        service, operation = seeded.choice(self._operations)
        self._values.service = service
        value = self._values.structure(operation.input_shape) if operation.input_shape else {}
        kind = seeded.random()
        try:
            sent = broken(value, seeded) if kind > 0.6 else value
            wire = self._clients.request(service, operation, sent)
        except Exception:  # noqa: BLE001 the SDK itself cannot write this input: nothing to send
            return
        if alone := kind > 0.9:
            wire = damaged(wire, seeded)
        name = f"{service}:{operation.name}"
        self.tried.add(name)
        reply = self._sender.send(wire, alone=alone, patience=_patience(name))
        what = "damaged" if alone else "broken" if kind > 0.6 else "valid"
        if self._judge(name, wire, reply, what) and 200 <= reply.status < 300 and not alone:
            self.answered.add(name)
            if what == "valid":  # a member less may make another operation of it: S3 tells some apart by them
                self._learn(service, operation, sent, reply)

    def _attack(self) -> None:
        service, operation = self._seeded.choice(self._operations)
        name = f"{service}:{operation.name}"
        self._values.service = service
        value = self._values.structure(operation.input_shape) if operation.input_shape else {}
        try:
            made = self._attacks.make(service, operation, value)
        except Exception:  # noqa: BLE001 the SDK itself cannot write this input: nothing to send
            return
        if made is None:
            return
        kind, wire = made
        reply = self._sender.send(wire, alone=self._seeded.random() < 0.3, patience=_patience(name))
        if self._judge(name, wire, reply, kind) and 0 < reply.status < 400 and name not in UNSIGNED:
            self._find(f"{name} answered {reply.status} to a request that is {kind}", wire, reply)

    def read_log(self) -> None:
        """Whatever was logged since last time is a finding."""
        for what, trace in self._log.traces():
            if what not in self.findings:
                self.findings[what] = f"{what}\n{trace}"
                self._keep(what)

    def _door(self) -> None:
        kind, wire = doors.Doors(self.prologue.doors, self._port, self._seeded).make()
        reply = self._sender.send(wire, alone=True)
        if (
            self._judge(f"door {kind}", wire, reply, "door")
            and self._guarded
            and kind in ("control", "bucket")
            and 0 < reply.status < 400
        ):
            path = wire.path.partition("?")[0].rstrip("/")
            open_to_all = wire.method == "OPTIONS" or path in ("/_freehold/health", "/_freehold")
            if not open_to_all:
                self._find(f"door {kind} answered {reply.status} to a request without a signature", wire, reply)

    # --- judging

    def _judge(self, name: str, wire: Wire, reply: Reply, kind: str) -> bool:
        """Is the reply one that may come? What may not is kept."""
        self.statuses[reply.status] += 1
        self.kinds[kind] += 1
        if reply.status == -1:
            return False
        self._past.append(wire)
        if reply.seconds > self.slowest[0]:
            self.slowest = (reply.seconds, name)
        if reply.late or reply.seconds > PATIENT.get(name, SLOW_S):
            # A busy machine is late once; what hangs does so every time.
            again = self._sender.send(wire, alone=True, patience=_patience(name)) if wire.method else reply
            if again.late or again.seconds > PATIENT.get(name, SLOW_S):
                self._find(f"{name} hangs: {again.problem}", wire, again)
                return False
        if reply.status == 0:
            if not reply.late:
                self._find(f"{name}: {reply.problem}", wire, reply)
            return False
        # What a function made of it is the function's: a gateway says 502 and 504 of it, and 500 where it may not invoke it.
        # What the gateway itself made of it is in the log.
        gateway = name in ("door http", "door rest", "door url") and reply.status in (500, 502, 504)
        if reply.status >= 500 and reply.status not in OTHERWISE and not gateway:
            self._find(f"{name} answered {reply.status}", wire, reply)
            return False
        return True

    def _find(self, what: str, wire: Wire, reply: Reply) -> None:
        if what in self.findings:
            return
        answer = f"{reply.status} after {reply.seconds:.1f} s {reply.body[:300]!r}"
        self.findings[what] = f"{what}: {wire.method} {wire.path[:300]} {shown(wire)} -> {answer}"
        self._keep(what)

    def _keep(self, what: str) -> None:
        requests = [
            {"method": w.method, "path": w.path, "headers": w.headers, "body": base64.b64encode(w.body).decode()}
            for w in self._past
        ]
        path = self._work / f"live-{len(self.findings)}.json"
        kept = {
            "live": {"guarded": self._guarded, "seed": self._seed},
            "requests": requests,
            "finding": self.findings[what],
        }
        path.write_text(json.dumps(kept))
        self.findings[what] += f"\n  ./dev fuzz --replay {path}"

    def _learn(self, service: str, operation: Any, sent: Any, reply: Reply) -> None:
        self._memory.learn({k: v for k, v in sent.items() if isinstance(v, str) and len(v) < 200}, service=service)
        if operation.output_shape is None or operation.has_streaming_output or operation.has_event_stream_output:
            return
        parser = botocore.parsers.create_parser(operation.service_model.resolved_protocol)
        response = {"status_code": reply.status, "headers": reply.headers, "body": reply.body}
        try:
            parsed = parser.parse(response, operation.output_shape)
        except Exception as problem:  # noqa: BLE001 an answer that boto3 cannot read is a finding, whatever it raises
            name = f"{service}:{operation.name}"
            self._find(
                f"{name} answered what botocore cannot read: {type(problem).__name__}", Wire("", "", {}, b""), reply
            )
            return
        self._memory.learn(parsed, service=service)


def _operations(services: list[str]) -> list[tuple[str, Any]]:
    session, found, works = botocore.session.get_session(), [], _offered()
    for service in services or works:
        model = session.get_service_model(service)
        names = works[service]["works"] or works[service]["missing"]
        # A few that are refused by name, too: the refusal must hold whatever the input is.
        names = [*names, *works[service]["missing"][: len(names) // 20]]
        found += [(service, model.operation_model(name)) for name in names if (service, name) not in LEFT_OUT]
    return found


def _offered() -> dict[str, Any]:
    """Which operations this checkout works, by service: a guarded server tells nobody."""
    from freehold.front.control import services
    from freehold.front.offer import Offer
    from freehold.node.assemble import manifests

    return services(Offer(manifests()))


def fuzz(seconds: float, seed: int, services: list[str], work: Path, *, guarded: bool) -> bool:
    """Fuzz a server of its own and say what broke; whether anything did."""
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="freehold-fuzz-") as directory:
        place = Path(directory)
        place.chmod(0o711)
        server = start(place, seed, guarded=guarded)
        try:
            live = Live(server, place / "data", seed, services, work, guarded=guarded)
            live.run(seconds, lambda text: print(text, flush=True))
        finally:
            ended = stop(server)
        live.read_log()
        if ended:
            live.findings[ended] = ended
    for finding in live.findings.values():
        print(finding)
    print(live.summary(), flush=True)
    return bool(live.findings)


def _patience(name: str) -> float:
    return max(PATIENT.get(name, 0.0) + 1, PATIENCE_S)


def shown(wire: Wire) -> str:
    """A request without what is the same in all of them."""
    headers = {
        name: value[:120]
        for name, value in wire.headers.items()
        if name not in ("User-Agent", "Authorization", "X-Amz-Date")
    }
    return f"{headers} {wire.body[:500]!r}"
