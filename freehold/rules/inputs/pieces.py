"""Pieces: a template cut into literal text and placeholders, each of which knows whether it stands inside a JSON string.

What a placeholder becomes depends on where it stands:
- as a value (outside quotes), the JSON of what it names; `""` where the event has no such thing, which keeps JSON valid
- inside quotes, text: strings escaped so that the JSON stays valid; objects and arrays as their JSON without its quotes,
  as AWS does ("{key: value}"); nothing where the event has no such thing
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from freehold.rules.inputs.paths import MISSING, InvalidInput

MAX_OUTPUT = 1 << 20
"""Characters of text that one application may make: the size of the largest event."""

MAX_LEVELS = 254
"""Of nesting in what is put in: as many as JSON is written with."""

PLACEHOLDER = re.compile(r"<(\$[^<>\"]*|[^<>\s\"]+)>")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """`<name>`. `quoted`: it stands inside a JSON string."""

    name: str
    quoted: bool


Piece = str | Placeholder


def cut(template: str, *, minify: bool) -> list[Piece]:
    """The pieces of a template in order. `minify` leaves out white space between JSON's tokens."""
    pieces: list[Piece] = []
    quoted, at = False, 0
    literal: list[str] = []
    while at < len(template):
        char = template[at]
        found = PLACEHOLDER.match(template, at) if char == "<" else None
        if found is not None:
            if literal:
                pieces.append("".join(literal))
                literal = []
            pieces.append(Placeholder(found[1], quoted))
            at = found.end()
            continue
        if char == "\\" and quoted:
            literal.append(template[at : at + 2])
            at += 2
            continue
        if char == '"':
            quoted = not quoted
        if quoted or not minify or char not in " \t\r\n":
            literal.append(char)
        at += 1
    if literal:
        pieces.append("".join(literal))
    return pieces


def as_json(value: Any) -> str:
    """What a placeholder outside quotes becomes. Raises InvalidInput."""
    return '""' if value is MISSING else _written(value)


def as_text(value: Any) -> str:
    """What a placeholder inside quotes becomes. Raises InvalidInput."""
    if value is MISSING:
        return ""
    if isinstance(value, str):
        return _written(value)[1:-1]
    if isinstance(value, (dict, list)):
        # Without its quotes and what escaped them, so that the string around it stays one string.
        return _written(value).replace("\\", "").replace('"', "")
    return _written(value)


def _written(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # JSON is read to 1,024 levels and written to 254
        raise InvalidInput(f"The event is nested deeper than {MAX_LEVELS} levels.") from None


def join(pieces: list[Piece], fill: Callable[[Placeholder], str]) -> str:
    """The text of the pieces. Raises InvalidInput when it becomes longer than MAX_OUTPUT."""
    out: list[str] = []
    room = MAX_OUTPUT
    for piece in pieces:
        text = piece if isinstance(piece, str) else fill(piece)
        room -= len(text)
        if room < 0:
            raise InvalidInput(f"The transformed input is larger than {MAX_OUTPUT} characters.")
        out.append(text)
    return "".join(out)
