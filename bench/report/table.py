"""Tables whose lines know what they wanted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

TIMES = "\N{MULTIPLICATION SIGN}"
MOST_SAID = 160
"""Characters of what a server said that are shown."""


@dataclass(frozen=True)
class Line:
    """The cells of a line but the last, which says whether its target was met. `met` is None where it was not measured,
    or where there is no target (then `wanted` is empty). `found` and `wanted` are what the list of what falls short says."""

    cells: tuple[str, ...]
    found: str = ""
    wanted: str = ""
    met: bool | None = None

    @property
    def verdict(self) -> str:
        if not self.wanted:
            return ""
        return "not measured" if self.met is None else "yes" if self.met else "**no**"

    @property
    def short(self) -> str | None:
        """What falls short, in a sentence; None where nothing does."""
        return f"{self.cells[0]}: {self.found}, wanted {self.wanted}" if self.wanted and self.met is False else None


@dataclass(frozen=True)
class Table:
    """`columns` names the cells of every line, the last of which is the verdict where `judged`."""

    title: str
    columns: Sequence[str]
    lines: Sequence[Line]
    notes: Sequence[str] = field(default_factory=list)
    judged: bool = True

    def markdown(self) -> list[str]:
        """With its heading; nothing where there are no lines."""
        if not self.lines:
            return []
        columns = [*self.columns, "met"] if self.judged else list(self.columns)
        made = [f"## {self.title}", "", f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
        for line in self.lines:
            cells = [*line.cells, line.verdict] if self.judged else line.cells
            made.append(f"| {' | '.join(cells)} |")
        return [*made, *(["", *self.notes] if self.notes else []), ""]


def falls_short(tables: Iterable[Table]) -> list[str]:
    """Every line that missed its target."""
    return [f"- {table.title}: {line.short}" for table in tables for line in table.lines if line.short]


def milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} ms"


def rate(found: Mapping[str, Any]) -> str:
    """Requests a second, or why there are none."""
    return trouble(found) or f"{found['rps']:,.0f}"


def trouble(found: Mapping[str, Any]) -> str:
    """In two words why a figure does not count; empty where it does.

    A server that refuses, one that answers wrongly more often than once in a thousand, and one that did not deliver what
    it had acknowledged, have no figure.
    """
    if not found:
        return "not measured"
    if "unsupported" in found:
        return "not there"
    if found.get("errors", 0) * 1000 > answered(found):
        return "wrong answers"
    if "delivered" in found:
        came, want = map(int, found["delivered"].split("/"))
        if came < want:
            return "not delivered"
    return ""


def answered(found: Mapping[str, Any]) -> int:
    """How many answers a figure rests on."""
    return int(found.get("answers") or found.get("n") or 0)


def said(found: Mapping[str, Any]) -> str:
    """What stands behind `trouble`."""
    text = found.get("unsupported") or found.get("sample") or f"delivered {found.get('delivered')}"
    return str(text).replace("|", "/").replace("\n", " ")[:MOST_SAID]
