"""Connections of clients: whatever bytes come in whatever pieces, every answer is HTTP and none answers another request."""

from __future__ import annotations

import http.client
import io
import logging
from typing import Any

from freehold.front.body import Body, TooLarge
from freehold.front.connection import Connection, Server
from freehold.kit.http import Request, Response
from fuzz.draws import Draws
from fuzz.targets import Target, loops, require

WORDS = (
    "GET / HTTP/1.1\r\n",
    "POST /a HTTP/1.1\r\n",
    "Host: h\r\n",
    "Content-Length: 3\r\n",
    "Transfer-Encoding: chunked\r\n",
    "\r\n",
    "0\r\n\r\n",
    "3\r\nabc\r\n",
    "Expect: 100-continue\r\n",
    "Connection: close\r\n",
    "HTTP/1.0",
    "HEAD",
    "Upgrade: h2c\r\n",
    "Content-Length: -1\r\n",
    "Trailer: x\r\n",
    "http://h/",
    "\n",
)
MAX_SENT = 400_000
LIMIT = 64
"""Bytes of a body that the application takes."""


class Seen(logging.Handler):
    """Exceptions that were logged: an application of ours raises none, so each is the connection's own."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{record.getMessage()} {record.exc_info}")


SEEN = Seen()
logging.getLogger("freehold.front").addHandler(SEEN)
logging.getLogger("freehold.front").propagate = False


async def _application(request: Request, body: Body) -> Response:
    """Says what it got; by its path: in one piece, streamed, with the body unread, or with a header that it was given."""
    said = f"{request.method} {request.path}?{request.query} {len(request.headers)}".encode()
    headers = [("x-given", request.headers.get("x-give", "-"))]
    if request.path.startswith("/unread"):
        return Response(200, headers, said)
    if request.path.startswith("/gone"):
        return Response(204, headers)
    try:
        data = await body.read(LIMIT)
    except TooLarge:
        return Response(413, [("connection", "close")], b"too large")
    said += b" " + data
    if request.path.startswith("/stream"):
        return Response(200, headers, loops.pieces(said, [3]))
    return Response(200, headers, said)


def _request(draws: Draws) -> bytes:
    method = draws.pick(("GET", "POST", "PUT", "HEAD", "OPTIONS", "M-SEARCH", "CONNECT"))
    path = draws.pick(
        (
            "/",
            "/unread",
            "/stream",
            "/gone",
            "/a?b=%20#c",
            "http://h/x?y",
            "*",
            "//",
            "/\u00e9",
            "/" + "a" * draws.integer(0, 99),
        )
    )
    lines = [f"{method} {path} HTTP/{draws.pick(('1.1', '1.1', '1.1', '1.0', '2.0'))}"]
    body = draws.raw(90)
    kind = draws.integer(0, 7)
    sent = body
    if kind < 3:
        lines.append(f"Content-Length: {len(body)}")
    elif kind == 3:
        lines.append(
            "content-length: "
            + draws.pick(
                (str(len(body) + 1), str(max(len(body) - 1, 0)), "-1", "1e3", "0x3", "+3", str(2**64), "5, 5", "")
            )
        )
    elif kind < 6:
        lines.append(
            draws.pick(
                (
                    "Transfer-Encoding: chunked",
                    "transfer-encoding: Chunked",
                    "Transfer-Encoding: gzip, chunked",
                    "Transfer-Encoding: x",
                )
            )
        )
        cut = draws.integer(1, 40)
        chunks = [body[at : at + cut] for at in range(0, len(body), cut)]
        extension = draws.pick((b"", b"", b";a=b", b";" + draws.raw(8)))
        sent = b"".join(b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks) + b"0\r\n"
        sent += draws.pick((b"\r\n", b"\r\n", b"x: y\r\n\r\n", b"content-length: 3\r\n\r\n", b""))
    elif kind == 6:
        lines += ["Content-Length: 3", "Transfer-Encoding: chunked"]
    for _ in range(draws.integer(0, 3)):
        lines.append(
            draws.pick(
                (
                    "Host: h",
                    "X-Give: a",
                    "Expect: 100-continue",
                    "Connection: close",
                    "Connection: keep-alive",
                    "Upgrade: websocket",
                    " folded",
                    f"x-give: {draws.text(8)}",
                    f"{draws.text(6)}: b",
                    "Connection: upgrade",
                    "X: " + "b" * draws.pick((1, 70_000)),
                )
            )
        )
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogatepass") + sent


async def _talk(data: bytes, sizes: list[int]) -> tuple[bytes, bool]:
    """What a connection answers to the data, cut into pieces of these sizes."""
    server = Server(_application, date=lambda: "Thu, 01 Jan 1970 00:00:00 GMT")
    connection, wire = Connection(server), loops.Wire()
    connection.connection_made(wire)
    async for piece in loops.pieces(data, sizes):
        for _ in range(1_000):
            if not wire.paused:
                break
            await loops.settle(1)
        if wire.closed:
            break
        connection.data_received(piece)
        await loops.settle(3)
    for _ in range(200):  # what waits for more of its body waits for ever
        if not server.tasks:
            break
        await loops.settle(1)
    require(len(wire.sent) < MAX_SENT, "sent", len(wire.sent))
    closed = wire.closed
    connection.connection_lost(None)
    for _ in range(30):
        if not server.tasks:
            break
        await loops.settle(1)
    require(not server.tasks and not server.connections, "left behind", server.tasks)
    return bytes(wire.sent), closed


def _answers(sent: bytes, requests: int) -> list[tuple[int, bytes]]:
    """The responses in what was sent. The methods are not known: a response may be to HEAD where it has no length."""

    class Socket:
        def __init__(self, raw: io.BytesIO) -> None:
            self._raw = raw

        def makefile(self, *_: Any, **__: Any) -> Any:
            return io.BufferedReader(self._raw)

    raw, found = sent, []
    while raw:
        require(raw.startswith(b"HTTP/1.1 "), "no status line", raw[:80], sent[:400])
        head, end, rest = raw.partition(b"\r\n\r\n")
        require(end, "no end of the head", raw[:200])
        if raw.startswith(b"HTTP/1.1 100 "):
            raw = rest
            continue
        reader = http.client.HTTPResponse(Socket(io.BytesIO(raw)))  # type: ignore[arg-type]
        reader.begin()
        require(b"\n" not in head.replace(b"\r\n", b""), "a bare line break", head)
        status, length = reader.status, reader.getheader("content-length")
        if reader.getheader("transfer-encoding") == "chunked" and not rest.startswith(b"HTTP/"):
            at = rest.find(b"\r\n0\r\n\r\n") if not rest.startswith(b"0\r\n\r\n") else -2
            require(at != -1, "no last chunk", rest[:200])
            body, rest = rest[: at + 2], rest[at + 7 :]
        elif length is None and reader.getheader("connection") == "close":
            body, rest = rest, b""  # a stream for HTTP/1.0 ends with the connection
        else:
            size = 0 if rest.startswith(b"HTTP/") else int(length or 0)
            body, rest = rest[:size], rest[size:]
        found.append((status, body))
        raw = rest
    require(len(found) <= requests + 1, "more answers than requests", len(found), requests)
    return found


def run(draws: Draws) -> Any:
    """Requests on one connection, whole and in pieces."""
    count = draws.integer(1, 4)
    data = b"".join(_request(draws) for _ in range(count))
    if draws.chance(20):
        at = draws.integer(0, len(data))
        data = data[:at] + draws.raw(12) + data[at + draws.integer(0, 3) :]
    sizes = draws.many(6, lambda: draws.pick((1, 2, 7, 40, 300))) or [1]
    loops.errors.clear()
    SEEN.texts.clear()
    whole, whole_closed = loops.run(_talk(data, [1 << 16]))
    cut, cut_closed = loops.run(_talk(data, sizes if len(data) < 5_000 else [4_096]))
    require(not loops.errors and not SEEN.texts, loops.errors, SEEN.texts, data[:1_000])
    most = data.count(b"HTTP/") + 1
    one, two = _answers(whole, most), _answers(cut, most)
    if (one and one[-1][0] == 400) or (two and two[-1][0] == 400):
        # What is no HTTP any more ends the connection at once: how much before it was answered depends on the pieces.
        one, two = [a for a in one if a[0] != 400], [a for a in two if a[0] != 400]
        require(one[: len(two)] == two[: len(one)], "answers differ", one, two, sizes, data[:1_000])
    else:
        require(
            (one, whole_closed) == (two, cut_closed),
            "answers differ",
            one,
            whole_closed,
            two,
            cut_closed,
            sizes,
            data[:1_000],
        )
    return one, whole_closed


TARGETS = (Target("http", run, dictionary=WORDS, seconds=3.0),)
