"""Patterns of AWS's models, which are Java's, for Python's `re`.

A translation may accept more than Java would, never less: Freehold must not refuse what AWS takes. What cannot be
translated is not checked.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache

# Inside a character class. Unicode properties become the nearest wider class that Python has.
_PROPERTIES = {
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Upper": "A-Z",
    "Lower": "a-z",
    "XDigit": "0-9a-fA-F",
    "Space": r"\s",
    "Blank": r" \t",
    "Print": r"\x20-\x7e",
    "Graph": r"\x21-\x7e",
    "ASCII": r"\x00-\x7f",
    "L": r"\w",
    "Ll": r"\w",
    "Lu": r"\w",
    "IsAlphabetic": r"\w",
    "IsLetter": r"\w",
    "N": r"\w",
    "Nd": r"\w",
    "IsDigit": r"\w",
    "Z": r"\s",
    "Zs": r"\s",
    "IsWhite_Space": r"\s",
}
_UNICODE = frozenset(name for name, wide in _PROPERTIES.items() if wide in (r"\w", r"\s"))
# Patterns that take exponential time on hostile text, and what says the same in linear time.
_LINEAR = {
    r"^[ \t]*[\x20-\x7E]+([ \t]+[\x20-\x7E]+)*[ \t]*$": r"\t*[\x20-\x7E][\t\x20-\x7E]*",
    r"[ \t]*[\x20-\x7E]+([ \t]+[\x20-\x7E]+)*[ \t]*|(\$(\.[\w/_-]+(\[(\d+|\*)\])*)*)": (
        r"\t*[\x20-\x7E][\t\x20-\x7E]*|(\$(\.[\w/_-]+(\[(\d+|\*)\])*)*)"
    ),
    r"^[ \t]*[^\x00-\x1F:\x7F]+([ \t]+[^\x00-\x1F:\x7F]+)*[ \t]*$": (r"\t*[^\x00-\x1F:\x7F](?:\t|[^\x00-\x1F:\x7F])*"),
}
_SETS = frozenset({r"\w", r"\d", r"\s", r"\W", r"\D", r"\S", *_PROPERTIES.values()})
_ESCAPE = re.compile(r"\\(?:p\{(\w+)\}|([Pp].?)|x\{([0-9A-Fa-f]{1,6})\}|(z)|(h)|(.))", re.DOTALL)


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str) -> re.Pattern[str] | None:
    """The pattern for `fullmatch`, or None where Python cannot say it."""
    translated = _translate(_LINEAR.get(pattern, pattern))
    if translated is None:
        return None
    text, unicode = translated
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # "possible nested set": a Java union, which Python reads otherwise
            return re.compile(text, 0 if unicode else re.ASCII)
    except (re.error, FutureWarning, DeprecationWarning, RecursionError, OverflowError):
        return None


def _translate(pattern: str) -> tuple[str, bool] | None:
    if "&&" in pattern:
        return None
    out: list[str] = []
    at, in_class, unicode = 0, False, False
    while at < len(pattern):
        char = pattern[at]
        if char != "\\":
            if char == "[":
                if in_class:  # a union of classes
                    return None
                in_class = True
            elif char == "]":
                in_class = False
            elif char == "-" and in_class and out[-1] in _SETS:
                char = r"\-"  # after a class no range can begin: Java takes the hyphen as it is
            out.append(char)
            at += 1
            continue
        found = _ESCAPE.match(pattern, at)
        if found is None or found[2]:
            return None
        piece = _escape(found, in_class)
        if piece is None:
            return None
        unicode = unicode or found[1] in _UNICODE
        out.append(piece)
        at = found.end()
    return "".join(out), unicode


def _escape(found: re.Match[str], in_class: bool) -> str | None:
    name, _, code, end, blank, other = found.groups()
    if name is not None:
        wide = _PROPERTIES.get(name)
        if wide is None:
            return None
        return wide if in_class else f"[{wide}]"
    if code is not None:
        return f"\\U{int(code, 16):08x}"
    if end is not None:
        return r"\Z"
    if blank is not None:
        return r" \t" if in_class else r"[ \t]"
    if other.isalnum() or not other.isascii():
        return f"\\{other}"
    return f"\\{other}" if other not in "/\"'%@#=:,;<>!~`& " else other
