"""The file: a line that says what it is, then frames of compressed records, the last of which says what there was.

A frame is its length (4 bytes, big-endian) and that many bytes, deflated. Records follow each other in frames without
regard to their borders: MessagePack arrays that begin with their kind.

    ["row", key, value]          a row of the account alone
    ["shared", key, value]       a row that other accounts may have too
    ["blob", id, size]           a blob begins
    ["piece", bytes]             of the blob that began last
    ["end", rows, blobs, digest] SHA-256 of all records before: a file without it is not whole
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec

from freehold.work import format

MAGIC = b"freehold account "
FORMAT = 1
FRAME = 1 << 20
"""Bytes of records that are deflated together."""
MOST_FRAME = 8 << 20
_MOST_HEAD = 4_096

Record = tuple[Any, ...]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[Any, ...]).decode


class Unreadable(Exception):
    """The file is none of ours, not whole, or was changed; the text says which."""


class Writer:
    """Makes the bytes of a file. What it gathers is at most a frame."""

    def __init__(self, head: dict[str, Any]) -> None:
        self._out = [MAGIC + json.dumps({"format": FORMAT, **head}).encode() + b"\n"]
        self._gathered = bytearray()
        self._digest = hashlib.sha256()
        self._counts = {"row": 0, "shared": 0, "blob": 0}

    def add(self, kind: str, *content: Any) -> None:
        raw = _encode((kind, *content))
        self._digest.update(raw)
        self._counts[kind] = self._counts.get(kind, 0) + 1
        self._keep(raw)

    def end(self) -> None:
        rows = self._counts["row"] + self._counts["shared"]
        self._keep(_encode(("end", rows, self._counts["blob"], self._digest.digest())))
        self._frame()

    def _keep(self, raw: bytes) -> None:
        self._gathered += len(raw).to_bytes(4, "big") + raw
        if len(self._gathered) >= FRAME:
            self._frame()

    def _frame(self) -> None:
        packed = zlib.compress(self._gathered, 1)
        self._out += [len(packed).to_bytes(4, "big"), packed]
        self._gathered.clear()

    def take(self) -> bytes:
        """What is ready to be sent."""
        ready = b"".join(self._out)
        self._out.clear()
        return ready


class Reader:
    """Reads a file as it arrives. `head` is known once the first record came."""

    def __init__(self, stream: AsyncIterator[bytes]) -> None:
        self._stream, self._buffer = stream, bytearray()
        self.head: dict[str, Any] = {}

    async def open(self) -> dict[str, Any]:
        """The first line. Raises Unreadable."""
        while b"\n" not in self._buffer and len(self._buffer) < _MOST_HEAD and await self._more():
            pass
        line, newline, rest = bytes(self._buffer).partition(b"\n")
        if not newline or not line.startswith(MAGIC):
            raise Unreadable("It is no file that `freehold export` made.")
        self._buffer[:] = rest
        try:
            self.head = json.loads(line[len(MAGIC) :])
            known = self.head["format"]
        except (ValueError, KeyError, TypeError):
            raise Unreadable("Its first line cannot be read.") from None
        if known != FORMAT or self.head.get("rows", 1) != format.FORMAT:
            raise Unreadable(f"It was made by a newer Freehold ({self.head.get('version')}); update Freehold.")
        return self.head

    async def records(self) -> AsyncIterator[Record]:
        """The records but the last, which is checked. Raises Unreadable."""
        digest, left = hashlib.sha256(), bytearray()
        rows = blobs = 0
        while (frame := await self._frame()) is not None:
            left += frame
            for raw in _cut(left):
                record = _record(raw)
                if record[0] == "end":
                    if record[1:] != (rows, blobs, digest.digest()) or left or await self._frame() is not None:
                        raise Unreadable("It was changed after it was made: its end does not fit what is in it.")
                    return
                digest.update(raw)
                rows, blobs = rows + (record[0] in ("row", "shared")), blobs + (record[0] == "blob")
                yield record
        raise Unreadable("It is cut short: its end is missing.")

    async def _frame(self) -> bytes | None:
        size = await self._exactly(4)
        if size is None:
            return None
        length = int.from_bytes(size, "big")
        packed = await self._exactly(length) if length <= MOST_FRAME else None
        if packed is None:
            raise Unreadable("It is cut short, or was changed after it was made.")
        inflating = zlib.decompressobj()
        try:
            frame = inflating.decompress(packed, MOST_FRAME)
        except zlib.error:
            raise Unreadable("It was changed after it was made.") from None
        if not inflating.eof:
            raise Unreadable("It was changed after it was made.")
        return frame

    async def _exactly(self, count: int) -> bytes | None:
        while len(self._buffer) < count:
            if not await self._more():
                return None
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    async def _more(self) -> bool:
        async for piece in self._stream:
            self._buffer += piece
            return True
        return False


def _cut(left: bytearray) -> Iterator[bytes]:
    """The whole records at the beginning of `left`, which are taken out of it."""
    while len(left) >= 4 and len(left) >= 4 + (size := int.from_bytes(left[:4], "big")):
        raw = bytes(left[4 : 4 + size])
        del left[: 4 + size]
        yield raw


def _record(raw: bytes) -> Record:
    try:
        record = _decode(raw)
        ((kind, *content),) = (record,)
        shape = tuple(type(part) for part in content)
    except (msgspec.MsgspecError, ValueError):
        raise Unreadable("It was changed after it was made.") from None
    if shape != _SHAPES.get(kind):
        raise Unreadable("It was changed after it was made.")
    return record


_SHAPES = {
    "row": (bytes, bytes),
    "shared": (bytes, bytes),
    "blob": (str, int),
    "piece": (bytes,),
    "end": (int, int, bytes),
}
