"""The server that is fuzzed, and what it logs."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from freehold.testing import Freehold

STOP_S = 60.0
"""In which a server ends: 5 s for calls that run, and what a busy machine makes of them."""
TRACE = "Traceback (most recent call last):"
TRACE_MOST = 3_000
"""Characters of a trace that are shown."""


def start(directory: Path, seed: int, *, guarded: bool) -> Freehold:
    """A started server with `data` and `log` in this directory. Open servers draw their ids from the seed, so that
    requests find the same things again; guarded ones take no seed."""
    given = None if guarded else seed or 1
    flags = ("--guarded",) if guarded else ()
    return Freehold(data=directory / "data", seed=given, flags=flags, log=directory / "log").start()


def stop(server: Freehold) -> str:
    """End a server; what is wrong with how it ends."""
    if server.process.poll() is not None:
        return ""
    server.process.terminate()
    try:
        server.process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        server.kill()
        return f"the server had not ended {STOP_S:g} s after it was told to"
    return ""


def credentials(said: str) -> tuple[str, str]:
    """The root's key of a guarded server, from what it printed."""
    found = re.search(r"AWS_ACCESS_KEY_ID=(\S+)\s+export AWS_SECRET_ACCESS_KEY=(\S+)", said)
    if found is None:
        raise SystemExit("the guarded server did not show its root credentials")
    return found[1], found[2]


class Log:
    """What a server logged of exceptions: each is a finding, even where a client was told nothing."""

    def __init__(self, path: Path) -> None:
        self._path, self._read = path, 0

    def traces(self) -> Iterator[tuple[str, str]]:
        """Those since last time: in one line, and whole."""
        with self._path.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        text = text[: text.rfind(b"\n") + 1]  # a line may still be being written
        self._read += len(text)
        for piece in text.decode(errors="replace").split(TRACE)[1:]:
            lines = [line for line in piece.splitlines() if line.strip()]
            places = [line.strip() for line in lines if 'File "' in line and "/freehold/" in line]
            said = next((line for line in lines if not line.startswith(" ")), "")
            yield f"logged {said[:120]} at {places[-1][-90:] if places else '?'}", piece[:TRACE_MOST]
