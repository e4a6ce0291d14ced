"""What a server logs of exceptions is a finding of the live fuzzer, though every client was answered well."""

from __future__ import annotations

import os
from pathlib import Path

from fuzz.live import server
from fuzz.live.server import Log

TRACE = """\
2026-11-23 21:04:21,966 ERROR freehold.work: timer events.retain failed; again in 1000 ms
Traceback (most recent call last):
  File "/src/freehold/work/timers.py", line 196, in _handle
    following = await self._handlers[name[0]](name[1])
  File "/src/freehold/kit/tuples.py", line 39, in _pack_int
    raise OverflowError("an integer in a key takes at most 8 bytes")
OverflowError: an integer in a key takes at most 8 bytes
"""


def test_each_trace_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("a line\n")
    log = Log(path)
    assert list(log.traces()) == []
    with path.open("a") as file:
        file.write(TRACE + "half a li")
    ((what, whole),) = log.traces()
    assert what.startswith("logged OverflowError: an integer in a key takes at most 8 bytes at ")
    assert what.endswith('freehold/kit/tuples.py", line 39, in _pack_int') and "timers.py" in whole
    assert list(log.traces()) == []


def test_the_server_logs_where_the_fuzzer_reads(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    running = server.start(tmp_path, 1, guarded=False)
    try:
        assert os.readlink(f"/proc/{running.process.pid}/fd/2") == str(tmp_path / "log")
    finally:
        assert server.stop(running) == ""
    assert list(Log(tmp_path / "log").traces()) == []
