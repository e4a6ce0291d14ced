"""Fields of an event: the values at the paths that patterns name, and in which elements of arrays each stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from freehold.rules.patterns.parsing import Path
from freehold.rules.patterns.values import leaf

Membership = tuple[tuple[int, int], ...]
"""(array, index) of every array of objects or arrays around a value, outermost first."""


class Trie:
    """The paths that patterns name, by their steps."""

    __slots__ = ("children", "path")

    def __init__(self) -> None:
        self.children: dict[str, Trie] = {}
        self.path: int | None = None


@dataclass(slots=True)
class Fields:
    """Values by path number; `places` beside them, once an array has elements that are not scalars."""

    values: dict[int, list[Any]] = field(default_factory=dict)
    places: dict[int, list[Membership]] = field(default_factory=dict)
    in_arrays: bool = False
    arrays: int = 0


class Paths:
    """Numbers of paths, and the walk over events that finds their values."""

    def __init__(self) -> None:
        self._root = Trie()
        self._count = 0

    def number(self, path: Path) -> int:
        """The number of a path, the same every time."""
        node = self._root
        for step in path:
            node = node.children.setdefault(step, Trie())
        if node.path is None:
            node.path = self._count
            self._count += 1
        return node.path

    def fields(self, event: Mapping[str, Any]) -> Fields:
        """What the named paths hold in an event. Only what patterns name is looked at."""
        found = Fields()
        _walk(event, self._root.children, (), found)
        return found


def _walk(document: Mapping[str, Any], children: dict[str, Trie], place: Membership, found: Fields) -> None:
    names = children if len(children) <= len(document) else document
    for name in names:
        if name not in children or name not in document:
            continue
        node, value = children[name], document[name]
        if type(value) is dict:
            if node.children:
                _walk(value, node.children, place, found)
        elif type(value) is list:
            _elements(value, node, place, found)
        elif node.path is not None:
            _add(found, node.path, leaf(value), place)


def _elements(array: list[Any], node: Trie, place: Membership, found: Fields) -> None:
    """Scalars of an array belong to the path itself; objects and arrays inside it have their place in it."""
    waiting = [(array, place)]
    while waiting:
        elements, outer = waiting.pop()
        number = found.arrays
        found.arrays += 1
        for index, element in enumerate(elements):
            if type(element) is dict:
                if node.children:
                    found.in_arrays = True
                    _walk(element, node.children, (*outer, (number, index)), found)
            elif type(element) is list:
                found.in_arrays = True
                waiting.append((element, (*outer, (number, index))))
            elif node.path is not None:
                _add(found, node.path, leaf(element), outer)


def _add(found: Fields, path: int, value: Any, place: Membership) -> None:
    if path in found.values:
        found.values[path].append(value)
        found.places[path].append(place)
    else:
        found.values[path] = [value]
        found.places[path] = [place]
