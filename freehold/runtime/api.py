"""The server's side of the Lambda Runtime API, version 2018-06-01: one bare asyncio protocol per connection.

Own bootstraps reach it over an inherited socket pair, custom runtimes over a loopback port (see listener.py). It turns
HTTP into calls on the instance: `wants_next`, `responded`, `failed`, `init_failed`, and pieces of a streamed response.
Facts: docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html and runtimes-custom.html (response streaming).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from typing import TYPE_CHECKING, cast

import httptools

if TYPE_CHECKING:
    from freehold.runtime.instance import Instance

MAX_RESPONSE = 6_291_556
"""Bytes of a buffered response, as AWS's error message gives it."""
MAX_STREAM = 200 * 1024 * 1024
"""Bytes of a streamed response: Lambda's quota."""
_MAX_OTHER = 1024 * 1024
_MAX_DIGITS = 16
"""Of the memory that a runtime says it used."""
_PREFIX = b"/2018-06-01/runtime/"
_STREAM_BUFFER = 1024 * 1024

_NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n"
_USUAL = re.compile(
    rb"POST /2018-06-01/runtime/invocation/([0-9A-Za-z-]{1,64})/response HTTP/1\.1\r\nHost: runtime\r\n"
    rb"Content-Type: application/json\r\nFreehold-Peak-Kb: ([0-9]{1,15})\r\nContent-Length: ([0-9]{1,6})\r\n\r\n"
)
"""How our own clients begin to answer: what comes whole and looks like this needs no parser to be understood as one."""

_STATUS = {
    200: b"200 OK",
    202: b"202 Accepted",
    400: b"400 Bad Request",
    403: b"403 Forbidden",
    404: b"404 Not Found",
    413: b"413 Request Entity Too Large",
}


def _answer(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        _STATUS[status],
        len(body),
        body,
    )


_ACCEPTED = _answer(202, b'{"status":"OK"}')


