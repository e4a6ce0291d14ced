"""Connection: HTTP/1.1 from one client, one request after the other.

llhttp (by httptools) parses; this hands each request to the application and writes its response, head and body in one
piece. ASGI would cost a third of a SendMessage: two dictionaries, an event, three coroutines and several copies of the
headers per request (measured against uvicorn 0.54: 20 µs a request of a bare reply there, 9 here).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import cast

import httptools

from freehold.front import heads
from freehold.front.body import Body, Disconnected
from freehold.kit.http import Request, Response

log = logging.getLogger("freehold.front")

MAX_HEAD = 64 << 10
"""Bytes of request line and headers; more is refused with 400. AWS's services take 8 to 16 KB."""
JOINED = 64 << 10
"""Bytes up to which a body is copied behind its head; a larger one is handed to the socket as it is."""

Application = Callable[[Request, Body], Awaitable[Response]]

_BODILESS = frozenset({204, 304})


@dataclass(slots=True)
class Asked:
    """A request whose turn has come or will come."""

    request: Request
    body: Body
    keep: bool
    """The client would go on with this connection."""
    chunks: bool
    """It understands chunks (HTTP/1.1)."""


class HeadTooLarge(Exception):
    """The request line and headers are larger than MAX_HEAD. The parser makes 400 of it."""


