"""Partial batch responses: which records of a batch the function did not process. Pure.

Source: Lambda, "Handling errors for an SQS event source": the batch succeeded with an empty or null batchItemFailures list
or an empty or null response; it failed as a whole where the response is not JSON or an itemIdentifier is empty, null,
under another key, or names no message of the batch.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import orjson


def failures(payload: bytes, ids: Collection[str]) -> set[str] | None:
    """Ids of the records that failed; None: all of them."""
    try:
        response: Any = orjson.loads(payload) if payload else None
    except orjson.JSONDecodeError:
        return None
    if response is None:
        return set()
    if not isinstance(response, dict):
        return None
    listed = response.get("batchItemFailures")
    if listed is None:
        return set()
    if not isinstance(listed, list):
        return None
    found: set[str] = set()
    for item in listed:
        identifier = item.get("itemIdentifier") if isinstance(item, dict) else None
        if not isinstance(identifier, str) or identifier not in ids:
            return None
        found.add(identifier)
    return found
