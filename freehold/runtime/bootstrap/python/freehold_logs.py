"""Log formats of AWS's managed Python runtimes: text with level, time and request id, or JSON."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
from datetime import datetime, timezone

_RECORD_SEPARATOR = "\x1e"
"""Stands for a newline inside one log event on the log pipe; the server restores it."""


class RequestId(logging.Filter):
    """Gives every record the id of the invocation that is running."""

    current = ""

    def filter(self, record):
        record.aws_request_id = self.current
        return True


class _Handler(logging.Handler):
    """One record is one event in the log, whatever newlines it has."""

    def emit(self, record):
        try:
            _write_event(self.format(record).rstrip("\n"))
        except Exception:
            self.handleError(record)


def _write_event(text):
    sys.stdout.write(text.replace("\n", _RECORD_SEPARATOR) + "\n")


_PLAIN_FIELDS = frozenset(logging.LogRecord("", 0, "", 0, "", None, None).__dict__) | {
    "message", "asctime", "aws_request_id", "taskName", "color_message",
}  # fmt: skip


class _JsonFormatter(logging.Formatter):
    """Lambda's JSON log format."""

    def format(self, record):
        document = {
            "timestamp": _timestamp(record.created),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0]:
            kind, problem, trace = record.exc_info
            document["stackTrace"] = [line.rstrip("\n") for line in traceback.format_tb(trace)]
            document["errorType"] = kind.__name__
            document["errorMessage"] = str(problem)
            document["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
        for name, value in record.__dict__.items():
            if name not in _PLAIN_FIELDS and name not in document:
                document[name] = value
        document["requestId"] = record.aws_request_id
        return json.dumps(document, default=str, ensure_ascii=False)


def _timestamp(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: UP017


def set_up(as_json):
    handler = _Handler()
    handler.addFilter(RequestId())
    root = logging.getLogger()
    if as_json:
        handler.setFormatter(_JsonFormatter())
        level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "INFO").upper()
        names = {"TRACE": "DEBUG", "WARN": "WARNING", "FATAL": "CRITICAL"}
        root.setLevel(names.get(level, level))
    else:
        formatter = logging.Formatter(
            "[%(levelname)s]\t%(asctime)s.%(msecs)dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S"
        )
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
    root.addHandler(handler)


def log_error(document, as_json):
    if as_json:
        _write_event(json.dumps({"timestamp": _timestamp(time.time()), "log_level": "ERROR", **document}))
        return
    text = "[ERROR] {}: {}".format(document["errorType"], document["errorMessage"])
    if document["stackTrace"]:
        text += "\nTraceback (most recent call last):\n" + "".join(document["stackTrace"])
    _write_event(text.rstrip("\n"))
