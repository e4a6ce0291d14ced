"""Event streams, as botocore reads them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from botocore.eventstream import EventStream
from botocore.exceptions import EventStreamError
from botocore.parsers import EventStreamJSONParser

from freehold import wire
from freehold.kit.faults import Fault
from freehold.kit.http import Response
from freehold.wire.base import Match
from tests.wire.requests import model


class Raw:
    """What botocore wants of a response's body."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self, *_: Any, **__: Any) -> list[bytes]:
        return [self._data[:10], self._data[10:]]

    def close(self) -> None:
        pass


def render(service: str, operation: str, result: dict[str, Any]) -> Response:
    loaded = wire.load(service)
    match = Match(loaded, loaded.protocols[0], loaded.operations[operation])
    return wire.render(match, result, "id")


async def gather(body: Any) -> bytes:
    return b"".join([piece async for piece in body])


def read(service: str, operation: str, member: str, data: bytes) -> list[Any]:
    shape = model(service).operation_model(operation).output_shape
    stream = EventStream(Raw(data), shape.members[member], EventStreamJSONParser(), operation)
    return list(stream)


def test_lambda_streams_its_response() -> None:
    async def events() -> AsyncIterator[dict[str, Any]]:
        yield {"PayloadChunk": {"Payload": b"ab\x00"}}
        yield {"PayloadChunk": {"Payload": b"c" * 100_000}}
        yield {"InvokeComplete": {"ErrorCode": "Unhandled", "ErrorDetails": "x"}}

    assert wire.load("lambda").operations["InvokeWithResponseStream"].event_stream_output == "EventStream"
    response = render(
        "lambda",
        "InvokeWithResponseStream",
        {"StatusCode": 200, "ExecutedVersion": "1", "EventStream": events(), "ResponseStreamContentType": "text/html"},
    )
    headers = dict(response.headers)
    assert headers["content-type"] == "application/vnd.amazon.eventstream"
    assert headers["X-Amz-Executed-Version"] == "1"
    got = read("lambda", "InvokeWithResponseStream", "EventStream", asyncio.run(gather(response.body)))
    assert got[0] == {"PayloadChunk": {"Payload": b"ab\x00"}}
    assert len(got[1]["PayloadChunk"]["Payload"]) == 100_000
    assert got[2] == {"InvokeComplete": {"ErrorCode": "Unhandled", "ErrorDetails": "x"}}


def test_logs_begins_with_the_initial_response_and_ends_with_an_exception() -> None:
    async def events() -> AsyncIterator[dict[str, Any]]:
        yield {"sessionStart": {"sessionId": "s", "logGroupIdentifiers": ["g"]}}
        yield {"sessionUpdate": {"sessionMetadata": {"sampled": False}, "sessionResults": [{"message": "m"}]}}
        raise Fault("SessionTimeoutException", "Session timed out")

    response = render("logs", "StartLiveTail", {"responseStream": events()})
    data = asyncio.run(gather(response.body))
    shape = model("logs").operation_model("StartLiveTail").output_shape
    stream = EventStream(Raw(data), shape.members["responseStream"], EventStreamJSONParser(), "StartLiveTail")
    assert stream.get_initial_response().payload == b"{}"
    got = []
    with pytest.raises(EventStreamError, match="Session timed out"):
        for event in stream:
            got.append(event)
    assert got[0]["sessionStart"]["sessionId"] == "s"
    assert got[1]["sessionUpdate"]["sessionResults"] == [{"message": "m"}]


def test_an_event_stream_from_the_client_is_refused_by_name() -> None:
    from freehold.kit.http import Request

    loaded = wire.load("lexv2-runtime")
    match = Match(loaded, loaded.protocols[0], loaded.operations["StartConversation"])
    try:
        wire.parse(match, Request("POST", "/"))
    except Fault as fault:
        assert (fault.code, fault.status) == ("NotImplemented", 501)
        assert "StartConversation" in fault.message
    else:
        raise AssertionError("accepted")
