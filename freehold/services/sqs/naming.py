"""Names of queues, tags, and pages of lists."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from freehold.kit.faults import Fault
from freehold.services.sqs.drafts import invalid
from freehold.services.sqs.model import MAX_TAGS

_NAME = re.compile(r"[A-Za-z0-9_\-]{1,80}")
_TAG = re.compile(r"[\w\s.:/=+\-@]*")
MAX_RESULTS = 1_000


def check(name: str, *, fifo: bool) -> None:
    """Raise InvalidParameterValue for what is no name of such a queue."""
    if fifo:
        if len(name) > 80 or not name.endswith(".fifo") or not _NAME.fullmatch(name[: -len(".fifo")]):
            raise invalid(
                "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with "
                ".fifo suffix and be 1 to 80 in length."
            )
    elif not _NAME.fullmatch(name):
        raise invalid("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.")


def check_tags(tags: dict[str, str], *, reserved: bool) -> dict[str, str]:
    """`reserved`: keys may begin with aws:, as CloudFormation's do."""
    for key, value in tags.items():
        if not key or len(key) > 128 or len(value) > 256 or (key.lower().startswith("aws:") and not reserved):
            raise invalid(f"Tag key or value is invalid: {key}.")
        if not _TAG.fullmatch(key) or not _TAG.fullmatch(value):
            raise invalid(f"Tag keys and values can only include letters, digits, white space, or _.:/=+-@: {key}.")
    check_tag_count(tags)
    return dict(tags)


def check_tag_count(tags: dict[str, str]) -> None:
    if len(tags) > MAX_TAGS:
        raise invalid(f"Too many tags added for queue. Maximum number of tags allowed is {MAX_TAGS}.")


def page(request: dict[str, Any]) -> tuple[int, str]:
    """How many results a list may have, and after which name it goes on."""
    limit = request.get("MaxResults")
    if limit is not None and not 1 <= limit <= MAX_RESULTS:
        raise invalid(
            f"Value {limit} for parameter MaxResults is invalid. Reason: MaxResults must be between 1 and 1000."
        )
    token = request.get("NextToken")
    if token is None:
        return limit or MAX_RESULTS, ""
    if limit is None:
        raise Fault("MissingParameter", "The request must contain the parameter MaxResults.")
    try:
        return limit, base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, ValueError):
        raise invalid("Invalid or expired next token.") from None


def next_token(request: dict[str, Any], names: list[str], limit: int) -> dict[str, str]:
    """A token where there is more and the caller asked for pages."""
    if request.get("MaxResults") is None or len(names) <= limit:
        return {}
    return {"NextToken": base64.urlsafe_b64encode(names[limit - 1].encode()).decode()}
