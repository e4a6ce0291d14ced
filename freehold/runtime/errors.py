"""Error documents that the platform itself writes, in AWS's words."""

from __future__ import annotations

import errno
import os
import signal
from dataclasses import dataclass

import orjson

RESPONSE_TOO_LARGE = "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
# As Go's os package words them, which is what Lambda's messages show.
_SIGNAL_WORDS = {
    signal.SIGHUP: "hangup",
    signal.SIGINT: "interrupt",
    signal.SIGQUIT: "quit",
    signal.SIGILL: "illegal instruction",
    signal.SIGTRAP: "trace/breakpoint trap",
    signal.SIGABRT: "aborted",
    signal.SIGBUS: "bus error",
    signal.SIGFPE: "floating point exception",
    signal.SIGKILL: "killed",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGPIPE: "broken pipe",
    signal.SIGALRM: "alarm clock",
    signal.SIGTERM: "terminated",
    signal.SIGSYS: "bad system call",
}
KILLED = int(signal.SIGKILL)
"""The wait status of a process that was killed."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What an invocation or an initialization ends with when it fails. `document` lacks the request's id."""

    error_type: str
    document: dict[str, object]
    timed_out: bool = False

    def payload(self, request_id: str) -> bytes:
        """The document for one request."""
        document = dict(self.document)
        message = document.get("errorMessage")
        if isinstance(message, str):
            document["errorMessage"] = message.replace("{request_id}", request_id)
        if "requestId" in document and not document["requestId"]:
            document["requestId"] = request_id
        return orjson.dumps(document)


def exited(status: int) -> Failure:
    """The runtime process ended; `status` is its wait status."""
    return Failure(
        "Runtime.ExitError", _document("Runtime.ExitError", f"RequestId: {{request_id}} Error: {_why(status)}")
    )


def _why(status: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            words = _SIGNAL_WORDS[signal.Signals(number)]
        except (KeyError, ValueError):
            words = f"signal {number}"
        return f"Runtime exited with error: signal: {words}"
    code = os.waitstatus_to_exitcode(status)
    return f"Runtime exited with error: exit status {code}" if code else "Runtime exited without providing a reason"


def invalid_entrypoint(path: str, number: int) -> Failure:
    """A custom runtime's bootstrap is missing or cannot be executed."""
    if number == errno.ENOENT:
        text = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
    else:
        text = f"fork/exec {path}: {os.strerror(number).lower()}"
    kind = "Runtime.InvalidEntrypoint"
    return Failure(kind, _document(kind, f"RequestId: {{request_id}} Error: {text}"))


def timed_out(seconds: float) -> Failure:
    """The function's timeout passed."""
    text = f"RequestId: {{request_id}} Error: Task timed out after {seconds:.2f} seconds"
    return Failure("Sandbox.Timedout", _document("Sandbox.Timedout", text), timed_out=True)


def too_large() -> Failure:
    """The response is larger than 6 MB."""
    return Failure("Function.ResponseSizeTooLarge", _document("Function.ResponseSizeTooLarge", RESPONSE_TOO_LARGE))


def reported(body: bytes, error_type: str | None) -> Failure:
    """What a runtime posted: its document is passed on as it stands where it is JSON."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        document = {"errorMessage": body.decode(errors="replace"), "errorType": error_type or "Runtime.Unknown"}
    kind = error_type or document.get("errorType")
    return Failure(kind if isinstance(kind, str) else "Runtime.Unknown", document)


def _document(error_type: str, message: str) -> dict[str, object]:
    return {"errorType": error_type, "errorMessage": message}
