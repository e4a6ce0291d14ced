"""Tokens of lists: where the next page begins, opaque to callers."""

from __future__ import annotations

import base64
import binascii

from freehold.services.sns.model import invalid


def token(after: str) -> str:
    """The token of the page after a name."""
    return base64.urlsafe_b64encode(after.encode()).decode()


def read(token: str | None) -> str:
    """The name that a token stands for; "" without one. Raises InvalidParameter."""
    if not token:
        return ""
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, ValueError):
        raise invalid("NextToken Reason: Unable to deserialize nextToken") from None
