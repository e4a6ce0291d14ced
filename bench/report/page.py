"""The whole page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.report.table import Table, falls_short

NOTES = Path(__file__).parents[1] / "NOTES.md"


def markdown(head: Sequence[str], tables: Sequence[Table], plot: str | None) -> str:
    """What was measured where, what falls short, the tables, and the notes, which are kept by hand."""
    short = falls_short(tables)
    made = ["# Results", "", *head, ""]
    if plot is not None:
        made += [f"![What the tables below say, as a picture]({plot})", ""]
    made += ["## What falls short", "", *(short or ["Nothing: every target that was measured was met."]), ""]
    made += [row for table in tables for row in table.markdown()]
    notes = NOTES.read_text().splitlines() if NOTES.exists() else []
    return "\n".join([*made, *notes]).rstrip() + "\n"


def text(tables: Sequence[Table]) -> str:
    """For the terminal."""
    return "\n".join(row for table in tables for row in table.markdown())
