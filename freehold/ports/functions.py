"""Functions: how other services invoke Lambda functions without going through HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from freehold.ports.call import Cause
from freehold.ports.identity import Source
from freehold.store.base import ReadTx, Tx


@dataclass(slots=True)
class Invoked:
    """The answer of a synchronous invocation."""

    payload: bytes | AsyncIterator[bytes]
    function_error: str | None
    executed_version: str
    request_id: str
    content_type: str = "application/json"


class Functions(Protocol):
    """Offered by lambda_."""

    async def invoke(
        self,
        function_arn: str,
        payload: bytes,
        *,
        cause: Cause,
        source: str,
        source_arn: str | None = None,
        asynchronous: bool = False,
        stream: bool = False,
        client_context: str | None = None,
    ) -> Invoked:
        """Invoke as the service `source` ("apigateway.amazonaws.com"). Raises Lambda's modelled faults
        (ResourceNotFoundException, TooManyRequestsException, ...)."""
        ...

    def enqueue(
        self,
        tx: Tx,
        function_arn: str,
        payload: bytes,
        *,
        id: str,
        now_ms: int,
        source: Source,
        trace: str | None = None,
    ) -> None:
        """An asynchronous invocation accepted inside the caller's transaction; from there on Lambda retries it, and its
        failures go where the function's configuration says. `id` is its request id (a UUID), chosen before the
        transaction. Raises ResourceNotFoundException, AccessDeniedException (the function's policy does not let
        `source` invoke), RequestTooLargeException."""
        ...

    def check(self, tx: ReadTx, function_arn: str, source: Source) -> None:
        """Raise the Fault that `enqueue` would raise for this function and source."""
        ...
