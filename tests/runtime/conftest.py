"""Fixtures: a directory that others may traverse, and a way to play a scenario against a fresh pool."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.bench import Scenario, bench_in


@pytest.fixture
def directory() -> Iterator[Path]:
    """Like tmp_path, but with parents that others may traverse."""
    path = Path(tempfile.mkdtemp(prefix="freehold-"))
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def play(directory: Path) -> Callable[..., None]:
    """Run a scenario against a fresh pool, on the loop that the server uses. `seconds` end only what would never end."""
    import uvloop

    def run(scenario: Scenario, *, seconds: float = 120, **options: Any) -> None:
        async def body() -> None:
            async with bench_in(directory, **options) as bench:
                await asyncio.wait_for(scenario(bench), seconds)

        uvloop.run(body())

    return run
