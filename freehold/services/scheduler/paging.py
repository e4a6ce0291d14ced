"""NextToken of lists: where the last page ended."""

from __future__ import annotations

import base64
import binascii

import orjson

from freehold.kit.faults import Fault


def page_token(*last: str) -> str:
    """A token for the page after `last`."""
    return base64.urlsafe_b64encode(orjson.dumps(last)).decode()


def page_start(token: str | None, parts: int) -> list[str] | None:
    """What `page_token` was given. Raises ValidationException for a token from elsewhere."""
    if token is None:
        return None
    try:
        last = orjson.loads(base64.urlsafe_b64decode(token.encode()))
    except (binascii.Error, UnicodeError, ValueError):
        last = None
    if not isinstance(last, list) or len(last) != parts or not all(isinstance(part, str) for part in last):
        raise Fault("ValidationException", "Invalid NextToken.")
    return last
