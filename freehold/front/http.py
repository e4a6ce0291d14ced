"""HTTP/1.1: uvicorn's protocol on httptools, with the two steps that every request pays for made shorter.

uvicorn writes the head of a response by itself (one system call more, a fifth of what a GetItem costs), looks at every
header with regular expressions, and arms a timer per response. Here head and body leave together, and one timer watches a
connection. Parsing, flow control, pipelining and shutdown stay uvicorn's. pyproject.toml names the release this is
written for; tests/front/test_http.py would notice another one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

MAX_HEAD = 64 << 10
"""Bytes of request line and headers; more is refused with 400. AWS's services take 8 to 16 KB."""
JOINED = 64 << 10
"""Bytes up to which a body is copied behind its head; a larger one is handed to the socket as it is."""


class HeadTooLarge(Exception):
    """The request line and headers are larger than MAX_HEAD. The parser makes 400 of it."""


class Cycle(RequestResponseCycle):
    """One request and its response."""

    _start: Any = None

    async def send(self, message: Any) -> None:
        """Take a message of the application; the head waits for the first piece of the body."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            if self._start is not None or self.response_started:
                raise RuntimeError("a second response to one request")
            self._start = message
            return
        body = message.get("body", b"")
        more = message.get("more_body", False)
        if self.response_started:
            self._write(b"", body, more)
        elif self._start is None:
            raise RuntimeError("a body before its head")
        else:
            start, self._start = self._start, None
            head = self._head(start)
            self.response_started = True
            self.waiting_for_100_continue = False
            self._write(head, body, more)
        if not more:
            self._complete()

    def _head(self, start: Any) -> bytes:
        status = start["status"]
        lines = [STATUS_LINE[status]]
        headers: Iterable[tuple[bytes, bytes]] = start["headers"]
        count = 2
        for name, value in self.default_headers:
            lines += (name, b": ", value, b"\r\n")
            count += 1
        for name, value in headers:
            if name == b"content-length":
                self.expected_content_length = int(value)
                self.chunked_encoding = False
            elif name == b"connection" and b"close" in value.lower():
                self.keep_alive = False
                continue
            elif name == b"transfer-encoding":
                continue  # how a body travels is decided here
            lines += (name, b": ", value, b"\r\n")
            count += 1
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
            count += 1
        if self.chunked_encoding is None and self.scope["method"] != "HEAD" and status not in (204, 304):
            self.chunked_encoding = True
            lines.append(b"transfer-encoding: chunked\r\n")
            count += 1
        lines.append(b"\r\n")
        head = b"".join(lines)
        if head.count(b"\n") != count or head.count(b"\r") != count or b"\0" in head:
            raise RuntimeError("a header with a line break")  # values may be a user's: never let one begin a line
        return head

    def _write(self, head: bytes, body: bytes, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            self.expected_content_length = 0
            body = b""
        elif self.chunked_encoding:
            last = b"" if more else b"0\r\n\r\n"
            body = b"%x\r\n%b\r\n%b" % (len(body), body, last) if body else last
        else:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0:
                raise RuntimeError("a body longer than its content-length")
        if not head:
            self.transport.write(body)
        elif len(body) <= JOINED:
            self.transport.write(head + body)
        else:
            self.transport.writelines((head, body))

    def _complete(self) -> None:
        if self.expected_content_length != 0:
            raise RuntimeError("a body shorter than its content-length")
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


class Protocol(HttpToolsProtocol):
    """One connection."""

    _head_size = 0
    _idle_since: float | None = None
    _watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._idle_since = self.loop.time()
        self._watch = self.loop.call_later(self.timeout_keep_alive, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _look(self) -> None:
        """Close a connection that has been idle for long enough; else look again when it may have been."""
        if self.transport.is_closing():
            return
        wait: float = self.timeout_keep_alive
        if self._idle_since is not None:
            wait -= self.loop.time() - self._idle_since
            if wait <= 0:
                self.transport.close()
                return
        self._watch = self.loop.call_later(wait, self._look)

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._head_size = 0

    def on_url(self, url: bytes) -> None:
        self._grow(len(url))
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._grow(len(name) + len(value))
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def _grow(self, size: int) -> None:
        self._head_size += size
        if self._head_size > MAX_HEAD:
            raise HeadTooLarge

    def on_headers_complete(self) -> None:
        """Start the application on a request whose body may still be on its way."""
        version = self.parser.get_http_version()
        url = self.url
        if not url.isascii():
            raise ValueError("the request line is not ASCII")
        if url[:1] == b"/":
            path, _, query = url.partition(b"#")[0].partition(b"?")
        else:
            parsed = httptools.parse_url(url)
            path, query = parsed.path or b"/", parsed.query or b""
        self.scope = {  # type: ignore[typeddict-item]  # what front.app reads of it
            "type": "http",
            "http_version": version,
            "method": self.parser.get_method().decode("ascii"),
            "raw_path": path,
            "query_string": query,
            "headers": self.headers,
            "client": self.client,
            "scheme": self.scheme,
        }
        before = self.cycle
        self.cycle = Cycle(
            self.scope,
            self.transport,
            self.flow,
            self.logger,
            self.access_logger,
            False,
            self.server_state.default_headers,
            asyncio.Event(),
            self.expect_100_continue,
            version != "1.0" and self.parser.should_keep_alive(),
            self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_response_complete(self) -> None:
        """Begin the next pipelined request, or be idle."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:
            self._idle_since = self.loop.time()
