"""Units: what a target is given, and which events of the source each stands for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from freehold.services.pipes.sources import Item


@dataclass(frozen=True, slots=True)
class Unit:
    """One value for the target: an event of the source, or what the enrichment made. It failed if any of `items` must
    come again for it."""

    value: Any
    items: tuple[Item, ...]

    @property
    def group(self) -> str | None:
        return self.items[0].group

    @property
    def trace(self) -> str | None:
        return self.items[0].trace


@dataclass(slots=True)
class Failures:
    """The items of a batch that must come again, and the first reason."""

    ids: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    reason: str | None = None

    def add(self, items: tuple[Item, ...], reason: str) -> None:
        self.reason = self.reason or reason
        for item in items:
            self.ids.add(item.id)
            if item.group is not None:
                self.groups.add(item.group)

    def held_back(self, unit: Unit) -> bool:
        """Must a unit wait, because one before it in its group failed? Then it comes again too."""
        if unit.group is None or unit.group not in self.groups:
            return False
        self.add(unit.items, "an earlier message of the group failed")
        return True
