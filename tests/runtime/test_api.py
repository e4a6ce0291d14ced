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


class Strict(Instance):
    """Serves one request at a time, as instances do, and writes down what it hears."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[object] = []
        self.request_id: str | None = "a1-b2"

    def serves(self, request_id: str) -> bool:
        return request_id == self.request_id

    def responded(self, body: bytes, content_type: str, peak_kb: int) -> None:
        self.heard.append((body, content_type, peak_kb))
        self.request_id = None

    def wants_next(self, connection: Connection) -> bool:
        self.heard.append("next")
        self.request_id = "a1-b2"
        return True


USUAL = (
    b"POST /2018-06-01/runtime/invocation/a1-b2/response HTTP/1.1\r\nHost: runtime\r\nContent-Type: application/json\r\n"
    b"Freehold-Peak-Kb: 40960\r\nContent-Length: %d\r\n\r\n%b"
)
NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n"
BODIES = (b'{"a": 1}', b"", b"GET / HTTP/1.1\r\n\r\n", NEXT)
STREAMS = (
    *(USUAL % (len(body), body) for body in BODIES),
    *(USUAL % (len(body), body) + NEXT for body in BODIES),
    USUAL % (2, b"{}") + USUAL % (2, b"[]"),  # the second answers nothing
    USUAL % (2, b"{}") + NEXT + USUAL % (2, b"[]") + NEXT,
    USUAL % (3, b"{}\n") + NEXT[:-2] + b"X-A: b\r\n\r\n",
    USUAL.replace(b"a1-b2", b"other") % (2, b"{}") + NEXT,
    USUAL.replace(b"Host: runtime", b"Host: elsewhere") % (2, b"{}") + NEXT,
)


def heard(pieces: list[bytes]) -> tuple[list[object], bytes, int]:
    """What the instance hears, what the runtime is answered, how often it was misused."""
    instance, wire = Strict(), Wire()
    connection = Connection(instance)  # type: ignore[arg-type]
    connection.connection_made(wire)
    for piece in pieces:
        connection.data_received(piece)
    connection.write(b"|")
    return instance.heard, wire.sent, instance.kills


def test_answers_mean_the_same_whole_and_in_pieces() -> None:
    for stream in STREAMS:
        whole = heard([stream])
        assert whole[0] and not whole[2]
        for at in range(1, len(stream)):
            assert heard([stream[:at], stream[at:]]) == whole, (stream, at)
        assert heard([bytes([each]) for each in stream]) == whole


def test_the_usual_answer_needs_no_parser() -> None:
    instance, wire = Strict(), Wire()
    connection = Connection(instance)  # type: ignore[arg-type]
    connection.connection_made(wire)
    connection._parser = None
    connection.data_received(USUAL % (2, b"{}") + NEXT)
    assert instance.heard == [(b"{}", "application/json", 40960), "next"]


def test_what_follows_half_a_message_is_part_of_it() -> None:
    """A body that looks like an answer is none."""
    inner = USUAL % (2, b"{}")
    before = USUAL.replace(b"%b", b"") % (len(inner),)
    assert heard([before, inner])[0] == [(inner, "application/json", 40960)]
