"""Reading request bodies: whole within a limit, or as a stream; nothing beyond a limit is ever buffered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from freehold.kit.http import Request

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class TooLarge(Exception):
    """The body is larger than the operation accepts."""


class Disconnected(Exception):
    """The client went away before it had sent its body."""


def content_length(request: Request) -> int | None:
    """The announced length of the body; None when chunked or absent."""
    text = request.headers.get("content-length")
    return int(text) if text is not None and text.isdigit() else None


async def read(request: Request, receive: Receive, limit: int) -> bytes:
    """The whole body. Raises TooLarge before anything beyond `limit` is kept, Disconnected when it never ends."""
    announced = content_length(request)
    if announced is not None and announced > limit:
        raise TooLarge
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Disconnected
    first: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(first) > limit:
            raise TooLarge
        return first
    pieces, size = [first], len(first)
    while message.get("more_body", False):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        piece = message.get("body", b"")
        size += len(piece)
        if size > limit:
            raise TooLarge
        pieces.append(piece)
    return b"".join(pieces)


async def stream(receive: Receive) -> AsyncIterator[bytes]:
    """The body piece by piece. Raises Disconnected when the client goes away before its end."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        piece = message.get("body", b"")
        more = message.get("more_body", False)
        if piece:
            yield piece
