"""The invocation record that destinations get. Pure. ("Capturing records of Lambda asynchronous invocations")"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from freehold.kit.clock import iso8601

SUCCESS = "Success"
RETRIES = "RetriesExhausted"
AGE = "EventAgeExceeded"
ZERO = "ZeroReservedConcurrency"
LOOP = "RecursiveInvocationDetected"
"""AWS documents that events of stopped loops go to the failure destination, not the name of their condition."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the last run of an event answered."""

    payload: bytes
    executed_version: str
    function_error: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """How an event ended. `function_arn` has its qualifier; `result` is None where the function never ran."""

    request_id: str
    function_arn: str
    condition: str
    runs: int
    request: bytes
    result: Result | None
    at_s: float

    @property
    def succeeded(self) -> bool:
        return self.condition == SUCCESS

    @property
    def detail_type(self) -> str:
        """What EventBridge calls it."""
        return f"Lambda Function Invocation Result - {'Success' if self.succeeded else 'Failure'}"

    def document(self, *, payloads: bool = True) -> bytes:
        """The record as JSON; without payloads where the whole would be too large for its destination."""
        shown: dict[str, Any] = {
            "version": "1.0",
            "timestamp": iso8601(self.at_s),
            "requestContext": {
                "requestId": self.request_id,
                "functionArn": self.function_arn,
                "condition": self.condition,
                "approximateInvokeCount": self.runs,
            },
        }
        if payloads:
            shown["requestPayload"] = _json(self.request)
        result = self.result
        if result is not None:
            context: dict[str, Any] = {"statusCode": 200, "executedVersion": result.executed_version}
            if result.function_error is not None:
                context["functionError"] = result.function_error
            shown["responseContext"] = context
            if payloads:
                shown["responsePayload"] = _json(result.payload)
        return orjson.dumps(shown)

    def document_time(self) -> str:
        """`YYYY-MM-DDTHH.MM.SS`, as keys of objects have it."""
        return iso8601(self.at_s, millis=False).rstrip("Z").replace(":", ".")

    def error_message(self) -> str:
        """What a dead-letter message says of the failure, at most 1 KB."""
        if self.result is None:
            return {AGE: "Rate Exceeded.", ZERO: "Rate Exceeded."}.get(self.condition, self.condition)
        try:
            document = orjson.loads(self.result.payload)
        except orjson.JSONDecodeError:
            document = None
        message = document.get("errorMessage") if isinstance(document, dict) else None
        text = message if isinstance(message, str) else self.result.payload.decode("utf-8", "replace")
        return text.encode()[:1_024].decode("utf-8", "ignore")

    @property
    def error_code(self) -> int:
        """The HTTP status of the last attempt: 200 for an error of the function, 429 where none was let through, 400 where
        the loop was stopped."""
        if self.condition == LOOP:
            return 400
        return 429 if self.result is None else 200


def _json(payload: bytes) -> Any:
    """A payload inside a document: as it stands where it is JSON, else as a string; nothing is null."""
    if not payload:
        return None
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError:
        return payload.decode("utf-8", "replace")
    return orjson.Fragment(payload)