class Server:
    """What all connections of a listener share."""

    def __init__(self, application: Application, *, keep_alive_s: float = 75.0, date: Callable[[], str]) -> None:
        self.application = application
        self.keep_alive_s = keep_alive_s
        """Seconds after which an idle connection is closed."""
        self.date = date
        """The value of the Date header."""
        self.connections: set[Connection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        """Requests that are being answered."""
        self.leaving = False
        """Every response is the last one of its connection."""


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._parser.set_dangerous_leniencies(
            lenient_data_after_close=True
        )  # else 400 takes the place of the last answer
        self._transport: asyncio.Transport = None  # type: ignore[assignment]  # from connection_made on
        self._client = "127.0.0.1"
        self._url = b""
        self._headers: heads.RawHeaders = []
        self._in_head = False
        self._packet = self._received = 0
        """Bytes of what was received last; and of all since the packet in which the head began."""
        self._arriving: Body | None = None
        self._expects = False
        """The client waits for 100 Continue before it sends the body that is arriving."""
        self._asked: deque[Asked] = deque()
        """Requests that wait for their turn."""
        self._answering: Body | None = None
        self._task: asyncio.Task[None] | None = None
        """What answers."""
        self._paused = False
        self._drained: asyncio.Future[None] | None = None
        self._idle_since: float | None = None
        self._watch: asyncio.TimerHandle | None = None

    # --- the socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self._client = str(peer[0])
        self._server.connections.add(self)
        self._idle_since = self._loop.time()
        self._watch = self._loop.call_later(self._server.keep_alive_s, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._asked.clear()
        for body in (self._arriving, self._answering):
            if body is not None:
                body.lose()
        self.resume_writing()
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        # They know each other; the collector, which comes rarely, would be the only one to find them.
        self._parser = None  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._idle_since = None
        self._packet = len(data)
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if not self._go_without(upgrade, data):
                return
        except httptools.HttpParserError:
            self._refuse()
            return
        if self._in_head and self._received > MAX_HEAD:
            self._refuse()
        elif self._asked:  # by now a small body is complete
            self._begin()

    def _go_without(self, upgrade: httptools.HttpParserUpgrade, data: bytes) -> bool:
        """Nothing that a client would upgrade to is spoken here: its request is answered as it is. The parser takes what
        follows such a head for another protocol, so it is given the rest again; with a body (Java's client asks for h2c
        with every request), the head again too, without the wish. False: the client was refused."""
        while True:
            data = data[upgrade.args[0] :]
            request = self._asked[-1].request
            if request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers:
                if request.method == "CONNECT":  # a body of what has none
                    self._refuse()
                    return False
                self._asked.pop()
                lines = [b"%b: %b\r\n" % pair for pair in self._headers if pair[0].lower() != b"upgrade"]
                data = b"%b %b HTTP/1.1\r\n%b\r\n%b" % (request.method.encode(), self._url, b"".join(lines), data)
            if not data:
                return True
            try:
                self._parser.feed_data(data)
                return True
            except httptools.HttpParserUpgrade as again:
                upgrade = again
            except httptools.HttpParserError:
                self._refuse()
                return False

    def pause_writing(self) -> None:
        if self._drained is None:
            self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._drained is not None:
            if not self._drained.done():
                self._drained.set_result(None)
            self._drained = None

    def pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._paused and not self._asked and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def leave(self) -> None:
        """The server is about to stop: close now, or after the response that is under way."""
        if self._answering is None:
            self._transport.close()

    def close(self) -> None:
        self._transport.close()

    def _look(self) -> None:
        """Close a connection that has been idle for long enough; else look again when it may have been."""
        if self._transport.is_closing():
            return
        wait = self._server.keep_alive_s
        if self._idle_since is not None:
            wait -= self._loop.time() - self._idle_since
            if wait <= 0:
                self._transport.close()
                return
        self._watch = self._loop.call_later(wait, self._look)

    def _refuse(self) -> None:
        """What was sent is not HTTP, or too much of it."""
        if not self._transport.is_closing():
            self._transport.write(_REFUSAL)
            self._transport.close()

    # --- the parser

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = []
        self._received = 0
        self._in_head = True

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """A request: its body may still be on its way."""
        self._in_head = False
        raw, url, parser = self._headers, self._url, self._parser
        if self._received + self._packet > MAX_HEAD and len(url) + sum(len(n) + len(v) for n, v in raw) > MAX_HEAD:
            raise HeadTooLarge
        if not url.isascii():
            raise ValueError("the request line is not ASCII")
        if url[:1] == b"/":
            path, _, query = url.partition(b"#")[0].partition(b"?")
        else:
            parsed = httptools.parse_url(url)
            path, query = parsed.path or b"/", parsed.query or b""
        headers = heads.as_text(raw)
        announced = headers.get("content-length")
        self._arriving = body = Body(self, int(announced) if announced is not None and announced.isdecimal() else None)
        self._expects = "expect" in headers and headers["expect"].lower() == "100-continue"
        method, client = parser.get_method().decode(), self._client
        request = Request(
            method, path.decode(), query.decode(), headers, b"", None, client, "http", raw, None, body.gone
        )
        chunks = parser.get_http_version() == "1.1"
        self._asked.append(Asked(request, body, chunks and parser.should_keep_alive(), chunks))

    def on_body(self, piece: bytes) -> None:
        if self._arriving is not None:
            self._arriving.feed(piece)

    def on_message_complete(self) -> None:
        body, self._arriving = self._arriving, None
        if body is not None:
            body.end()

    def go_on(self) -> None:
        """The application wants the body of a client that asked first."""
        if self._expects and not self._transport.is_closing():
            self._expects = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    # --- one answer after the other

    def _begin(self) -> None:
        """Answer the next request, unless one is being answered."""
        if self._answering is not None:
            self.pause()
            return
        asked = self._asked.popleft()
        self._answering = asked.body
        self._task = self._loop.create_task(self._answer(asked))
        self._server.tasks.add(self._task)

    async def _answer(self, asked: Asked) -> None:
        keep = False
        try:
            try:
                response = await self._server.application(asked.request, asked.body)
            except asyncio.CancelledError:  # a server that stops cancels what it could not finish in time
                response = _STOPPING
            if type(response.body) is bytes:
                keep = self._write(asked, response, response.body)
            else:
                keep = await self._stream(asked, response, cast(AsyncIterator[bytes], response.body))
        except Disconnected:
            pass
        except Exception:
            log.exception("%s %s could not be answered", asked.request.method, asked.request.path)
        finally:
            self._answered(asked.body, keep=keep)

    def _answered(self, body: Body, *, keep: bool) -> None:
        self._answering = None
        self._expects = False
        if self._task is not None:
            self._server.tasks.discard(self._task)
            self._task = None
        if not keep or self._transport.is_closing():
            self._transport.close()
            return
        body.drop()
        if self._asked:
            self._begin()
        else:
            self._idle_since = self._loop.time()
        self.resume()

    def _write(self, asked: Asked, response: Response, body: bytes) -> bool:
        """Send a response; says whether the connection may be kept."""
        server, status, headers = self._server, response.status, response.headers
        keep = asked.keep and not server.leaving
        bodiless = asked.request.method == "HEAD" or status in _BODILESS  # these say their length themselves, if at all
        length = None if bodiless else len(body)
        try:
            head, keep = heads.begin(status, headers, server.date(), length=length, chunked=False, keep=keep)
        except ValueError:
            log.exception("a response had a head that cannot be sent")
            bodiless, keep = False, False
            body = b"Internal Server Error\n"
            head, _ = heads.begin(500, (), server.date(), length=len(body), chunked=False, keep=False)
        if self._transport.is_closing():
            return False
        if bodiless:
            self._transport.write(head)
        elif len(body) <= JOINED:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))
        return keep

    async def _stream(self, asked: Asked, response: Response, body: AsyncIterator[bytes]) -> bool:
        """Send a body piece by piece. A producer that fails after the head was sent can only break the connection off."""
        bodiless = asked.request.method == "HEAD" or response.status in _BODILESS
        length = heads.length_of(response.headers)
        chunked = length is None and asked.chunks and not bodiless
        keep = asked.keep and not self._server.leaving and (chunked or length is not None or bodiless)
        async with contextlib.AsyncExitStack() as stack:
            close = getattr(body, "aclose", None)
            if close is not None:
                stack.push_async_callback(close)
            head, keep = heads.begin(
                response.status, response.headers, self._server.date(), length=None, chunked=chunked, keep=keep
            )
            if bodiless:
                self._put(head)
                return keep
            sent = 0
            async for piece in body:
                if not piece:
                    continue
                sent += len(piece)
                if length is not None and sent > length:
                    raise RuntimeError("a body longer than its content-length")
                self._put(head + (b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece))
                head = b""
                if self._drained is not None:
                    await self._drained
            if length is not None and sent != length:
                raise RuntimeError("a body shorter than its content-length")
            self._put(head + (b"0\r\n\r\n" if chunked else b""))
        return keep

    def _put(self, data: bytes) -> None:
        if self._transport.is_closing():
            raise Disconnected
        if data:
            self._transport.write(data)


_STOPPING = Response(503, [("content-type", "text/plain"), ("connection", "close")], b"Freehold is stopping.\n")
_REFUSAL = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 30\r\n"
    b"connection: close\r\n\r\nInvalid HTTP request received."
)
