"""Patterns of terms, for lines without structure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from freehold.rules.logpatterns.operands import MAX_REGEXES, BadPattern, search


class Pattern(Protocol):
    """A compiled filter pattern."""

    def match(self, message: str) -> dict[str, str] | None:
        """The values that the pattern extracts from a message that matches, or None where it does not match."""
        ...


class Everything:
    """The empty pattern: every message matches."""

    def match(self, message: str) -> dict[str, str] | None:
        return {}


Find = Callable[[str], bool]


class Terms:
    """All of `required`, none of `excluded`; without either, any of `optional`.

    AWS ignores optional terms that stand beside others.
    """

    def __init__(self, required: list[Find], excluded: list[Find], optional: list[Find]) -> None:
        self._required, self._excluded = required, excluded
        self._optional = [] if required or excluded else optional

    def match(self, message: str) -> dict[str, str] | None:
        for find in self._required:
            if not find(message):
                return None
        for find in self._excluded:
            if find(message):
                return None
        if self._optional and not any(find(message) for find in self._optional):
            return None
        return {}


def compile_terms(text: str) -> Pattern:
    """Compile `required -excluded ?optional "a phrase" %regex%`. Raises BadPattern."""
    groups: dict[str, list[Find]] = {"": [], "-": [], "?": []}
    at, expressions = 0, 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        sign = text[at] if text[at] in "-?" and at + 1 < len(text) and not text[at + 1].isspace() else ""
        at += len(sign)
        if text[at] == '"':
            phrase, at = quoted(text, at)
            groups[sign].append(_contains(phrase))
        elif text[at] == "%" and (end := text.find("%", at + 1)) > 0:
            groups[sign].append(search(text[at + 1 : end]))
            expressions += 1
            at = end + 1
        else:
            start = at
            while at < len(text) and not text[at].isspace():
                at += 1
            groups[sign].append(_contains(_word(text[start:at])))
    if expressions > MAX_REGEXES:
        raise BadPattern("a filter pattern has at most two regular expressions")
    return Terms(groups[""], groups["-"], groups["?"])


def _word(word: str) -> str:
    if not all(character.isalnum() or character in "_" for character in word):
        raise BadPattern(f"{word!r} has characters that must stand in double quotes")
    return word


def _contains(term: str) -> Find:
    return lambda message: term in message


def quoted(text: str, at: int) -> tuple[str, int]:
    """The string that begins with the double quote at `at`, and where it ends. Backslash escapes quote and backslash."""
    found: list[str] = []
    index = at + 1
    while index < len(text):
        character = text[index]
        if character == "\\" and index + 1 < len(text) and text[index + 1] in '"\\':
            found.append(text[index + 1])
            index += 2
            continue
        if character == '"':
            return "".join(found), index + 1
        found.append(character)
        index += 1
    raise BadPattern("a double quote is not closed")
