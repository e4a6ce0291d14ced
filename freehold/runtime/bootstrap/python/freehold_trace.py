"""_X_AMZN_TRACE_ID, the variable that every invocation sets.

glibc's setenv never frees a value (up to 2.40): a function that is called a million times would lose 150 MB to this one
variable. So the environment is given a place of ours once (putenv), and what is in that place changes. What is started
from here finds the variable as ever, and so does `os.environ`.
"""

from __future__ import annotations

import ctypes
import os

_NAME = "_X_AMZN_TRACE_ID"
_KEY = _NAME.encode()
_ROOM = 1024
_ENVIRON = os.environ
_libc = ctypes.CDLL(None)


class TraceVariable:
    """The variable, as long as nobody else sets or removes it; from then on it is put there anew."""

    def __init__(self):
        self._place = ctypes.create_string_buffer(_ROOM)
        self._value: object = object()

    def set(self, trace):
        value = trace.encode("utf-8", "surrogateescape")
        line = _KEY + b"=" + value
        if os.environ is not _ENVIRON or len(line) >= _ROOM or b"\0" in line:
            os.environ[_NAME] = trace
            return
        known = _ENVIRON._data
        is_ours = known.get(_KEY) is self._value
        self._place.value = line
        if not is_ours:
            _libc.putenv(self._place)
        known[_KEY] = self._value = value
