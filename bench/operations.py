"""load.py with more operations of messaging: `python -m bench.operations LOAD_TOOL <arguments of load.py>`.

An operation is what load.py takes for one: a function `op_{name}` that prepares the server and returns prebuilt requests
with a check of every answer, or the figures themselves.
"""

from __future__ import annotations

import importlib.util
import socket
import sys
import time
from pathlib import Path
from typing import Any

from bench.exchange import exchange
from bench.limits import operations as limits

BACKLOG = 10_000
"""Messages that a mapping finds waiting."""
WAITING = 1_000_000
RECEIVES = 1_000
TRIVIAL = b"def handler(event, context):\n    return None\n"


def tool(path: Path) -> Any:
    """load.py as a module, with the operations of this one added."""
    spec = importlib.util.spec_from_file_location("load", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["load"] = module
    spec.loader.exec_module(module)
    add(module)
    return module


def batches(load: Any, url: str, body: str = "x" * 250) -> list[bytes]:
    """Requests of ten messages each."""
    entries = [[{"Id": str(i), "MessageBody": f"{n:04d}{i}{body}"} for i in range(10)] for n in range(64)]
    client = load.client("sqs")
    return [load.build(client, "send_message_batch", QueueUrl=url, Entries=each) for each in entries]


def whole_batch(_headers: bytes, body: bytes) -> bool:
    """All ten were taken."""
    return body.count(b"MD5OfMessageBody") >= 10


def sqs_batch(load: Any) -> Any:
    """SendMessageBatch of ten."""
    url, _ = load.mkq()
    return load.Simple(batches(load, url), whole_batch), None


def fill(load: Any, url: str, count: int) -> None:
    """Have `count` messages wait on a queue. Raises RuntimeError when one is refused."""
    requests = batches(load, url)
    while (lacks := count - load.depth(url)) > 20_000:
        state = load.run_engine(load.Simple(requests, whole_batch), 32, min(5.0, lacks / 40_000), 1)
        if state.err:
            raise RuntimeError(f"the queue could not be filled: {state.sample}")
    client = load.client("sqs")
    for _ in range(lacks // 10):
        client.send_message_batch(QueueUrl=url, Entries=[{"Id": str(i), "MessageBody": "x" * 250} for i in range(10)])


def receive(load: Any, waiting: int) -> dict[str, Any]:
    """ReceiveMessage on one connection with so many messages waiting: one is sent, unmeasured, before each receive."""
    url, _ = load.mkq()
    fill(load, url, waiting)
    client = load.client("sqs")
    send = load.build(client, "send_message", QueueUrl=url, MessageBody="x" * 250)
    ask = load.build(client, "receive_message", QueueUrl=url, MaxNumberOfMessages=1)
    took, wrong = [], 0
    with socket.create_connection((load.A.host, load.A.port)) as connection:
        for number in range(RECEIVES):
            exchange(connection, send)
            began = time.perf_counter()
            answer = exchange(connection, ask)
            if number >= RECEIVES // 10:
                took.append(time.perf_counter() - began)
            wrong += b"ReceiptHandle" not in answer
    took.sort()
    p50, p99 = (round(1e3 * took[int(len(took) * share)], 3) for share in (0.5, 0.99))
    return {"n": len(took), "errors": wrong, "p50_ms": p50, "p99_ms": p99, "rps": round(len(took) / sum(took), 1)}


def rules(load: Any, count: int) -> Any:
    """PutEvents on a bus with so many rules of which one matches, once the rules have been read."""
    operation, post = load._eb(count)
    events = load.client("events")
    bus = max(events.list_event_buses(NamePrefix="bus-")["EventBuses"], key=lambda each: each["CreationTime"])["Name"]
    events.put_events(Entries=[{"Source": "warm", "DetailType": "up", "EventBusName": bus, "Detail": "{}"}])
    return operation, post


def esm_backlog(load: Any) -> dict[str, Any]:
    """Messages a second at which a mapping of batches of ten drains a backlog through a trivial function."""
    name, _ = load.mkfn(TRIVIAL)
    url, arn = load.mkq()
    functions = load.client("lambda")
    functions.invoke(FunctionName=name, Payload=b"{}")["Payload"].read()
    mapping = functions.create_event_source_mapping(
        FunctionName=name, EventSourceArn=arn, BatchSize=10, Enabled=False, MaximumBatchingWindowInSeconds=0
    )["UUID"]
    fill(load, url, BACKLOG)
    queue = load.client("sqs")
    kinds = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def left() -> tuple[int, int]:
        found = queue.get_queue_attributes(QueueUrl=url, AttributeNames=kinds)["Attributes"]
        return int(found[kinds[0]]), int(found[kinds[1]])

    functions.update_event_source_mapping(UUID=mapping, Enabled=True)
    deadline = time.monotonic() + 120
    while sum(left()) == BACKLOG and left()[1] == 0 and time.monotonic() < deadline:
        time.sleep(0.005)
    began = time.perf_counter()
    while sum(left()) and time.monotonic() < deadline:
        time.sleep(0.02)
    took = time.perf_counter() - began
    lost = sum(left())
    functions.delete_event_source_mapping(UUID=mapping)
    return {"rps": round((BACKLOG - lost) / took), "errors": lost, "p50_ms": None, "p99_ms": None, "drain_s": took}


def add(load: Any) -> None:
    """Have load.py know the operations of this module and those of the bare servers."""
    load.op_sqs_batch = lambda: sqs_batch(load)
    load.op_sqs_receive_10 = lambda: receive(load, 10)
    load.op_sqs_receive_1m = lambda: receive(load, WAITING)
    load.op_eb_10rules = lambda: rules(load, 10)
    load.op_eb_10000rules = lambda: rules(load, 10_000)
    load.op_esm_backlog = lambda: esm_backlog(load)
    limits.add(load)


def main() -> None:
    """Run load.py with these operations."""
    tool(Path(sys.argv.pop(1))).main()


if __name__ == "__main__":
    main()
