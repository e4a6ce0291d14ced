"""The server that is held under load: `soak.serving` in a process of its own."""

from __future__ import annotations

import os
from pathlib import Path

from freehold.testing import Freehold
from soak.serving import PLANT, TRACE


class Server(Freehold):
    """A durable server with a window. `plant`: the leak it has on purpose; `frames`: tracemalloc's, 0 without it."""

    def __init__(
        self,
        data: Path,
        *,
        plant: str | None = None,
        frames: int = 0,
        manual_clock: bool = False,
        log: Path | None = None,
    ) -> None:
        super().__init__(data=data, manual_clock=manual_clock, log=log)
        place = self._command.index("freehold")
        self._command[place] = "soak.serving"
        self._set = {PLANT: plant, TRACE: str(frames) if frames else None}

    def start(self) -> Freehold:
        for name, value in self._set.items():
            if value is not None:
                os.environ[name] = value
        try:
            return super().start()
        finally:
            for name in self._set:
                os.environ.pop(name, None)
