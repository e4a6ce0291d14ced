"""What the server under load logs as an error is a failure of the run."""

from __future__ import annotations

from pathlib import Path

from soak.server import Server


def test_errors_are_told_and_nothing_else(tmp_path: Path) -> None:
    log = tmp_path / "log"
    server = Server(tmp_path / "data", log=log)
    log.write_text(
        "2026-11-23 21:04:21,900 WARNING freehold.work: slow\n"
        "2026-11-23 21:04:21,966 ERROR freehold.work: timer events.retain failed; again in 1000 ms\n"
        "Traceback (most recent call last):\n"
        '  File "/src/freehold/work/timers.py", line 196, in _handle\n'
    )
    assert server.complaints() == [
        "logged: 2026-11-23 21:04:21,966 ERROR freehold.work: timer events.retain failed; again in 1000 ms",
        "logged: Traceback (most recent call last):",
    ]
