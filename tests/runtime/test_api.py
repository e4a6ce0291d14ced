"""The Runtime API's protocol by itself: what a runtime sends, in bytes."""

from __future__ import annotations

import asyncio
from typing import Any

from freehold.runtime.api import Connection


class Instance:
    """Takes any answer."""

    def __init__(self) -> None:
        self.answers: list[tuple[bytes, int]] = []
        self.kills = 0

    def serves(self, request_id: str) -> bool:
        return True

    def responded(self, body: bytes, content_type: str, peak_kb: int) -> None:
        self.answers.append((body, peak_kb))

    def misused(self) -> None:
        self.kills += 1


class Wire(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.sent = b""

    def write(self, data: Any) -> None:
        self.sent += data


def test_a_peak_that_is_no_number_of_kilobytes_counts_as_none() -> None:
    """Found by ./dev fuzz: thousands of digits broke the connection off and killed the runtime."""
    instance, wire = Instance(), Wire()
    connection = Connection(instance)  # type: ignore[arg-type]
    connection.connection_made(wire)
    for peak in ("9" * 5_000, "-1", "12"):
        head = f"POST /2018-06-01/runtime/invocation/i/response HTTP/1.1\r\nFreehold-Peak-Kb: {peak}\r\n"
        connection.data_received(f"{head}Content-Length: 1\r\n\r\n1".encode())
    assert instance.answers == [(b"1", 0), (b"1", 0), (b"1", 12)]
    assert instance.kills == 0
    assert wire.sent.count(b"202 Accepted") == 3
