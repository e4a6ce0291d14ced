"""What names bytes."""

from __future__ import annotations

import msgspec

INLINE = 64 << 10
"""Bytes up to which a blob lives in its naming row."""
PIECE = 512 << 10
"""Bytes per piece of a streamed read."""
WHOLE = 1 << 20
"""Reads up to this many bytes are answered at once."""


class Blob(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True):
    """Names bytes. Put it into a row as it is (msgpack).

    Either `inline` holds the bytes, or `parts` are blobs that follow each other, or `id` names a file.
    """

    id: str
    size: int
    inline: bytes | None = None
    parts: tuple[Blob, ...] = ()

    def files(self) -> list[str]:
        """Ids of the files that hold the bytes."""
        if self.parts:
            return [name for part in self.parts for name in part.files()]
        return [] if self.inline is not None else [self.id]


def cut(blob: Blob, start: int, end: int) -> list[tuple[Blob, int, int]]:
    """The leaves of a blob that [start, end) touches, each with the range inside it."""
    if not blob.parts:
        return [(blob, start, end)]
    cuts, at = [], 0
    for part in blob.parts:
        low, high = max(start - at, 0), min(end - at, part.size)
        if low < high:
            cuts.append((part, low, high))
        at += part.size
        if at >= end:
            break
    return cuts
