"""Requests as SDKs serialize them, sent byte for byte, with or without damage on the way."""

from __future__ import annotations

import http.client
import random
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import botocore.session
from botocore.awsrequest import AWSRequest, prepare_request_dict
from botocore.config import Config
from botocore.model import OperationModel

MAX_PATH = 60_000
"""Longer request lines are nobody's: uvicorn closes the connection while they are still being sent."""
PATIENCE_S = 15.0
"""An answer that takes longer counts as a hang."""


@dataclass(slots=True)
class Wire:
    """A request as bytes would carry it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Reply:
    """What came back; status 0: nothing that is HTTP."""

    status: int
    body: bytes
    headers: dict[str, str]
    problem: str = ""
    late: bool = False
    seconds: float = 0.0


class Clients:
    """botocore clients that check nothing, and their serializers."""

    def __init__(self, url: str, key: str, secret: str) -> None:
        self._url, self._key, self._secret = url, key, secret
        self._session = botocore.session.get_session()
        self._clients: dict[str, Any] = {}

    def of(self, service: str) -> Any:
        if service not in self._clients:
            self._session.set_credentials(self._key, self._secret)
            self._clients[service] = self._session.create_client(
                service,
                region_name="us-east-1",
                endpoint_url=self._url,
                config=Config(
                    parameter_validation=False,
                    inject_host_prefix=False,
                    s3={"addressing_style": "path"},
                    retries={"max_attempts": 0},
                    read_timeout=60,
                ),
            )
        return self._clients[service]

    def request(
        self,
        service: str,
        operation: OperationModel,
        value: dict[str, Any],
        *,
        sign: Callable[[Any, Any], None] | None = None,
    ) -> Wire:
        """The signed request that an SDK would send; `sign` (client, request) signs it in another way.

        Raises whatever a serializer raises for what it cannot write.
        """
        client = self.of(service)
        made = client._serializer.serialize_to_request(value, operation)
        prepare_request_dict(made, endpoint_url=self._url, user_agent="fuzz")
        request = AWSRequest(
            method=made["method"],
            url=made["url"],
            headers=made["headers"],
            data=made["body"],
            params=made.get("query_string"),
        )
        if sign is None:
            client._request_signer.sign(operation.name, request)
        else:
            sign(client, request)
        prepared = request.prepare()
        parts = urllib.parse.urlsplit(prepared.url)
        body = prepared.body or b""
        if hasattr(body, "read"):
            body = body.read()
        body = body.encode() if isinstance(body, str) else bytes(body)
        headers = {
            key: _text(value)
            for key, value in prepared.headers.items()
            if key.lower() not in ("expect", "content-length")
        }
        return Wire(prepared.method, parts.path + (f"?{parts.query}" if parts.query else ""), headers, body)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def damaged(wire: Wire, seeded: random.Random) -> Wire:
    """The request with one thing changed after it was signed."""
    body, headers, path = wire.body, dict(wire.headers), wire.path
    choice = seeded.randrange(6)
    if choice == 0 and body:
        at = seeded.randrange(len(body))
        body = body[:at] + bytes([seeded.randrange(256)]) + body[at + 1 :]
    elif choice == 1 and body:
        body = body[: seeded.randrange(len(body))]
    elif choice == 2:
        body = body * 2 if body else b"\xff\xfe"
    elif choice == 3 and headers:
        name = seeded.choice(sorted(headers))
        headers[name] = seeded.choice(("", "x", "\t", headers[name][:-1], headers[name] * 2))
    elif choice == 4:
        path = seeded.choice(
            (path + "/..", path + "%00", "/" + path, path + "?x=%zz", path.replace("/", "//", 1), "/%")
        )
    else:
        headers.pop(seeded.choice(sorted(headers)), None)
    return Wire(wire.method, path, headers, body)


class Sender:
    """Sends requests, one after the other, and says what came back. Connections are kept as SDKs keep them."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._kept: http.client.HTTPConnection | None = None

    def send(self, wire: Wire, *, alone: bool = False, patience: float = PATIENCE_S) -> Reply:
        """`alone`: on a connection of its own. What went wrong on a kept connection is tried once more on a new one: the
        server may have closed it meanwhile."""
        if len(wire.path) > MAX_PATH:
            return Reply(-1, b"", {}, "the request line is too long")
        if alone or self._kept is None:
            self.close()
            return self._once(
                wire, http.client.HTTPConnection(self._host, self._port, timeout=PATIENCE_S), keep=not alone
            )
        kept, self._kept = self._kept, None
        if kept.sock is not None:
            kept.sock.settimeout(patience)
        reply = self._once(wire, kept, keep=True)
        return self.send(wire, patience=patience) if reply.status == 0 and not reply.late else reply

    def _once(self, wire: Wire, connection: http.client.HTTPConnection, *, keep: bool) -> Reply:
        begun = time.monotonic()
        try:
            connection.putrequest(wire.method, wire.path, skip_host="Host" in wire.headers, skip_accept_encoding=True)
            for name, value in wire.headers.items():
                connection.putheader(name, value.encode("latin-1", "replace"))
            connection.putheader("Content-Length", str(len(wire.body)))
            connection.endheaders(wire.body)
            answer = connection.getresponse()
            body = answer.read(1 << 20)
            if keep and not answer.will_close and answer.isclosed():
                self._kept, connection = connection, None  # type: ignore[assignment]
            headers = {key.lower(): value for key, value in answer.getheaders()}
            return Reply(answer.status, body, headers, seconds=time.monotonic() - begun)
        except TimeoutError:
            return Reply(0, b"", {}, f"no answer in {connection.timeout:g} s", late=True)
        except (http.client.InvalidURL, ValueError) as problem:
            return Reply(-1, b"", {}, str(problem))  # our own client refuses to send it
        except (http.client.HTTPException, OSError) as problem:
            return Reply(0, b"", {}, f"{type(problem).__name__}: {problem}")
        finally:
            if connection is not None:
                connection.close()

    def close(self) -> None:
        """Let go of the kept connection."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None
