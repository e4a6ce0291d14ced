"""Entries of PutEvents: what each becomes. Pure.

Codes: EventBridge API Reference, PutEventsResultEntry. Sizes: EventBridge User Guide, "Calculating PutEvents event entry
size". A batch is limited as a whole, by the model's documentation to 1 MB.
"""

from __future__ import annotations

from typing import Any

import orjson

from freehold.kit.faults import Fault

MAX_BYTES = 1 << 20
"""Of all entries of a request together."""
MAX_DETAIL_TYPE = 128
MAX_DEPTH = 250
"""Levels of a detail (AWS: 1,000)."""
END_OF_TIME_S = 253_402_300_800
"""The year 10000."""
_TIME_BYTES = 14


class Refused(Exception):
    """An entry that fails by itself."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message

    def describe(self) -> dict[str, str]:
        """As a PutEventsResultEntry."""
        return {"ErrorCode": self.code, "ErrorMessage": self.message}


def _missing(member: str) -> Refused:
    return Refused("InvalidArgument", f"Parameter {member} is not valid. Reason: {member} is a required argument.")


def size(entry: dict[str, Any]) -> int:
    """Bytes that an entry counts."""
    text = f"{entry.get('Source') or ''}{entry.get('DetailType') or ''}{entry.get('Detail') or ''}"
    total = len(text) if text.isascii() else len(text.encode())
    if "Time" in entry:
        total += _TIME_BYTES
    return total + sum(len(resource.encode()) for resource in entry["Resources"]) if "Resources" in entry else total


def check_sizes(entries: list[dict[str, Any]]) -> None:
    """Raise where the request is too large."""
    if sum(map(size, entries)) > MAX_BYTES:
        raise Fault("ValidationException", "Total size of the entries in the request is over the limit.")


def detail_of(entry: dict[str, Any]) -> dict[str, Any]:
    """The detail of an entry that is complete. Raises Refused."""
    source = entry.get("Source")
    if not source:
        raise _missing("Source")
    detail_type = entry.get("DetailType")
    if not detail_type:
        raise _missing("DetailType")
    text = entry.get("Detail")
    if not text:
        raise _missing("Detail")
    if len(detail_type) > MAX_DETAIL_TYPE:
        raise Refused(
            "InvalidArgument",
            f"Parameter DetailType is not valid. Reason: DetailType is longer than {MAX_DETAIL_TYPE} characters.",
        )
    if source.startswith("aws."):
        raise Refused("NotAuthorizedForSourceException", "Not authorized for the source.")
    try:
        detail = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Refused("MalformedDetail", "Detail is malformed.") from None
    if type(detail) is not dict or too_deep(text, detail):
        raise Refused("MalformedDetail", "Detail is malformed.")
    return detail


def time_of(entry: dict[str, Any], now_s: float) -> float:
    """The time of an event: that of the call unless the entry has one. Raises Refused for what no calendar has."""
    time_s: float = entry.get("Time", now_s)
    if not 0 <= time_s < END_OF_TIME_S:
        raise Refused("InvalidArgument", "Parameter Time is not valid.")
    return time_s


def too_deep(text: str, detail: dict[str, Any]) -> bool:
    """Is a detail nested deeper than can be written again? That is 254 levels with the event around it."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return False
    try:
        orjson.dumps([[[[detail]]]])
    except orjson.JSONEncodeError:
        return True
    return False
