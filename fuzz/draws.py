"""Draws: bytes of a fuzzer read as choices, so that a change of one byte changes one choice.

Where the bytes end every draw is its smallest: an input is never too short, and a shorter one is a simpler one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

WORDS = (
    "",
    "a",
    "b",
    "ab",
    "A",
    "x",
    "0",
    "1",
    "-1",
    "1.5",
    "true",
    "null",
    "é",
    "ß",
    "İ",
    "\u0130\u0307",
    "\U0001f600",
    "\x00",
    "\n",
    " ",
    "a.b",
    "a*",
    "*",
    "\\",
    "\\*",
    '"',
    "'",
    "<",
    "$",
    "$.a",
    "{",
    "[",
    "aa",
    "aaa",
    "ab" * 9,
    "10.0.0.1",
    "::1",
    "fe80::1%1",
    "2024-02-29T00:00:00Z",
    "1e3",
    "1E-130",
    "9" * 38,
    "..",
    "/",
    "%",
    "%41",
    "+",
    "&",
    "=",
    ",",
    ";",
    ":",
    "#",
    "?",
    "\t",
    "\r\n",
)
"""Texts on which readers differ: empty, of several scripts and cases, numbers, words and signs of other languages."""
NUMBERS = (
    0,
    1,
    -1,
    2,
    3,
    9,
    10,
    100,
    255,
    256,
    0.5,
    -0.0,
    1.5,
    1e15,
    1e300,
    -1e-300,
    2**31,
    2**53,
    2**53 + 1,
    2**63,
    -(2**63),
)
MAX_DEPTH = 5
DEPTHS = (30, 101, 254, 260, 600, 850)
"""Levels of nesting: JSON's readers and writers give up at different ones."""


MONSTERS = (
    "9" * 5_000,
    "[" * 300 + "]" * 300,
    '{"a":' * 260 + "1" + "}" * 260,
    "[" * 1_500,
    "a" * 3_000,
    "\\ud800",
    "²",
    "1e999",
)


def nested(value: Any, levels: int, name: str | None) -> Any:
    """The value inside so many arrays, or objects where a name is given."""
    for _ in range(levels):
        value = [value] if name is None else {name: value}
    return value


class Draws:
    """The choices of one input, in order."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def done(self) -> bool:
        """Have all bytes been read?"""
        return self._at >= len(self._data)

    def byte(self) -> int:
        at = self._at
        self._at = at + 1
        return self._data[at] if at < len(self._data) else 0

    def integer(self, low: int, high: int) -> int:
        """A number of the range, both ends included."""
        span, value = high - low, 0
        read = 0
        while span >> (8 * read):
            value = value << 8 | self.byte()
            read += 1
        return low + value % (span + 1)

    def chance(self, percent: int) -> bool:
        """True about as often as that; never at the end of the bytes."""
        return self.byte() >= 256 - percent * 256 // 100

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.integer(0, len(choices) - 1)]

    def many(self, most: int, make: Callable[[], T]) -> list[T]:
        """As many things as a draw says."""
        return [make() for _ in range(self.integer(0, most))]

    def raw(self, most: int) -> bytes:
        """Some of the bytes as they are."""
        size = min(self.integer(0, most), len(self._data) - self._at)
        at = self._at
        self._at = at + max(size, 0)
        return self._data[at : self._at]

    def rest(self) -> bytes:
        """All bytes that are left."""
        at, self._at = self._at, len(self._data)
        return self._data[at:]

    def rest_text(self) -> str:
        return self.rest().decode("utf-8", "replace")

    def text(self, most: int = 24) -> str:
        """A telling word, some characters, or two of these."""
        kind = self.byte()
        if kind < 140:
            return WORDS[kind % len(WORDS)]
        if kind < 210:
            return self.raw(most).decode("latin-1")
        if kind < 240:
            return self.raw(most).decode("utf-8", "replace")
        return self.text(most) + self.text(most)

    def number(self) -> Any:
        kind = self.byte()
        if kind < 128:
            return NUMBERS[kind % len(NUMBERS)]
        if kind < 192:
            return self.integer(-300, 300)
        return self.integer(-(1 << 24), 1 << 24) / 4

    def scalar(self) -> Any:
        """A scalar of JSON."""
        kind = self.byte() % 8
        if kind < 3:
            return self.text()
        return self.number() if kind < 5 else (None, True, False)[kind - 5]

    def json(self, names: Sequence[str] = ("a", "b", "c", "a.b", ""), depth: int = 0) -> Any:
        """A value of JSON whose objects have few names, so that paths find something."""
        first = self.byte()
        kind = first % 8
        if depth >= MAX_DEPTH or kind < 3:
            return self.scalar()
        if first > 252:
            return nested(self.scalar(), self.pick(DEPTHS), self.pick(names) if self.chance(50) else None)
        if kind < 5:
            return [self.json(names, depth + 1) for _ in range(self.integer(0, 3))]
        return self.object(names, depth)

    def object(self, names: Sequence[str] = ("a", "b", "c", "a.b", ""), depth: int = 0) -> dict[str, Any]:
        made = {}
        for _ in range(self.integer(0, 4)):
            name = self.pick(names) if not self.chance(10) else self.text()
            made[name] = self.json(names, depth + 1)
        return made

    def spliced(self, text: str) -> str:
        """The text, sometimes with one thing in it changed: damage that grammar alone does not make."""
        if not self.chance(25):
            return text
        at = self.integer(0, len(text))
        kind = self.byte() % 6
        if kind == 0:
            return text[:at]
        if kind > 3:
            return text[:at] + self.pick(MONSTERS) + text[at:]
        if kind == 1:
            return text[:at] + text[at + 1 :]
        if kind == 2:
            return text[:at] + self.text(4) + text[at:]
        return text[:at] + text[at : at + 8] * self.integer(2, 900) + text[at:]
