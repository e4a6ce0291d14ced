"""The other ways in: APIs, function URLs, virtual-hosted buckets, the control API, and bytes that are hardly HTTP."""

from __future__ import annotations

import random
import socket
import urllib.parse

from fuzz.live.sending import PATIENCE_S, Reply, Wire

METHODS = ("GET", "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "PROPFIND")
SEGMENTS = (
    "",
    "a",
    "..",
    ".",
    "%2e%2e",
    "%00",
    "%",
    "%zz",
    "é",
    "a b",
    "a" * 300,
    "{proxy+}",
    "$default",
    "fuzz",
    "//",
    ";x",
    "\\",
    "@",
    "~",
)
ANSWERS = (
    "",
    "status",
    "number",
    "headers",
    "break",
    "unicode",
    "base64",
    "cookies",
    "deep",
    "deep-body",
    "list",
    "null",
    "length",
    "continue",
    "nothing",
)
HEADERS = (
    ("Origin", "http://x"),
    ("Access-Control-Request-Method", "PUT"),
    ("Cookie", "a=b; c"),
    ("Cookie", ";;=,"),
    ("Content-Type", "multipart/form-data"),
    ("Content-Type", "\xff/"),
    ("Accept", "*/*;q=x"),
    ("Accept-Encoding", "gzip, br"),
    ("Content-Encoding", "gzip"),
    ("Content-Encoding", "aws-chunked"),
    ("X-Amzn-Trace-Id", "Root=x;Parent=;Sampled=1;;="),
    ("X-Amzn-Trace-Id", "a" * 5_000),
    ("X-Forwarded-For", "1.2.3.4, x"),
    ("Range", "bytes=-1,5-2"),
    ("If-None-Match", '"'),
    ("If-Modified-Since", "never"),
    ("Expect", "100-continue"),
    ("Transfer-Encoding", "x"),
    ("Authorization", "Basic !!"),
    ("Authorization", "Bearer a.b.c"),
    ("X-Api-Key", "\x7f"),
    ("X-Amz-Target", "."),
    ("X-Amz-Date", "x"),
    ("Smithy-Protocol", "rpc-v2-cbor"),
    ("X-Amz-Copy-Source", "%"),
    ("X-Http-Method-Override", "DELETE"),
)
CONTROL = (
    "health",
    "services",
    "isolation",
    "traces",
    "clock",
    "export",
    "import",
    "snapshot",
    "sns",
    "x",
    "",
    "../",
    "traces?account=%00",
)
QUERIES = (
    "",
    "x=1",
    "a=&a=%zz&=",
    "versioning",
    "acl&policy",
    "uploads",
    "list-type=2&max-keys=-1",
    "X-Amz-Algorithm=x",
    "Action=&Version=",
)


class Doors:
    """Makes requests for the doors that the prologue found."""

    def __init__(self, doors: dict[str, str], port: int, seeded: random.Random) -> None:
        self._doors, self._port, self._seeded = doors, port, seeded

    def make(self) -> tuple[str, Wire]:
        """A request, and what to call it."""
        seeded = self._seeded
        kind = seeded.choice((*sorted(self._doors), "control", "control", "nowhere"))
        path = "/" + "/".join(seeded.choice(SEGMENTS) for _ in range(seeded.randrange(4)))
        query = seeded.choice(QUERIES) if seeded.random() < 0.6 else f"answer={seeded.choice(ANSWERS)}"
        headers = dict(seeded.choice(HEADERS) for _ in range(seeded.randrange(3)))
        body = seeded.choice((b"", b"", b"{}", b"\xff" * 50, b"[" * 2_000, b"a" * 200_000))
        prefix, host = self._place(kind)
        if kind == "control":
            path, body = (
                "/_freehold/" + seeded.choice(CONTROL),
                seeded.choice((b"", b"{}", b"[", b"null", b'{"advance_ms": "x"}')),
            )
        if host:
            headers["Host"] = host
        written = urllib.parse.quote(prefix + path, safe="/%{}$;@~\\")
        return kind, Wire(
            seeded.choice(METHODS), written + (f"?{query}" if query and "?" not in written else ""), headers, body
        )

    def _place(self, kind: str) -> tuple[str, str]:
        """What the path begins with, and the host."""
        seeded, named = self._seeded, self._doors.get(kind, "")
        if kind in ("http", "rest"):
            stage = "/fuzz" if kind == "rest" else ""
            if seeded.random() < 0.5:
                return f"/_apis/{named}{stage}", ""
            return stage, f"{named}.execute-api.localhost:{self._port}"
        if kind == "url":
            return urllib.parse.urlsplit(named).path.rstrip("/"), urllib.parse.urlsplit(named).netloc
        if kind == "bucket":
            return "", seeded.choice(
                (f"{named}.s3.localhost:{self._port}", f"{named}.localhost", f"{named}.s3.us-east-1.amazonaws.com")
            )
        if kind == "control":
            return "", ""
        return "", seeded.choice(
            ("x.execute-api.localhost", ".lambda-url.", "[::1]", "a..s3.localhost", ":", "x" * 300, "\xe9.localhost")
        )


def raw(host: str, port: int, seeded: random.Random) -> tuple[bytes, Reply]:
    """Bytes on a socket, in pieces, then nothing more: an answer or the end of the connection must come."""
    parts = (
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcde",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"5\r\nabcde\r\n",
        b"0\r\n\r\n",
        b"\r\n",
        b"\x16\x03\x01\x02\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /" + b"a" * 70_000,
        b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"Content-Length: 5, 6\r\n",
        b"\x00" * 9,
        b"OPTIONS * HTTP/1.1\r\n\r\n",
        b"CONNECT h:1 HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        seeded.randbytes(40),
    )
    data = b"".join(seeded.choices(parts, k=seeded.randint(1, 4)))
    found = b""
    try:
        with socket.create_connection((host, port), PATIENCE_S) as connection:
            connection.settimeout(PATIENCE_S)
            while data and len(found) < 1 << 20:
                size = seeded.choice((1, 7, len(data)))
                connection.sendall(data[:size])
                sent, data = data[:size], data[size:]
                if len(sent) < 8 and seeded.random() < 0.9 and data:
                    connection.sendall(data)
                    break
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(1 << 16):
                found += piece
    except TimeoutError:
        return data, Reply(0, found, {}, f"no end in {PATIENCE_S:g} s", late=True)
    except OSError:
        pass  # a server may reset a connection on which it was sent more than it took
    if found and not found.startswith(b"HTTP/1.1 "):
        return data, Reply(0, found[:300], {}, "not HTTP")
    status = int(found[9:12]) if found else 400
    return data, Reply(status, found[:300], {})
