"""Access logs: a format of `$context` variables, compiled once, one line per request."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

_VARIABLE = re.compile(r"\$context\.([A-Za-z0-9_.\-]+[A-Za-z0-9_])")
Values = Mapping[str, str]


@lru_cache(maxsize=256)
def compile_format(text: str) -> Callable[[Values], str]:
    """A function from `$context` values to the line. What has no value is written `-`."""
    pieces: list[str] = _VARIABLE.split(text.rstrip("\n"))
    literals, names = pieces[::2], pieces[1::2]

    def line(values: Values) -> str:
        out = [literals[0]]
        for name, literal in zip(names, literals[1:], strict=True):
            out.append(values.get(name) or "-")
            out.append(literal)
        return "".join(out)

    return line


def log_group(destination_arn: str) -> str:
    """The name of the log group of an ARN (`:*` at its end or not)."""
    return destination_arn.split(":", 5)[5].removeprefix("log-group:").removesuffix(":*")
