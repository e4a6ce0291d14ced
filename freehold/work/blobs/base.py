"""Where the bytes of blobs lie: what `Blobs` asks of a backend. Every backend passes tests/work/test_blobs.py.

Names are fresh ids of 24 hexadecimal digits; what lies under a name never changes.

BlobError (an OSError)
├── BlobsUnreachable    the object store did not answer, or said that it cannot now, more often than was tried
└── BlobsUnusable       it refuses: no such bucket, no permission, or the place belongs to another installation
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Protocol

MARK = "freehold-place"
"""Name of the file or object that says to which installation a place of blobs belongs."""


class BlobError(OSError):
    """The bytes could not be kept or found."""


class BlobsUnreachable(BlobError):
    """The object store cannot be reached now."""


class BlobsUnusable(BlobError):
    """The place of the blobs cannot be used; the text says why and what to do."""


class Writer(Protocol):
    """One stream being kept; its calls come one at a time."""

    async def write(self, chunks: Sequence[bytes]) -> None: ...

    async def finish(self, chunks: Sequence[bytes]) -> None:
        """Keep what is left; returns when all of it is durable under its name."""
        ...

    async def abandon(self) -> None:
        """Leave nothing behind."""
        ...


class Backend(Protocol):
    """Durable bytes by name."""

    @property
    def where(self) -> str:
        """The place, for messages."""
        ...

    async def prepare(self) -> None:
        """Before anything else. Raises BlobsUnusable, BlobsUnreachable."""
        ...

    async def close(self) -> None: ...

    async def mark(self, offered: str) -> str:
        """What the place's mark says; empty: it has none. `offered`, where it is not empty, is written if there is none."""
        ...

    def path(self, name: str) -> Path | None:
        """The file itself, where the backend keeps files."""
        ...

    async def check(self, name: str) -> None:
        """Raises FileNotFoundError where there is nothing under `name`."""
        ...

    async def write_whole(self, name: str, data: bytes) -> None:
        """Keep bytes in hand; returns when they are durable."""
        ...

    def writer(self, name: str) -> Writer: ...

    async def read(self, name: str, at: int, size: int) -> bytes:
        """Exactly `size` bytes at `at`. Raises FileNotFoundError."""
        ...

    def pieces(self, name: str, low: int, high: int) -> AsyncIterator[bytes]:
        """Bytes [low, high) in pieces of at most PIECE. Raises FileNotFoundError."""
        ...

    def older(self, before: float, page: int) -> AsyncIterator[list[str]]:
        """Names of what was last written before `before` (wall seconds), in pages of at most `page`."""
        ...

    def sizes(self) -> AsyncIterator[list[tuple[str, int, float]]]:
        """All names with their bytes and when they were written (wall seconds), in pages."""
        ...

    async def sweep_unfinished(self, before: float) -> None:
        """Remove what writers that died had begun before `before` (wall seconds)."""
        ...

    async def remove(self, names: Sequence[str]) -> int:
        """Remove what is there; says how many went, as far as the backend knows."""
        ...
