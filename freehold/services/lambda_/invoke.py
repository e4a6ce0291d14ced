"""Invoke, InvokeAsync, InvokeWithResponseStream."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Any

import orjson

from freehold.kit.faults import Fault, not_implemented
from freehold.ports.call import Call
from freehold.runtime.base import Invocation, Outcome
from freehold.services.lambda_ import limits
from freehold.services.lambda_.access import check_cross_account
from freehold.services.lambda_.asynchronous import events
from freehold.services.lambda_.engine import Engine, engine_of
from freehold.services.lambda_.names import parse_function
from freehold.services.lambda_.sink import Tail
from freehold.services.lambda_.tracing import header_for

address = lru_cache(maxsize=1_024)(parse_function)


@lru_cache(maxsize=1_024)
def address_arn(text: str, qualifier: str | None, account: str, region: str) -> str:
    """The ARN of what `address` finds, with its qualifier."""
    return address(text, qualifier, account, region).qualified_arn


def _refuse(request: dict[str, Any], *members: str) -> None:
    for member in members:
        if request.get(member):
            raise not_implemented(f"{member} of lambda:Invoke")


async def invoke(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Run a function and wait, check that it could run, or keep the event and run it later."""
    engine = engine_of(call.platform)
    if "DurableExecutionName" in request or "TenantId" in request:
        _refuse(request, "DurableExecutionName", "TenantId")
    name = address(request["FunctionName"], request.get("Qualifier"), call.account, call.region)
    kind = request.get("InvocationType", "RequestResponse")
    given = request.get("Payload")
    if given and isinstance(given, bytes):
        payload = event(given, asynchronous=kind == "Event", operation="Invoke")
    else:
        payload = await body(given, asynchronous=kind == "Event", operation="Invoke")
    context = client_context(request["ClientContext"]) if "ClientContext" in request else None
    entry, route = engine.at_hand(name) or await engine.resolve(name)
    if name.account != call.account:
        await check_cross_account(call, name, "lambda:InvokeFunction")
    if kind == "DryRun":
        return {"StatusCode": 204, "Payload": b""}
    if kind == "Event":
        await events.keep(call.platform, name, payload, call.request_id, context, call.cause.trace)
        return {"StatusCode": 202, "Payload": b""}
    spec = engine.choose(route)
    trace = header_for(call.platform, spec, call.cause.trace)
    invocation = Invocation(call.request_id, payload, route.arn, context, trace_header=trace)
    if request.get("LogType") != "Tail":
        outcome = await engine.run(entry, spec, invocation)
        result: dict[str, Any] = {"StatusCode": 200, "ExecutedVersion": spec.version}
    else:
        tail = engine.sink.tail(call.request_id)
        try:
            outcome = await engine.run(entry, spec, invocation)
            result = {"StatusCode": 200, "ExecutedVersion": spec.version, "LogResult": await _encoded(tail)}
        finally:
            engine.sink.forget(call.request_id)
    answer = outcome.payload
    is_whole = isinstance(answer, bytes) and len(answer) <= limits.MAX_SYNC_RESPONSE
    result["Payload"] = answer if is_whole else await whole(outcome)
    if outcome.function_error is not None:
        result["FunctionError"] = outcome.function_error
    return result


