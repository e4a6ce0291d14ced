"""Where the processor time of a hot call goes, by leaving rooms out: `python -m bench.where`. Takes about fifteen seconds.

The same requests, 32 at a time, are fed to connections without a socket, first with an application that answers at once,
then with ever more of the real one. What a room costs is what it adds ("signature": what --guarded adds; the other columns
are of an open server). Only the processor's time counts, so other work on the machine disturbs less than it disturbs
requests per second.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from freehold.front.body import Body
from freehold.front.connection import Application, Connection, Server
from freehold.kit.http import Request, Response
from freehold.kit.ids import Ids
from freehold.node.assemble import Node, assemble
from freehold.ports.platform import Settings
from freehold.services.iam.model import AccessKey
from freehold.services.iam.state import save_key
from freehold.store.base import Store
from freehold.store.memory import MemoryStore
from freehold.store.sqlite import SqliteStore
from tests.wire.requests import KEY, SECRET, sent

AT_ONCE = 32
CALLS = 4_000
ROUNDS = 5
URL = "http://127.0.0.1:4566"
ITEM = {"id": {"S": "one"}, **{f"a{at}": {"S": "v" * 30} for at in range(8)}}


@dataclass(frozen=True)
class Case:
    """A hot call: its request, what makes it possible, and the kind of answer it gets."""

    name: str
    service: str
    operation: str
    params: dict[str, Any]
    before: tuple[tuple[str, str, dict[str, Any]], ...]
    answer: dict[str, Any]


TABLE: tuple[str, str, dict[str, Any]] = (
    "dynamodb",
    "create_table",
    {
        "TableName": "table",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    },
)
PUT = {"TableName": "table", "Item": ITEM}
SENT = {"MessageId": "c6104cbe-af31-41e0-8154-cbc7ccf896c7", "MD5OfMessageBody": "0" * 32}
CASES = (
    Case(
        "SendMessage",
        "sqs",
        "send_message",
        {"QueueUrl": f"{URL}/000000000000/queue", "MessageBody": "x" * 256},
        (("sqs", "create_queue", {"QueueName": "queue"}),),
        SENT,
    ),
    Case("PutItem", "dynamodb", "put_item", PUT, (TABLE,), {}),
    Case(
        "GetItem",
        "dynamodb",
        "get_item",
        {"TableName": "table", "Key": {"id": {"S": "one"}}},
        (TABLE, ("dynamodb", "put_item", PUT)),
        {"Item": ITEM},
    ),
)


class Wire(asyncio.Transport):
    """A transport without a socket."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.arrived: asyncio.Future[None] | None = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 5) if name == "peername" else default

    def write(self, data: Any) -> None:
        self.written += data
        if self.arrived is not None and not self.arrived.done():
            self.arrived.set_result(None)

    def is_closing(self) -> bool:
        return False

    def close(self) -> None: ...


def raw(request: Request) -> bytes:
    """The bytes of a request."""
    lines = [f"{request.method} {request.path} HTTP/1.1"]
    headers = {"host": "127.0.0.1:4566", **request.headers, "content-length": str(len(request.body))}
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + request.body


async def ask(server: Server, requests: list[bytes], count: int) -> None:
    """Ask `count` times, over one connection for each request; every answer is checked."""
    left = count

    async def client(request: bytes) -> None:
        nonlocal left
        wire = Wire()
        connection = Connection(server)
        connection.connection_made(wire)
        while left > 0:
            left -= 1
            wire.written = b""
            wire.arrived = asyncio.get_running_loop().create_future()
            connection.data_received(request)
            await wire.arrived
            assert wire.written.startswith(b"HTTP/1.1 200"), wire.written
        connection.connection_lost(None)

    await asyncio.gather(*(client(request) for request in requests))


