"""One alternative of a pattern, compiled: does it hold for the fields of an event?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from freehold.rules.patterns.fields import Fields, Membership, Paths
from freehold.rules.patterns.parsing import Path
from freehold.rules.patterns.values import ABSENT, Matcher, Test, test_of


@dataclass(frozen=True, slots=True)
class Conjunction:
    """Conditions that must hold together, in the order of their paths: (path number, test, may the path be absent)."""

    rule: str
    conditions: tuple[tuple[int, Test, bool], ...]
    access: Mapping[int, tuple[Matcher, ...]]
    """By path that must be present: what it accepts."""

    def holds(self, fields: Fields) -> bool:
        """Does the event match? Values out of one array must come from the same element of it."""
        if fields.in_arrays:
            return self._consistent(fields)
        values = fields.values
        for path, test, absent in self.conditions:
            found = values.get(path)
            if found is None:
                if not absent:
                    return False
            elif len(found) == 1:
                if not test(found[0]):
                    return False
            elif not any(map(test, found)):
                return False
        return True

    def _consistent(self, fields: Fields) -> bool:
        """Follow every choice of elements that is still possible; choices that look alike from here on are one."""
        states: set[frozenset[tuple[int, int]]] = {frozenset()}
        for position, (path, test, absent) in enumerate(self.conditions):
            places = fields.places.get(path, [])
            good = {place for place, value in zip(places, fields.values.get(path, []), strict=True) if test(value)}
            anywhere, accepted = _Places(places), _Places(good)
            following: set[frozenset[tuple[int, int]]] = set()
            for state in states:
                chosen = dict(state)
                if absent and next(anywhere.agreeing(chosen), None) is None:
                    following.add(state)
                following.update(state.union(place) for place in accepted.agreeing(chosen))
            if not following:
                return False
            later = {
                array
                for path, _, _ in self.conditions[position + 1 :]
                for place in fields.places.get(path, [])
                for array, _ in place
            }
            states = {frozenset(pair for pair in state if pair[0] in later) for state in following}
        return True


class _Places:
    """Places by array and index, so that a choice finds those which agree with it without looking at the others."""

    __slots__ = ("here", "inside")

    def __init__(self, places: Iterable[Membership]) -> None:
        self.here: Membership | None = None
        self.inside: dict[int, dict[int, _Places]] = {}
        for place in places:
            node = self
            for array, index in place:
                elements = node.inside.setdefault(array, {})
                node = elements.get(index) or elements.setdefault(index, _Places(()))
            node.here = place

    def agreeing(self, chosen: dict[int, int]) -> Iterator[Membership]:
        """The places that take no other element of any array than `chosen` does."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            if node.here is not None:
                yield node.here
            for array, elements in node.inside.items():
                if array not in chosen:
                    waiting.extend(elements.values())
                elif chosen[array] in elements:
                    waiting.append(elements[chosen[array]])


def compile_conjunction(rule: str, conditions: Mapping[Path, tuple[Matcher, ...]], paths: Paths) -> Conjunction:
    """The compiled form of one alternative of the pattern of `rule`."""
    ordered = sorted(conditions.items(), key=lambda item: ".".join(item[0]))
    compiled = tuple((paths.number(path), test_of(accepted), ABSENT in accepted) for path, accepted in ordered)
    access = {paths.number(path): accepted for path, accepted in ordered if ABSENT not in accepted}
    return Conjunction(rule, compiled, access)
