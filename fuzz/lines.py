"""Which lines of a target's modules its corpus runs: `python -m fuzz.lines NAME DIR` prints a percentage.

Lines are those of functions; what importing runs (signatures, constants) is not counted.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import time
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

from fuzz.draws import Draws
from fuzz.targets import load_target
from fuzz.targets.catalog import COVERS

AT_MOST_S = 60.0
"""Tracing every line is slow: of a large corpus as much as fits is run."""


def modules_of(name: str) -> list[ModuleType]:
    """The modules that a target covers, those inside packages too."""
    found = []
    for named in COVERS[name][1]:
        module = importlib.import_module(named)
        found.append(module)
        for inner in pkgutil.walk_packages(getattr(module, "__path__", []), named + "."):
            found.append(importlib.import_module(inner.name))
    return found


def lines_of(module: ModuleType) -> set[int]:
    """The lines inside functions."""
    path = Path(str(module.__file__))
    waiting: list[tuple[CodeType, bool]] = [(compile(path.read_text(), str(path), "exec"), False)]
    lines: set[int] = set()
    while waiting:
        code, inside = waiting.pop()
        function = inside or bool(code.co_flags & 0x2)  # CO_NEWLOCALS: a function, not a class body or a module
        if function:
            lines |= {line for _, _, line in code.co_lines() if line is not None and line != code.co_firstlineno}
        waiting += [(inner, function) for inner in code.co_consts if isinstance(inner, CodeType)]
    return lines


def main() -> None:
    name, corpus = sys.argv[1], Path(sys.argv[2])
    target, modules = load_target(name), modules_of(name)
    all_lines = {str(module.__file__): lines_of(module) for module in modules}
    seen: dict[str, set[int]] = {path: set() for path in all_lines}

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        lines = seen.get(frame.f_code.co_filename)
        if lines is None:
            return None

        def local(inner: FrameType, what: str, given: Any) -> Any:
            lines.add(inner.f_lineno)
            return local

        return local

    deadline = time.monotonic() + AT_MOST_S
    inputs = sorted(corpus.iterdir(), key=lambda path: path.stat().st_size)
    sys.settrace(trace)
    for path in inputs:
        if time.monotonic() > deadline:
            break
        try:
            target.run(Draws(path.read_bytes()))
        except Exception:  # noqa: BLE001 findings are somebody else's to report
            continue
    sys.settrace(None)
    whole = sum(map(len, all_lines.values()))
    hit = sum(len(seen[path] & lines) for path, lines in all_lines.items())
    print(f"{100 * hit / whole:.0f}% of {whole} lines")
    if "--missing" in sys.argv:
        for name, lines in all_lines.items():
            print(name, sorted(lines - seen[name]))


if __name__ == "__main__":
    main()