async def cost(application: Application, request: bytes) -> tuple[float, float]:
    """Microseconds of the event loop's thread and of all other threads, per call: medians of some rounds."""
    server = Server(application, date=lambda: "Thu, 01 Jan 1970 00:00:00 GMT")
    requests = [request] * AT_ONCE
    await ask(server, requests, CALLS // 4)
    loops, others = [], []
    for _ in range(ROUNDS):
        thread, process = time.thread_time(), time.process_time()
        await ask(server, requests, CALLS)
        thread, process = time.thread_time() - thread, time.process_time() - process
        loops.append(thread / CALLS * 1e6)
        others.append((process - thread) / CALLS * 1e6)
    return statistics.median(loops), statistics.median(others)


async def node_on(store: Store, directory: Path, *, guarded: bool = False) -> Node:
    directory.mkdir()
    settings = Settings(URL, directory, guarded=guarded, ephemeral=True)
    return await assemble(settings, store, directory / "scratch")


async def prepared(node: Node, case: Case) -> None:
    """Make what the call needs."""
    server = Server(node.app, date=lambda: "")
    for service, operation, params in case.before:
        await ask(server, [raw(sent(service, operation, **params))], 1)
    await asyncio.sleep(0.2)


def at_once(length: int) -> Application:
    """An application that answers with so many bytes."""

    async def application(request: Request, body: Body) -> Response:
        return Response(200, [("content-type", "application/x-amz-json-1.0")], b"x" * length)

    return application


def without_handler(node: Node, case: Case) -> Callable[[], None]:
    """Have the operation answered by a constant; answers how to undo it."""
    service = next(each for each in node.offer.services if each.name == case.service)
    operation = next(each for each in service.operations.values() if each.snake_name == case.operation)
    real = node.offer.handler(case.service, operation)

    async def constant(call: Any, request: dict[str, Any]) -> dict[str, Any]:
        return case.answer

    def put(handler: Callable[[Any, dict[str, Any]], Awaitable[dict[str, Any]]] | None) -> None:
        node.offer._handlers[case.service, operation.name] = handler
        node.offer._routes.clear()

    put(constant)
    return lambda: put(real)


async def signature(case: Case, request: bytes, directory: Path) -> float:
    """What a guarded node adds: the key's row and the check of the signature."""
    loops = []
    for guarded in (False, True):
        node = await node_on(MemoryStore(Ids()), directory.with_suffix(f".{guarded}"), guarded=guarded)
        key = AccessKey(
            id=KEY, secret=SECRET, account="000000000000", user=None, user_id="000000000000",
            user_arn="arn:aws:iam::000000000000:root", created=0.0,
        )  # fmt: skip
        await node.platform.store.transact(lambda tx, key=key: save_key(tx, key))  # type: ignore[misc]
        without_handler(node, case)
        loops.append((await cost(node.app, request))[0])
        await node.close()
    return loops[1] - loops[0]


async def measure(case: Case, directory: Path) -> dict[str, float]:
    """Microseconds by room."""
    request = raw(sent(case.service, case.operation, **case.params))
    found: dict[str, float] = {}
    found["connection"] = (await cost(at_once(150), request))[0]
    node = await node_on(MemoryStore(Ids()), directory / "memory")
    await prepared(node, case)
    undo = without_handler(node, case)
    found["front and wire"] = (await cost(node.app, request))[0] - found["connection"]
    undo()
    await node.close()
    found["signature"] = await signature(case, request, directory / "guarded")
    store = SqliteStore.open(directory / "rows")
    node = await node_on(store, directory / "sqlite")
    await prepared(node, case)
    loop, writer = await cost(node.app, request)
    found["handler and store"] = loop - found["connection"] - found["front and wire"]
    found["the loop's thread"] = loop
    found["the writer's thread"] = writer
    await node.close()
    return found


def main() -> None:
    columns = (
        "connection",
        "front and wire",
        "signature",
        "handler and store",
        "the loop's thread",
        "the writer's thread",
    )
    print("| µs of processor time per call | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for case in CASES:
        with tempfile.TemporaryDirectory(prefix="freehold-where-") as directory:
            found = uvloop.run(measure(case, Path(directory)))
        print(f"| {case.name} | " + " | ".join(f"{found[column]:.0f}" for column in columns) + " |", flush=True)


if __name__ == "__main__":
    main()
