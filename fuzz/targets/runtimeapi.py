"""The Runtime API: whatever a function's process sends, an invocation ends once and nothing breaks."""

from __future__ import annotations

from typing import Any

from freehold.runtime import errors
from freehold.runtime.api import Connection
from fuzz.draws import Draws
from fuzz.targets import Target, loops, require

PREFIX = "/2018-06-01/runtime/"
IDS = ("id-1", "id-2", "", "nothing")
WORDS = (
    "GET ",
    "POST ",
    PREFIX,
    "invocation/next",
    "/response",
    "/error",
    "init/error",
    " HTTP/1.1\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Lambda-Runtime-Function-Response-Mode: streaming\r\n",
    "Lambda-Runtime-Function-Error-Type: ",
    "Content-Length: ",
    "\r\n\r\n",
    "id-1",
)


class Instance:
    """An instance as the protocol knows it: it says what happened, in order, and holds its caller to the rules."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.running: str | None = None
        self.ready = self.streaming = self.killed = False
        self.waiting: Connection | None = None
        self.count = 0

    def wants_next(self, connection: Connection) -> bool:
        if self.running is not None:
            return False
        self.ready, self.waiting = True, connection
        self.events.append("next")
        return True

    def dispatch(self) -> None:
        """What the pool does when an event comes."""
        connection, self.waiting = self.waiting, None
        if connection is not None and not self.killed:
            self.count += 1
            self.running, self.streaming = f"id-{self.count}", False
            connection.send_event(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"{}")

    def serves(self, request_id: str) -> bool:
        return self.running is not None and self.running == request_id

    def _end(self, what: Any) -> None:
        require(self.running is not None, "ended without an invocation", what, self.events)
        self.events.append(what)
        self.running, self.streaming = None, False

    def responded(self, body: bytes, content_type: str, peak_kb: int) -> None:
        require(len(body) <= 6_291_556, len(body))
        self._end(("responded", body, content_type, peak_kb))

    def failed(self, body: bytes, error_type: str | None, peak_kb: int) -> None:
        self._end(("failed", _shown(errors.reported(body, error_type)), peak_kb))

    def init_failed(self, body: bytes, error_type: str | None) -> bool:
        if self.ready:
            return False
        self.ready = True
        self.events.append(("init", _shown(errors.reported(body, error_type))))
        return True

    def response_too_large(self) -> None:
        self._end("too large")

    def stream_begun(self, connection: Connection, request_id: str, content_type: str) -> bool:
        if not self.serves(request_id) or self.streaming or self.count % 2:
            return False
        self.streaming = True
        return True

    def stream_fed(self, data: bytes) -> None:
        require(self.streaming, "fed without a stream", data)
        self.events.append(data)

    def stream_ended(self, error_type: str | None, details: bytes) -> None:
        require(self.streaming, "a stream ended that had not begun")
        self._end(("stream", error_type, _shown(errors.reported(details, error_type)) if error_type else None))

    def misused(self) -> None:
        self.killed = True

    def disconnected(self, connection: Connection) -> None:
        self.events.append("gone")


def _shown(failure: Any) -> Any:
    return failure.error_type, dict(failure.document)


def _usual(draws: Draws, request_id: str) -> bytes:
    """As our own clients answer, or nearly so."""
    body = draws.raw(60)
    length = len(body) if draws.chance(90) else draws.pick((0, len(body) + 5))
    head = (
        f"POST {PREFIX}invocation/{request_id}/response HTTP/1.1\r\nHost: runtime\r\nContent-Type: application/json\r\n"
        f"Freehold-Peak-Kb: {draws.pick(('1', '40960', '9' * 16))}\r\nContent-Length: {length}\r\n\r\n"
    )
    more = f"GET {PREFIX}invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n" if draws.chance(70) else ""
    return head.encode() + body + more.encode()


def _call(draws: Draws) -> bytes:
    kind = draws.integer(0, 9)
    request_id = draws.pick(IDS)
    if kind < 4:
        return f"GET {PREFIX}invocation/next HTTP/1.1\r\n\r\n".encode()
    if kind < 6:
        return _usual(draws, request_id)
    path = draws.pick(
        (
            f"invocation/{request_id}/response",
            f"invocation/{request_id}/error",
            "init/error",
            f"invocation/{request_id}/x",
            draws.text(20),
        )
    )
    lines = [f"{draws.pick(('POST', 'POST', 'GET', 'PUT'))} {PREFIX if draws.chance(95) else '/'}{path} HTTP/1.1"]
    body = (
        draws.raw(60)
        if draws.chance(60)
        else draws.pick(
            (b"{}", b'{"errorMessage": "m", "errorType": 1, "stackTrace": "x"}', b"[" * 2_000, b'"\\ud800"')
        )
    )
    for _ in range(draws.integer(0, 3)):
        lines.append(
            draws.pick(
                (
                    "Lambda-Runtime-Function-Response-Mode: streaming",
                    f"Lambda-Runtime-Function-Error-Type: {draws.text(8)}",
                    "Content-Type: text/plain",
                    "Lambda-Runtime-Function-Error-Body: " + draws.pick(("e30=", "!", "AAA")),
                    f"Freehold-Peak-Kb: {draws.pick(('1', '-1', '9' * 5_000, 'x', '²'))}",
                    "Connection: close",
                    f"Content-Type: {draws.text(9)}",
                )
            )
        )
    if draws.chance(40):
        lines.append("Transfer-Encoding: chunked")
        sent = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:]) if part) + b"0\r\n\r\n"
    else:
        lines.append(f"Content-Length: {len(body) if draws.chance(90) else draws.pick((0, 10**9, -1, len(body) + 5))}")
        sent = body
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogatepass") + sent


async def _talk(data: bytes, sizes: list[int]) -> Any:
    instance, wire = Instance(), loops.Wire()
    connection = Connection(instance)  # type: ignore[arg-type]
    connection.connection_made(wire)
    async for piece in loops.pieces(data, sizes):
        if wire.closed or instance.killed:
            break
        connection.data_received(piece)
        if draws_dispatch(len(piece)):
            instance.dispatch()
    instance.dispatch()
    connection.connection_lost(None)
    require(len(wire.sent) < 100_000, len(wire.sent))
    return instance.events, bytes(wire.sent)


def draws_dispatch(size: int) -> bool:
    """An event comes after most pieces: it depends on the piece alone, so that runs are repeatable."""
    return size % 4 != 0


def run(draws: Draws) -> Any:
    """Calls of a runtime on one connection, and garbage between them."""
    data = b"".join(_call(draws) for _ in range(draws.integer(1, 6)))
    if draws.chance(25):
        at = draws.integer(0, len(data))
        data = data[:at] + draws.raw(10) + data[at + draws.integer(0, 5) :]
    sizes = draws.many(5, lambda: draws.pick((1, 3, 50, 4_001))) or [5_001]
    return loops.run(_talk(data, sizes if len(data) < 6_000 else [999]))


TARGETS = (Target("runtime-api", run, dictionary=WORDS),)