async def invoke_async(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The deprecated form of an Event invocation."""
    engine = engine_of(call.platform)
    name = address(request["FunctionName"], None, call.account, call.region)
    payload = await body(request.get("InvokeArgs"), asynchronous=True, operation="InvokeAsync")
    await engine.resolve(name)
    if name.account != call.account:
        await check_cross_account(call, name, "lambda:InvokeFunction")
    await events.keep(call.platform, name, payload, call.request_id, None, call.cause.trace)
    return {"Status": 202}


async def invoke_with_response_stream(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Run a function and pass its response on as it is produced, as an event stream."""
    _refuse(request, "TenantId")
    engine = engine_of(call.platform)
    name = address(request["FunctionName"], request.get("Qualifier"), call.account, call.region)
    payload = await body(request.get("Payload"), asynchronous=False, operation="InvokeWithResponseStream")
    context = client_context(request.get("ClientContext"))
    entry, route = await engine.resolve(name)
    if name.account != call.account:
        await check_cross_account(call, name, "lambda:InvokeFunction")
    if request.get("InvocationType") == "DryRun":
        return {"StatusCode": 204}
    spec = engine.choose(route)
    trace = header_for(call.platform, spec, call.cause.trace)
    invocation = Invocation(call.request_id, payload, route.arn, context, trace_header=trace, stream=True)
    tail = engine.sink.tail(call.request_id) if request.get("LogType") == "Tail" else None
    try:
        outcome = await engine.run(entry, spec, invocation)
    except BaseException:
        engine.sink.forget(call.request_id)
        raise
    return {
        "StatusCode": 200,
        "ExecutedVersion": spec.version,
        "ResponseStreamContentType": "application/vnd.amazon.eventstream",
        "EventStream": _events(engine, call.request_id, outcome, tail),
    }


async def _events(
    engine: Engine, request_id: str, outcome: Outcome, tail: Tail | None
) -> AsyncIterator[dict[str, dict[str, Any]]]:
    """PayloadChunk events, then InvokeComplete, which says whether the function failed and how."""
    details: bytes = b""
    try:
        if isinstance(outcome.payload, bytes):
            if outcome.function_error is None:
                yield {"PayloadChunk": {"Payload": outcome.payload}}
            else:
                details = outcome.payload
        else:
            async for piece in outcome.payload:
                yield {"PayloadChunk": {"Payload": piece}}
            details = outcome.error_details or b""
        complete: dict[str, Any] = {}
        if outcome.function_error is not None:
            complete["ErrorCode"] = outcome.error_type or outcome.function_error
            complete["ErrorDetails"] = details.decode("utf-8", "replace")
        if tail is not None:
            complete["LogResult"] = await _encoded(tail)
        yield {"InvokeComplete": complete}
    finally:
        engine.sink.forget(request_id)


async def _encoded(tail: Tail) -> str:
    return base64.b64encode(await tail.last()).decode()


async def body(given: bytes | AsyncIterator[bytes] | None, *, asynchronous: bool, operation: str) -> bytes:
    """The event of an invocation, read where it is still arriving; nothing at all counts as an empty object."""
    if not given:
        return b"{}"
    payload = given if isinstance(given, bytes) else b"".join([piece async for piece in given])
    return event(payload, asynchronous=asynchronous, operation=operation)


def event(payload: bytes, *, asynchronous: bool, operation: str) -> bytes:
    """The event of an invocation: JSON within the limits."""
    check_size(len(payload), asynchronous=asynchronous, operation=operation)
    if payload != b"{}":
        check_json(payload)
    return payload


def check_size(size: int, *, asynchronous: bool, operation: str = "Invoke") -> None:
    """6 MB for invocations that wait, 1 MB for those that do not. The two refusals differ on AWS as they do here."""
    if asynchronous:
        if size > limits.MAX_ASYNC_PAYLOAD:
            raise Fault(
                "RequestEntityTooLargeException",
                f"{size} byte payload is too large for the Event invocation type (limit {limits.MAX_ASYNC_PAYLOAD} bytes)",
                status=413,
                Type="User",
            )
    elif size > limits.MAX_SYNC_PAYLOAD:
        shown = "InvokeFunction" if operation == "Invoke" else operation
        raise Fault(
            "RequestTooLargeException",
            f"Request must be smaller than {limits.MAX_SYNC_PAYLOAD} bytes for the {shown} operation",
            Type="User",
        )


def check_json(payload: bytes) -> None:
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Fault(
            "InvalidRequestContentException",
            f"Could not parse request body into json: Could not parse payload into json: {error}",
            Type="User",
        ) from error


def client_context(given: str | None) -> str | None:
    """ClientContext, which arrives as base64 of a JSON object."""
    if not given:
        return None
    if len(given) > limits.MAX_CLIENT_CONTEXT:
        raise Fault(
            "InvalidRequestContentException",
            f"Client context must be smaller than {limits.MAX_CLIENT_CONTEXT} bytes.",
            Type="User",
        )
    try:
        text = base64.b64decode(given.encode(), validate=True).decode()
        if isinstance(orjson.loads(text), dict):
            return text
    except (binascii.Error, UnicodeDecodeError, orjson.JSONDecodeError):
        pass
    raise Fault(
        "InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object.", Type="User"
    )


async def whole(outcome: Outcome) -> bytes:
    """The complete response of an invocation that was not asked to stream; too large a one is the function's error."""
    payload = outcome.payload
    if not isinstance(payload, bytes):
        payload = b"".join([piece async for piece in payload])
    if len(payload) > limits.MAX_SYNC_RESPONSE:
        outcome.function_error = "Unhandled"
        outcome.error_type = "Function.ResponseSizeTooLarge"
        payload = orjson.dumps(
            {
                "errorMessage": "Response payload size exceeded maximum allowed payload size "
                f"({limits.MAX_SYNC_RESPONSE} bytes).",
                "errorType": "Function.ResponseSizeTooLarge",
            }
        )
    return payload


__all__ = ["Fault", "address", "address_arn", "body", "invoke", "invoke_async", "invoke_with_response_stream", "whole"]