def _refusal(status: int, kind: bytes, message: bytes) -> bytes:
    return _answer(status, b'{"errorMessage":"%b","errorType":"%b"}' % (message, kind))


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection of a runtime; pipelining is understood."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._pending = b""
        self._waiting = False
        self.on_message_begin()
        self._between = True
        """The parser has seen whole messages so far, and expects another."""

    # -- transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, problem: Exception | None) -> None:
        self._transport = None
        self._instance.disconnected(self)

    def data_received(self, data: bytes) -> None:
        if self._between and self._is_usual(data):
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as wrapper:
            # A bug of ours, not the runtime's: let the loop report it.
            self._instance.misused()
            raise wrapper.__context__ or wrapper from None
        except httptools.HttpParserError:
            self._instance.misused()
            self.close()
            return
        if self._pending and not self._waiting:
            self.write(b"")

    def write(self, data: bytes) -> None:
        """Send what is owed for earlier requests, then `data`."""
        if self._transport is not None:
            pending, self._pending = self._pending, b""
            self._transport.write(pending + data if pending else data)

    def send_event(self, head: bytes, payload: bytes) -> None:
        """Answer the GET of the next invocation."""
        self._waiting = False
        if len(payload) < 65536:
            self.write(head + payload)
        else:
            self.write(head)
            self.write(payload)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def pause(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def _is_usual(self, data: bytes) -> bool:
        """Was this a whole answer of one of our own clients to what it was asked, alone or with its next GET? Then it has
        been dealt with, as it would have been piece by piece."""
        found = _USUAL.match(data)
        if found is None:
            return False
        begin = found.end()
        end = begin + int(found[3])
        more = len(data) - end
        if more != 0 and (more != len(_NEXT) or not data.endswith(_NEXT)):
            return False
        instance = self._instance
        if not instance.serves(found[1].decode()):
            return False
        instance.responded(data[begin:end], "application/json", int(found[2]))
        self._pending += _ACCEPTED
        if more:
            self._next()
        if not self._waiting:
            self.write(b"")
        return True

    # -- httptools callbacks

    def on_message_begin(self) -> None:
        self._between = False
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._size = 0
        self._limit = _MAX_OTHER
        self._kind = b""
        self._request_id = ""
        self._streamed = False
        """The runtime sends piece by piece."""
        self._streaming = False
        """And the pieces go straight to the caller."""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        url = self._url
        if not url.startswith(_PREFIX):
            self._kind = b"unknown"
            return
        rest = url[len(_PREFIX) :]
        if rest == b"invocation/next" or rest == b"init/error":
            self._kind = rest
        elif rest.startswith(b"invocation/") and rest.count(b"/") == 2:
            _, request_id, self._kind = rest.split(b"/")
            self._request_id = request_id.decode("latin-1")
            if self._kind == b"response":
                self._limit = MAX_RESPONSE
                self._streamed = (
                    self._headers.get(b"lambda-runtime-function-response-mode", b"").lower() == b"streaming"
                )
                if self._streamed:
                    content_type = self._headers.get(b"content-type", b"").decode("latin-1")
                    self._streaming = self._instance.stream_begun(self, self._request_id, content_type)
                    self._limit = MAX_STREAM if self._streaming else MAX_RESPONSE
        else:
            self._kind = b"unknown"

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            self._body.clear()
        elif self._streaming:
            self._instance.stream_fed(data)
        else:
            self._body.append(data)

    def on_message_complete(self) -> None:
        kind = self._kind
        method = self._parser.get_method()
        self._between = self._parser.should_keep_alive()
        if kind == b"invocation/next" and method == b"GET":
            self._next()
        elif kind == b"response" and method == b"POST":
            self._respond()
        elif kind == b"error" and method == b"POST":
            self._fail()
        elif kind == b"init/error" and method == b"POST":
            accepted = self._instance.init_failed(b"".join(self._body), self._error_type())
            self._owe(
                _ACCEPTED if accepted else _refusal(403, b"InvalidStateTransition", b"The function is initialized")
            )
        else:
            self._owe(_refusal(404, b"InvalidRequest", b"Not a call of the Lambda Runtime API 2018-06-01"))

    # -- calls

    def _next(self) -> None:
        self._waiting = True
        if not self._instance.wants_next(self):
            self._waiting = False
            self._owe(_refusal(403, b"InvalidStateTransition", b"Transition from Invoking to Ready is not allowed"))

    def _owe(self, answer: bytes) -> None:
        self._pending += answer

    def _peak(self) -> int:
        text = self._headers.get(b"freehold-peak-kb", b"0")
        return int(text) if text.isdigit() and len(text) < _MAX_DIGITS else 0

    def _error_type(self) -> str | None:
        text = self._headers.get(b"lambda-runtime-function-error-type")
        return text.decode("latin-1") if text else None

    def _respond(self) -> None:
        instance = self._instance
        if not instance.serves(self._request_id):
            self._owe(_refusal(400, b"InvalidRequestID", b"Invalid request ID"))
        elif self._size > self._limit:
            instance.response_too_large()
            self._owe(
                _refusal(413, b"RequestEntityTooLarge", b"Exceeded maximum allowed payload size (6291556 bytes).")
            )
        elif self._streaming:
            details = self._headers.get(b"lambda-runtime-function-error-body", b"")
            instance.stream_ended(self._error_type(), _decoded(details))
            self._owe(_ACCEPTED)
        elif self._streamed and (kind := self._error_type()) is not None:
            # Streamed by the function, wanted whole by the caller, failed in the middle.
            instance.failed(_decoded(self._headers.get(b"lambda-runtime-function-error-body", b"")), kind, self._peak())
            self._owe(_ACCEPTED)
        else:
            body = self._body
            content_type = self._headers.get(b"content-type", b"application/json").decode("latin-1")
            instance.responded(body[0] if len(body) == 1 else b"".join(body), content_type, self._peak())
            self._owe(_ACCEPTED)

    def _fail(self) -> None:
        if not self._instance.serves(self._request_id):
            self._owe(_refusal(400, b"InvalidRequestID", b"Invalid request ID"))
        else:
            self._instance.failed(b"".join(self._body), self._error_type(), self._peak())
            self._owe(_ACCEPTED)


def _decoded(details: bytes) -> bytes:
    try:
        return base64.b64decode(details, validate=True)
    except binascii.Error:
        return details
