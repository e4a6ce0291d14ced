"""Batches: what may be one, and how its entries are answered."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from freehold.kit.faults import Fault
from freehold.services.sqs.model import MAX_ENTRIES, MAX_MESSAGE_BYTES

_ID = re.compile(r"[A-Za-z0-9_\-]{1,80}")


def check(entries: Sequence[Mapping[str, Any]], shape: str) -> None:
    """Raise what is wrong with a batch as a whole."""
    if not entries:
        raise Fault("EmptyBatchRequest", f"There should be at least one {shape} in the request.")
    if len(entries) > MAX_ENTRIES:
        raise Fault(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {MAX_ENTRIES}. You have sent {len(entries)}.",
        )
    seen: set[str] = set()
    for entry in entries:
        if not _ID.fullmatch(entry["Id"]):
            raise Fault(
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 "
                "letters long.",
            )
        if entry["Id"] in seen:
            raise Fault("BatchEntryIdsNotDistinct", f"Id {entry['Id']} repeated.")
        seen.add(entry["Id"])


def check_size(size: int) -> None:
    if size > MAX_MESSAGE_BYTES:
        raise Fault(
            "BatchRequestTooLong",
            f"Batch requests cannot be longer than {MAX_MESSAGE_BYTES} bytes. You have sent {size} bytes.",
        )


def failure(entry_id: str, fault: Fault) -> dict[str, Any]:
    """A BatchResultErrorEntry."""
    return {"Id": entry_id, "SenderFault": True, "Code": fault.code, "Message": fault.message}


def answer(entries: Sequence[Mapping[str, Any]], faults: Sequence[Fault | None]) -> dict[str, Any]:
    """The result of a batch whose entries say no more than whether they succeeded."""
    pairs = list(zip(entries, faults, strict=True))
    return {
        "Successful": [{"Id": entry["Id"]} for entry, fault in pairs if fault is None],
        "Failed": [failure(entry["Id"], fault) for entry, fault in pairs if fault is not None],
    }
