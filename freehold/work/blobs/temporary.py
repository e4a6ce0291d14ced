"""Temporary files: bytes for readers that want a path."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path


class Temporary:
    """A directory of files that are gone an hour later."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def prepare(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)

    async def write(self, name: str, data: bytes | AsyncIterator[bytes]) -> Path:
        """A new file with these bytes; whoever breaks off leaves it to the sweep."""
        path = self._directory / name
        with path.open("xb") as file:
            if isinstance(data, bytes):
                await asyncio.to_thread(file.write, data)
            else:
                async for piece in data:
                    await asyncio.to_thread(file.write, piece)
        return path

    async def sweep(self, before: float) -> None:
        """Remove files last written before `before` (wall seconds)."""

        def sweep() -> None:
            for entry in os.scandir(self._directory):
                if entry.stat().st_mtime < before:
                    os.unlink(entry.path)

        await asyncio.to_thread(sweep)
