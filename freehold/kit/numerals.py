"""Whole numbers as clients write them."""

from __future__ import annotations

MAX_DIGITS = 15
"""Of a number that is a count, a position, a size or a time in milliseconds; all of them fit into a key of the store."""


def whole(text: str, digits: int = MAX_DIGITS) -> int | None:
    """The number that a text says in at most so many ASCII digits; None for any other text.

    `str.isdigit` holds for digits that `int` does not read ("²"), and `int` refuses thousands of them with an exception.
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None
