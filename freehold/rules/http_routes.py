"""Which route of an HTTP API a request means, as API Gateway documents it.

The most specific route wins: a full match, then a greedy path (`{proxy+}`), then `$default`; a literal segment before a
variable one, a named method before ANY. https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
DEFAULT = "$default"
ANY = "ANY"
METHODS = frozenset({"ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_VARIABLE = re.compile(r"\{([^{}/+]+)(\+?)\}\Z")


class BadRouteKey(ValueError):
    """The route key is not `$default` or `METHOD /path`."""


@dataclass(slots=True)
class _Node(Generic[T]):
    """One segment of a path: what may follow, and what ends here by method."""

    literals: dict[str, _Node[T]] = field(default_factory=dict)
    variable: _Node[T] | None = None
    here: dict[str, tuple[T, tuple[str, ...]]] = field(default_factory=dict)
    greedy: dict[str, tuple[T, tuple[str, ...]]] = field(default_factory=dict)


def split_key(route_key: str) -> tuple[str, str]:
    """`GET /a/{b}` -> ("GET", "/a/{b}"). Raises BadRouteKey."""
    method, space, path = route_key.partition(" ")
    if not space or method not in METHODS or not path.startswith("/"):
        raise BadRouteKey(route_key)
    segments = path.split("/")[1:]
    for segment in segments:
        if ("{" in segment or "}" in segment) and not _VARIABLE.match(segment):
            raise BadRouteKey(route_key)
    if any(segment.endswith("+}") for segment in segments[:-1]):
        raise BadRouteKey(route_key)
    return method, path


class Routes(Generic[T]):
    """The routes of an API, compiled into one tree."""

    def __init__(self, routes: Iterable[tuple[str, T]]) -> None:
        self._root: _Node[T] = _Node()
        self._default: T | None = None
        for key, target in routes:
            if key == DEFAULT:
                self._default = target
            else:
                self._add(*split_key(key), target)

    def _add(self, method: str, path: str, target: T) -> None:
        node, names = self._root, []
        for segment in _segments(path):
            variable = _VARIABLE.match(segment)
            if variable is None:
                node = node.literals.setdefault(segment, _Node())
                continue
            names.append(variable[1])
            if variable[2]:
                node.greedy[method] = (target, tuple(names))
                return
            if node.variable is None:
                node.variable = _Node()
            node = node.variable
        node.here[method] = (target, tuple(names))

    def find(self, method: str, path: str) -> tuple[T, dict[str, str]] | None:
        """The route's target and its path parameters (not percent-decoded), or None."""
        segments = _segments(path)
        found = self._full(self._root, segments, 0, [], method) or self._greedy(self._root, segments, 0, [], method)
        if found is not None:
            (target, names), values = found
            return target, dict(zip(names, values, strict=True))
        return (self._default, {}) if self._default is not None else None

    def _full(
        self, node: _Node[T], segments: list[str], at: int, values: list[str], method: str
    ) -> tuple[tuple[T, tuple[str, ...]], list[str]] | None:
        if at == len(segments):
            end = node.here.get(method) or node.here.get(ANY)
            return (end, values) if end else None
        segment = segments[at]
        below = node.literals.get(segment)
        if below is not None and (found := self._full(below, segments, at + 1, values, method)):
            return found
        if node.variable is not None and segment:
            return self._full(node.variable, segments, at + 1, [*values, segment], method)
        return None

    def _greedy(
        self, node: _Node[T], segments: list[str], at: int, values: list[str], method: str
    ) -> tuple[tuple[T, tuple[str, ...]], list[str]] | None:
        """The deepest greedy route: what is below is asked first."""
        if at < len(segments):
            below = node.literals.get(segments[at])
            if below is not None and (found := self._greedy(below, segments, at + 1, values, method)):
                return found
            if node.variable is not None and segments[at]:
                deeper = self._greedy(node.variable, segments, at + 1, [*values, segments[at]], method)
                if deeper:
                    return deeper
            end = node.greedy.get(method) or node.greedy.get(ANY)
            if end is not None:
                return end, [*values, "/".join(segments[at:])]
        return None


def _segments(path: str) -> list[str]:
    """`/` has no segments; a trailing slash makes an empty last one, which only a greedy route matches."""
    return path.split("/")[1:] if path != "/" else []
