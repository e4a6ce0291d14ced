"""What an answer's body holds once its Content-Encoding is undone, never more than was asked for.

httpx undoes a whole piece at once, and a piece of 64 KB may hold 64 MB: here no more than the limit is ever unpacked.
"""

from __future__ import annotations

import zlib

MAX_ENCODINGS = 3
_WINDOWS = {"gzip": (31,), "x-gzip": (31,), "deflate": (zlib.MAX_WBITS, -zlib.MAX_WBITS)}
"""Servers disagree whether `deflate` has zlib's header: both are tried."""


class TooMuch(Exception):
    """The body is longer than the limit, or encoded more often than is sensible."""


def decode(body: bytes, encodings: str, most: int) -> bytes:
    """The body without its encodings (a Content-Encoding header). What is encoded otherwise stays as it is.

    Raises TooMuch, and ValueError where the body is not what the header says.
    """
    names = [name.strip().lower() for name in encodings.split(",") if name.strip()]
    if not body or not all(name in _WINDOWS or name == "identity" for name in names):
        return body
    wanted = [name for name in reversed(names) if name != "identity"]
    if len(wanted) > MAX_ENCODINGS:
        raise TooMuch
    for name in wanted:
        body = _unpacked(body, _WINDOWS[name], most)
    return body


def _unpacked(body: bytes, windows: tuple[int, ...], most: int) -> bytes:
    for window in windows:
        try:
            unpacker = zlib.decompressobj(window)
            found = unpacker.decompress(body, most + 1)
        except zlib.error:
            continue
        if len(found) > most:
            raise TooMuch
        return found
    raise ValueError("the body is not encoded as its header says")
