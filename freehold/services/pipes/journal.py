"""The log of a pipe in CloudWatch Logs, by its level. Records: EventBridge User Guide, "Logging Pipes performance"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from freehold.kit import arns
from freehold.services.pipes.model import Pipe

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

OFF, ERROR, INFO, TRACE = 0, 1, 2, 3
_LEVELS = {"OFF": OFF, "ERROR": ERROR, "INFO": INFO, "TRACE": TRACE}
_NAMES = {number: name for name, number in _LEVELS.items()}
MAX_FIELD = 60_000
"""Characters of execution data in one record; more is cut, and said so."""


class Journal:
    """Writes the records of one execution: buffered, never in the execution's way (work/logs.py)."""

    def __init__(self, platform: Platform, pipe: Pipe, execution_id: str) -> None:
        log = pipe.log or {}
        self._platform, self._pipe, self._execution = platform, pipe, execution_id
        self._level = _LEVELS[log.get("Level", "OFF")]
        self._data = "ALL" in log.get("IncludeExecutionData", [])
        group = arns.parse(log.get("CloudwatchLogsLogDestination", {}).get("LogGroupArn", ""))
        self._group = group if self._level else None

    def write(self, level: int, kind: str, *, error: str | None = None, **data: Any) -> None:
        """A record. `data` (payload, awsRequest, awsResponse) is written where the pipe includes execution data."""
        group = self._group
        if level > self._level or group is None:
            return
        now_ms = self._platform.clock.now_ms()
        record: dict[str, Any] = {
            "resourceArn": self._pipe.arn,
            "timestamp": now_ms,
            "executionId": self._execution,
            "messageType": kind,
            "logLevel": _NAMES[level],
        }
        if error is not None:
            record["error"] = {"message": error}
        if self._data and data:
            _include(record, data)
        name = group.resource.removeprefix("log-group:").removesuffix(":*")
        line = orjson.dumps(record).decode()
        self._platform.logs.write(group.account, group.region, name, self._pipe.name, [(now_ms, line)])


def _include(record: dict[str, Any], data: dict[str, Any]) -> None:
    cut = []
    for name, value in data.items():
        text = value if isinstance(value, str) else orjson.dumps(value).decode()
        if len(text) > MAX_FIELD:
            cut.append(name)
        record[name] = text[:MAX_FIELD]
    if cut:
        record["truncatedFields"] = cut
