"""Chance that repeats."""

from __future__ import annotations

import random


def chance(*seed: object) -> random.Random:
    """The same numbers for the same words, in every process."""
    return random.Random("/".join(map(str, seed)))
