"""A whole node in this process: requests to all services, led by the coverage of handlers and state functions."""

from __future__ import annotations

import atexit
import io
import logging
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import botocore.awsrequest
import botocore.parsers
from botocore.model import OperationModel

from freehold.front.body import Body
from freehold.kit.http import Request
from freehold.kit.ids import Ids
from freehold.node.assemble import Node, assemble
from freehold.ports.platform import Settings
from freehold.store.memory import MemoryStore
from fuzz.draws import Draws
from fuzz.live.prologue import Prologue
from fuzz.live.sending import Clients, Wire, damaged
from fuzz.live.values import Memory, Values, broken
from fuzz.targets import Target, loops, require
from fuzz.targets.shapes import model

URL = "http://127.0.0.1:4566"
ACCOUNT = "000000000000"
INPUTS_PER_NODE = 5_000
"""Then a new one begins with a new store."""
WAITING = {"sqs:ReceiveMessage", "logs:StartLiveTail"}
RUNNING = {"lambda"}
"""Services left out: they start processes."""


class Errors(logging.Handler):
    """Exceptions that Freehold logged."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(
            f"{record.getMessage()}\n{logging.Formatter().formatException(record.exc_info) if record.exc_info else ''}"
        )


class Valve:
    """The connection of a body that is complete."""

    def go_on(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...


class World:
    """A node with things in it, and clients whose requests never leave the process."""

    def __init__(self) -> None:
        self.scratch = Path(tempfile.mkdtemp(prefix="freehold-fuzz-node-"))
        atexit.register(shutil.rmtree, self.scratch, ignore_errors=True)
        settings = Settings(url=URL, data=self.scratch, ephemeral=True)
        self.node: Node = loops.run(assemble(settings, MemoryStore(Ids(seed=1)), self.scratch, seed=1, manual=True))
        self.memory, self.inputs = Memory(), 0
        self.clients = Clients(URL, ACCOUNT, "test")
        prologue = _Inside(self.clients, self.memory, account=ACCOUNT, world=self)
        prologue.run()
        prologue.run()
        require(not prologue.refused, "the prologue was refused", prologue.refused)
        self.operations = _operations(self.node)

    def send(self, wire: Wire) -> tuple[int, dict[str, str], bytes]:
        """The node's answer."""
        path, _, query = wire.path.partition("?")
        headers = {name.lower(): value for name, value in wire.headers.items()}
        headers.setdefault("host", "127.0.0.1:4566")
        headers["content-length"] = str(len(wire.body))
        return loops.run(self._answer(Request(wire.method, path or "/", query, headers), wire.body))

    async def _answer(self, request: Request, data: bytes) -> tuple[int, dict[str, str], bytes]:
        body = Body(Valve(), len(data))
        if data:
            body.feed(data)
        body.end()
        response = await self.node.app(request, body)
        said = response.body
        if not isinstance(said, bytes):
            said = b"".join([piece async for piece in said])
        await loops.settle(3)
        return response.status, {name.lower(): value for name, value in response.headers}, said

    def close(self) -> None:
        loops.run(self.node.close())
        shutil.rmtree(self.scratch, ignore_errors=True)


class _Inside(Prologue):
    """The prologue by way of the node, without functions."""

    def __init__(self, clients: Clients, memory: Memory, *, account: str, world: World) -> None:
        super().__init__(clients, memory, account=account)
        self._world, self._hooked = world, set[str]()

    def _functions(self) -> None:
        pass

    def _apis(self) -> None:
        pass

    def do(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        if service not in self._hooked:
            self._hooked.add(service)
            self._clients.of(service).meta.events.register("before-send", self._sent)
        return super().do(service, operation, **request)

    def _sent(self, request: Any, **_: Any) -> Any:
        parts = urlsplit(request.url)
        body = request.body or b""
        body = body.read() if hasattr(body, "read") else body.encode() if isinstance(body, str) else bytes(body)
        headers = {
            name: value.decode("latin-1") if isinstance(value, bytes) else str(value)
            for name, value in request.headers.items()
        }
        wire = Wire(request.method, parts.path + (f"?{parts.query}" if parts.query else ""), headers, body)
        status, given, said = self._world.send(wire)
        given_back: Any = botocore.awsrequest.HeadersDict(given)
        return botocore.awsrequest.AWSResponse(request.url, status, given_back, _Raw(said))


class _Raw(io.BytesIO):
    """What botocore reads a body from."""

    def stream(self, **_: Any) -> Any:
        yield self.read()


def _operations(node: Node) -> list[tuple[str, OperationModel]]:
    found = []
    for service in node.offer.services:
        if service.name in RUNNING:
            continue
        for name in sorted(service.operations):
            if f"{service.name}:{name}" not in WAITING and node.offer.handler(service.name, service.operations[name]):
                found.append((service.name, model(service.name).operation_model(name)))
    return found


_world: World | None = None
_errors = Errors()
logging.getLogger("freehold").addHandler(_errors)
logging.getLogger("freehold").propagate = False


def _current() -> World:
    global _world
    if _world is not None and _world.inputs >= INPUTS_PER_NODE:
        _world.close()
        _world = None
    if _world is None:
        _world = World()
    _world.inputs += 1
    return _world


def run(draws: Draws) -> Any:
    """Some requests, one after the other: each may use what those before it were answered."""
    world = _current()
    statuses = []
    for _ in range(draws.integer(1, 8)):
        service, operation = draws.pick(world.operations)
        seeded = random.Random(draws.integer(0, 65_535))
        made = Values(seeded, world.memory)
        made.service = service
        value = made.structure(operation.input_shape) if operation.input_shape else {}
        kind = draws.byte()
        try:
            sent = broken(value, seeded) if kind > 140 else value
            wire = world.clients.request(service, operation, sent)
        except Exception:  # noqa: BLE001 the SDK itself cannot write this input: nothing to send
            continue
        if kind > 230:
            wire = damaged(wire, seeded)
        _errors.texts.clear()
        loops.errors.clear()
        status, headers, body = world.send(wire)
        about = (f"{service}:{operation.name}", status, body[:300], wire.method, wire.path[:300], wire.body[:1_500])
        require(not _errors.texts, _errors.texts[:1], *about)
        require(not loops.errors, loops.errors[:1], *about)
        require(status < 500 or status in (501, 503), *about)
        if status < 300 and kind <= 140:  # what is broken may be another operation, whose answer is another
            _learn(world, service, operation, sent, status, headers, body)
        statuses.append(status)
    return statuses


def _learn(
    world: World, service: str, operation: OperationModel, sent: Any, status: int, headers: dict[str, str], body: bytes
) -> None:
    world.memory.learn({k: v for k, v in sent.items() if isinstance(v, str) and len(v) < 200}, service=service)
    if (
        operation.output_shape is not None
        and not operation.has_streaming_output
        and not operation.has_event_stream_output
    ):
        parser = botocore.parsers.create_parser(operation.service_model.resolved_protocol)
        world.memory.learn(
            parser.parse({"status_code": status, "headers": headers, "body": body}, operation.output_shape),
            service=service,
        )


TARGETS = (Target("node", run, seconds=6.0, repeatable=False, prepare=_current, longest=256),)
