"""What a constraint that fails is told as: the sentences of AWS's validation, and values as Java prints them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Constraint = tuple[Callable[[Any], bool], str]

_MAX_SHOWN = 2048


def worded(constraints: list[Constraint], value: Any, path: str, sensitive: bool) -> list[str]:
    """A sentence for each constraint that a value fails."""
    out = []
    for ok, text in constraints:
        if not ok(value):
            if text.startswith("\0"):
                out.append("\0" + text[1:].format(member=path.rpartition(".")[2]))
            else:
                out.append(f"{_shown(value, sensitive)} at '{path}' failed to satisfy constraint: {text}")
    return out


def worded_inner(constraints: list[Constraint], value: Any, path: str, sensitive: bool, what: str) -> str:
    """The sentence for keys, values or elements that fail: AWS names all that they should have satisfied."""
    texts = ", ".join(text.lstrip("\0") for _, text in constraints)
    return f"{_shown(value, sensitive)} at '{path}' failed to satisfy constraint: {what}: [{texts}]"


def _shown(value: Any, sensitive: bool) -> str:
    if sensitive:
        return "Value"
    text = java_text(value)
    return f"Value '{text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + '...'}'"


def java_text(value: Any) -> str:
    """A value as Java prints it: `[a, b]`, `{k=v}`, `true`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes | bytearray):
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    if isinstance(value, list):
        return f"[{', '.join(java_text(item) for item in value[:100])}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}={java_text(item)}" for key, item in list(value.items())[:100]) + "}"
    return str(value)
