"""What the runtime floor offers: run a function instance for one invocation at a time, in a sandbox.

`pool.Pool` implements `FunctionRuntime`. Logs and measurements leave through the injected `Sink`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from msgspec import Struct


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One immutable configuration of one function version: instances serve only an equal `key`.

    `code` and `layers` are unpacked directories, readable by others, their parents traversable. `environment` is the
    user's; the runtime adds AWS's documented variables (from the fields here and `credentials`). Sizes in MB, times in
    seconds.
    """

    key: str
    arn: str
    account: str
    region: str
    name: str
    version: str
    runtime: str
    handler: str
    code: Path
    layers: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    memory_mb: int = 128
    timeout_s: float = 3.0
    ephemeral_mb: int = 512
    log_group: str = ""
    log_format: str = "Text"
    """Text or JSON (Lambda's advanced logging)."""
    log_level: str = "INFO"
    tracing: bool = False
    architecture: str = "x86_64"
    role: str = ""
    """ARN of the execution role, for Credentials."""
    system_log_level: str = "INFO"
    """Which platform events a JSON log keeps (DEBUG, INFO, WARN)."""


class Invocation(Struct, frozen=True):
    """One event for one instance."""

    request_id: str
    payload: bytes
    arn: str
    """The ARN that was invoked (with its qualifier)."""
    client_context: str | None = None
    """JSON, already decoded from base64."""
    cognito_identity: str | None = None
    trace_header: str | None = None
    stream: bool = False
    """The caller wants the response as it is produced."""


class Outcome(Struct):
    """How an invocation ended.

    `function_error` is None, or "Unhandled" (as AWS names errors of code, timeouts and exits in X-Amz-Function-Error);
    then `payload` is the error document: errorType, errorMessage, requestId, stackTrace where AWS has them. Durations in
    ms. `init_ms` is set on the invocation that started its instance.
    """

    payload: bytes | AsyncIterator[bytes]
    function_error: str | None = None
    duration_ms: float = 0.0
    billed_ms: int = 0
    init_ms: float | None = None
    memory_used_mb: int = 0
    instance_id: str = ""
    timed_out: bool = False
    content_type: str = "application/json"
    error_type: str | None = None
    """errorType of the error document. Of a streamed response it is known, like function_error and the durations, when
    the iterator has ended."""
    error_details: bytes = b""
    """The error document of a response that failed in the middle of its stream."""


class LogEvent(bytes):
    """Output that is exactly one log event, whatever newlines are in it (a record of the logging module, a trace)."""


class Sink(Protocol):
    """Where an instance's output goes; called on the event loop, must not block, may drop under pressure.

    `stream` is the CloudWatch log stream name of the instance, e.g. `2026/11/23/[$LATEST]0123456789abcdef...`.
    """

    def init_started(self, spec: FunctionSpec, stream: str) -> None: ...

    def init_failed(self, spec: FunctionSpec, stream: str, init_ms: float, error_type: str) -> None: ...

    def invocation_started(self, spec: FunctionSpec, stream: str, invocation: Invocation) -> None: ...

    def output(self, spec: FunctionSpec, stream: str, request_id: str | None, data: bytes) -> None:
        """Raw stdout/stderr bytes as they came, whole lines: each line is a log event. A `LogEvent` is one event as it
        stands."""
        ...

    def invocation_ended(self, spec: FunctionSpec, stream: str, invocation: Invocation, outcome: Outcome) -> None: ...


class Credentials(Protocol):
    """Where an instance gets its execution role's session credentials."""

    def __call__(self, spec: FunctionSpec) -> Mapping[str, str]:
        """AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_ENDPOINT_URL for an instance."""
        ...


class Throttled(Exception):
    """No instance may be started now. `reason` is AWS's Reason of TooManyRequestsException."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RuntimeUnavailable(Exception):
    """This host cannot run the function; the text says what to install."""


class FunctionRuntime(Protocol):
    """Runs functions. One request per instance at a time; idle instances are reused, frozen, and expire.

    `sink` and `credentials` are set by lambda_ before the first invocation.
    """

    sink: Sink | None
    credentials: Credentials | None
    nodes: Callable[[], int]
    """How many nodes there are: they share the burst of starts that Lambda allows."""

    async def start(self) -> None: ...

    def invoke(self, spec: FunctionSpec, invocation: Invocation) -> Awaitable[Outcome]:
        """Run one invocation on a warm instance or on a new one. Raises Throttled, RuntimeUnavailable."""
        ...

    def resolve(self, runtime: str) -> str:
        """What will really run for an AWS runtime name, e.g. "python3.13" -> "python3.11" (for doctor and the function's
        configuration). Raises RuntimeUnavailable by name with what to install."""
        ...

    def expect(self, runtime: str) -> None:
        """A function of this runtime was made: get ready in the background for its first start."""
        ...

    def rouse(self, spec: FunctionSpec) -> None:
        """An invocation of this function is likely within milliseconds: thaw one of its idle instances meanwhile."""
        ...

    def retire(self, arn: str) -> None:
        """Let instances of any key of this function (unqualified ARN) finish what they run and go."""
        ...

    def isolation(self) -> Mapping[str, str]:
        """What isolation instances get on this host: mechanism -> how (or why not)."""
        ...

    def weakness(self) -> str:
        """In one or two sentences, what isolation instances lack on this host; "" where nothing is missing."""
        ...

    async def close(self) -> None: ...
