"""Malformed: input that does not spell what the model asks for, before any protocol has worded it."""

from __future__ import annotations


class Malformed(Exception):
    """Raised by readers of values; each protocol turns it into its own fault. The text is for the caller."""
