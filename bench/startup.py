"""From the command to the first successful call, and memory while idle: `python -m bench.startup [runs]`."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.servers import Server, freehold, resident_mb, scratch, zygotes

SETTLE_SECONDS = 3.0


def measure(make: Callable[[Path], Server], runs: int) -> dict[str, float]:
    """Median seconds to the first call over fresh directories, and MB of the server (and its zygotes) when idle."""
    seconds, memory, templates = [], [], []
    for _ in range(runs):
        with scratch() as directory:
            server = make(Path(directory))
            server.start(Path(directory))
            try:
                seconds.append(server.started)
                time.sleep(SETTLE_SECONDS)
                memory.append(resident_mb(server.process.pid))
                templates.append(max((resident_mb(pid) for pid in zygotes(server)), default=0.0))
            finally:
                server.stop()
    return {"start_s": statistics.median(seconds), "idle_mb": max(memory), "zygote_mb": max(templates)}


def main() -> None:
    """Print the figures of this checkout."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    found = measure(lambda where: freehold(where / "data"), runs)
    print(
        f"start to first successful call {found['start_s']:.2f} s (median of {runs}); "
        f"idle server {found['idle_mb']:.0f} MB, largest zygote {found['zygote_mb']:.0f} MB"
    )


if __name__ == "__main__":
    main()
