"""The lines that Lambda itself writes to a function's log, as text and as JSON. Pure.

Texts: "Understanding Lambda execution log lines". JSON events and their levels: "Log-level filtering", "Lambda Telemetry
API Event schema reference" (platform.* records).
"""

from __future__ import annotations

from typing import Any

import orjson

from freehold.kit.clock import iso8601

_RANK = {"DEBUG": 0, "INFO": 1, "WARN": 2}


def start_line(request_id: str, version: str) -> str:
    return f"START RequestId: {request_id} Version: {version}"


def end_line(request_id: str) -> str:
    return f"END RequestId: {request_id}"


def init_start_line(label: str, arn: str) -> str:
    return f"INIT_START Runtime Version: {label}\tRuntime Version ARN: {arn}"


def init_report_line(init_ms: float, status: str, error_type: str | None = None) -> str:
    """Written when an init ends in an error or a timeout; its Status says which."""
    line = f"INIT_REPORT Init Duration: {init_ms:.2f} ms\tPhase: init\tStatus: {status}"
    return f"{line}\tError Type: {error_type}" if error_type and status == "error" else line


def report_line(
    request_id: str,
    *,
    duration_ms: float,
    billed_ms: int,
    memory_mb: int,
    used_mb: int,
    init_ms: float | None = None,
    trace: str | None = None,
    status: str | None = None,
    error_type: str | None = None,
) -> str:
    """REPORT, with the sampled trace's ids and with the Status of an invocation that did not succeed."""
    line = (
        f"REPORT RequestId: {request_id}\tDuration: {duration_ms:.2f} ms\tBilled Duration: {billed_ms} ms\t"
        f"Memory Size: {memory_mb} MB\tMax Memory Used: {used_mb} MB\t"
    )
    if init_ms is not None:
        line += f"Init Duration: {init_ms:.2f} ms\t"
    if trace is not None:
        line += trace
    if status is not None:
        line += f"Status: {status}"
        if error_type:
            line += f"\tError Type: {error_type}"
    return line


def trace_line(header: str | None) -> str | None:
    """What REPORT says of a sampled trace: `XRAY TraceId: ...\\tSegmentId: ...\\tSampled: true\\t`."""
    if header is None or "Sampled=1" not in header:
        return None
    parts = dict(part.partition("=")[::2] for part in header.split(";"))
    return f"\nXRAY TraceId: {parts.get('Root', '')}\tSegmentId: {parts.get('Parent', '')}\tSampled: true\t"


def event(seconds: float, kind: str, record: dict[str, Any]) -> str:
    """A platform event of the JSON log format."""
    return orjson.dumps({"time": iso8601(seconds), "type": f"platform.{kind}", "record": record}).decode()


def shows(level: str, at: str) -> bool:
    """Does a log of `level` keep system events of level `at`?"""
    return _RANK.get(at, 1) >= _RANK.get(level, 1)
