"""Paths and query strings as Signature Version 4 spells them. Source: IAM User Guide, "Create a canonical request"."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

_ENCODED_PATH = re.compile(r"[A-Za-z0-9_.~/%-]*", re.ASCII)
_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9_.~-]+)*/?", re.ASCII)


@lru_cache(maxsize=4096)
def canonical_path(path: str, *, normalize: bool) -> str:
    """The path, encoded once more (S3: as it is), its dots and double slashes resolved (S3: kept)."""
    if path in ("", "/"):
        return "/"
    if not normalize:
        # Signed as sent; what a client left unencoded was encoded for the signature.
        return path if _ENCODED_PATH.fullmatch(path) else quote(unquote_to_bytes(path), safe="/-_.~")
    if "//" in path or "/." in path:
        path = _resolve(path)
    return path if _PLAIN_PATH.fullmatch(path) else quote(path, safe="/-_.~")


def _resolve(path: str) -> str:
    out: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if out:
                out.pop()
        elif segment not in ("", "."):
            out.append(segment)
    ends = path.endswith(("/", "/.", "/..")) and out
    return "/" + "/".join(out) + ("/" if ends else "")


def canonical_query(query: str, *, presigned: bool = False) -> str:
    """The query parameters, encoded and sorted; of presigned requests without the signature itself."""
    pairs = []
    for piece in query.split("&"):
        if not piece:
            continue
        name, _, value = piece.partition("=")
        if presigned and name == "X-Amz-Signature":
            continue
        pairs.append((_encode(name), _encode(value)))
    pairs.sort()
    return "&".join([f"{name}={value}" for name, value in pairs])


def _encode(text: str) -> str:
    if text.isalnum() and text.isascii():
        return text
    return quote(unquote_to_bytes(text.replace("+", "%20")), safe="-_.~")
