"""A small AWS client that knows several nodes: what one does not do, the next one is asked for.

It signs with Signature Version 4 and repeats what failed (no connection, no answer in time, a 5xx, throttling) until
`patience` is over, at another node. It measures: when each call was answered, how long it took, how often it was repeated.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from freehold.wire.signingkeys import signing_key
from freehold.wire.sigv4 import ALGORITHM

CONNECT_S = 1.0
ANSWER_S = 8.0
"""Seconds; a node answers with an error itself after ten when the database is away."""
AVOID_S = 2.0
"""Seconds for which a node that failed is asked last."""
REGION = "us-east-1"


class Failed(Exception):
    """No node did it in time, or one refused it."""

    def __init__(self, text: str, *, code: str = "") -> None:
        super().__init__(text)
        self.code = code


@dataclass(slots=True)
class Measured:
    """What a kind of calls met, over all threads."""

    answered: list[tuple[float, float]] = field(default_factory=list)
    """(monotonic seconds, seconds it took with all repetitions)."""
    repeated: list[tuple[float, str]] = field(default_factory=list)
    """(monotonic seconds, node and reason)."""
    reopened: list[float] = field(default_factory=list)
    """Monotonic seconds at which a connection that had been used was found closed: what any client sends again."""


class Cluster:
    """What clients share: the nodes, which of them failed lately, the credentials."""

    def __init__(self, urls: Sequence[str], keys: tuple[str, str]) -> None:
        self.urls, self.keys = list(urls), keys
        self.avoided: dict[str, float] = {}
        self.measured: dict[str, Measured] = {}

    def of(self, kind: str) -> Measured:
        return self.measured.setdefault(kind, Measured())


class Client:
    """One thread's connections: one to each node, kept alive."""

    def __init__(self, cluster: Cluster, first: int = 0) -> None:
        self._cluster, self._at = cluster, first
        self._connections: dict[str, http.client.HTTPConnection] = {}

    def json(
        self,
        kind: str,
        service: str,
        target: str,
        request: dict[str, Any],
        *,
        patience: float = 90.0,
        version: str = "1.0",
    ) -> dict[str, Any]:
        """An operation of a JSON protocol. Raises Failed."""
        headers = {"content-type": f"application/x-amz-json-{version}", "x-amz-target": target}
        body = json.dumps(request).encode()
        found: dict[str, Any] = json.loads(
            self.call(kind, service, "POST", "/", headers, body, patience=patience) or b"{}"
        )
        return found

    def call(
        self,
        kind: str,
        service: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        *,
        patience: float = 90.0,
        only: int | None = None,
    ) -> bytes:
        """One request and its body. `only`: of this node, once. Raises Failed."""
        measured = self._cluster.of(kind)
        began = time.monotonic()
        pause = 0.02
        while True:
            url = self._choose() if only is None else self._cluster.urls[only]
            try:
                status, answer = self._once(measured, url, service, method, path, headers, body)
                if status < 300:
                    measured.answered.append((time.monotonic(), time.monotonic() - began))
                    return answer
                code = _code(answer)
                trouble = f"{status} {code}"
                if status < 500 and status != 429 and "Throttl" not in code:
                    raise Failed(
                        f"{method} {path} {headers.get('x-amz-target', '')}: {status} {answer[:300]!r}", code=code
                    )
                if status == 503 or status == 500:
                    self._avoid(url)
            except (OSError, http.client.HTTPException) as problem:
                trouble = type(problem).__name__
                self._forget(url)
                self._avoid(url)
            measured.repeated.append((time.monotonic(), f"{urlsplit(url).netloc} {trouble}"))
            if only is not None or time.monotonic() - began > patience:
                raise Failed(f"{method} {path} {headers.get('x-amz-target', '')}: {trouble}", code=trouble)
            time.sleep(pause)
            pause = min(pause * 2, 0.5)

    def _choose(self) -> str:
        """The node of last time, unless it failed lately; then the next that did not."""
        urls, now = self._cluster.urls, time.monotonic()
        for step in range(len(urls)):
            url = urls[(self._at + step) % len(urls)]
            if self._cluster.avoided.get(url, 0.0) <= now:
                self._at = (self._at + step) % len(urls)
                return url
        self._at = (self._at + 1) % len(urls)
        return urls[self._at]

    def _avoid(self, url: str) -> None:
        self._cluster.avoided[url] = time.monotonic() + AVOID_S

    def _forget(self, url: str) -> None:
        connection = self._connections.pop(url, None)
        if connection is not None:
            connection.close()

    def _once(
        self, measured: Measured, url: str, service: str, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, bytes]:
        where = urlsplit(url).netloc
        signed = sign(where, service, method, path, headers, body, self._cluster.keys)
        connection = self._connections.get(url)
        used = connection is not None
        if connection is None:
            connection = self._connections[url] = http.client.HTTPConnection(where, timeout=CONNECT_S)
            connection.connect()
            connection.sock.settimeout(ANSWER_S)
        try:
            connection.request(method, path, body=body, headers=signed)
            answer = connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            self._forget(url)
            if not used:
                raise
            measured.reopened.append(time.monotonic())
            return self._once(measured, url, service, method, path, headers, body)  # a server may close what was idle
        found = answer.read()
        if answer.will_close:
            self._forget(url)
        return answer.status, found


def sign(
    host: str, service: str, method: str, path: str, headers: dict[str, str], body: bytes, keys: tuple[str, str]
) -> dict[str, str]:
    """The headers of a request, signed."""
    when = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    hashed = hashlib.sha256(body).hexdigest()
    headers = {**headers, "host": host, "x-amz-date": when, "x-amz-content-sha256": hashed}
    names = sorted(headers)
    route, _, query = path.partition("?")
    canonical = "\n".join([method, route, query, *(f"{n}:{headers[n]}" for n in names), "", ";".join(names), hashed])
    scope = f"{when[:8]}/{REGION}/{service}/aws4_request"
    text = f"{ALGORITHM}\n{when}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(signing_key(keys[1], when[:8], REGION, service), text.encode(), "sha256").hex()
    signed = f"Credential={keys[0]}/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}"
    return {**headers, "authorization": f"{ALGORITHM} {signed}"}


def _code(answer: bytes) -> str:
    try:
        return str(json.loads(answer).get("__type", "")).rpartition("#")[2]
    except (ValueError, AttributeError):
        return ""


class Stoppable(threading.Thread):
    """A thread that works until it is told to stop; what it raised is a finding."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.stopping = threading.Event()
        self.problem: str = ""

    def work(self) -> None:
        raise NotImplementedError

    def run(self) -> None:
        try:
            self.work()
        except Exception as problem:  # noqa: BLE001 it is told, and the run fails
            self.problem = f"{self.name}: {type(problem).__name__}: {problem}"
