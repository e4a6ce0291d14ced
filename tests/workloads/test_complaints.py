"""What a server under load logs as an error is a failure of the run."""

from __future__ import annotations

from pathlib import Path

from workloads.complaints import complaints


def test_errors_are_told_with_their_exceptions_and_nothing_else(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "2026-11-23 21:04:21,900 WARNING freehold.work: slow\n"
        "2026-11-23 21:04:21,966 ERROR freehold.work: timer events.retain failed; again in 1000 ms\n"
        "Traceback (most recent call last):\n"
        '  File "/src/freehold/work/timers.py", line 196, in _handle\n'
        "    following = await self._handlers[name[0]](name[1])\n"
        "OverflowError: an integer in a key takes at most 8 bytes\n"
        "2026-11-23 21:04:22,000 INFO freehold: ERROR is a word\n"
        "Traceback (most recent call last):\n"
        '  File "/src/freehold/node/cli.py", line 1, in main\n'
        "KeyError: 'x'\n"
        "2026-11-23 21:04:23,000 ERROR freehold.front: the store is away\n"
    )
    assert complaints(log) == [
        "logged: 2026-11-23 21:04:21,966 ERROR freehold.work: timer events.retain failed; again in 1000 ms: "
        "OverflowError: an integer in a key takes at most 8 bytes",
        "logged: an exception: KeyError: 'x'",
        "logged: 2026-11-23 21:04:23,000 ERROR freehold.front: the store is away",
    ]
