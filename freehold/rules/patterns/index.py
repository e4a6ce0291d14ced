"""Index: the patterns of all rules of a bus (or all subscriptions of a topic) in one structure.

A tree of inverted indexes. A rule hangs below the most selective of its conditions: under the values (prefixes, suffixes,
words, presence) which that condition accepts. Where many rules share one value, their node divides them by another of
their conditions. An event walks down the branches that its values open and tests the few rules it finds there whole, so
the tree only has to find candidates: what it costs depends on the rules that nearly match, not on how many there are.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from freehold.rules.patterns.conditions import Conjunction, compile_conjunction
from freehold.rules.patterns.fields import Fields, Paths
from freehold.rules.patterns.parsing import Pattern
from freehold.rules.patterns.values import Matcher, Range, address, is_number

LEAF = 8
"""Rules that are tested one after the other before their node divides them."""
MAX_PLACES = 256
"""Branches of a tree that one alternative of a rule may hang on."""
PRESENCE_COST = 1_000
"""A condition that opens on any value counts as this many rules more."""

Key = tuple[str, Any]


class Index:
    """Rules by id. `match` gives the ids of the rules whose pattern an event matches."""

    def __init__(self) -> None:
        self._paths = Paths()
        self._rules: dict[str, Pattern] = {}
        self._root = _Node()
        self._dead = 0
        self._live: dict[str, int] = {}
        self._round = 0

    def __len__(self) -> int:
        return len(self._rules)

    def add(self, rule: str, pattern: Pattern) -> None:
        """Add a rule, or give it another pattern."""
        if rule in self._rules:
            self.remove(rule)
        self._rules[rule] = pattern
        self._insert(rule, pattern)

    def _insert(self, rule: str, pattern: Pattern) -> None:
        self._round += 1
        self._live[rule] = self._round
        for conditions in pattern.alternatives:
            compiled = compile_conjunction(rule, conditions, self._paths)
            self._root.insert(_Placed(compiled, self._round), frozenset(), 1)

    def remove(self, rule: str) -> None:
        """Take a rule out; unknown ids are fine. The tree is built anew when half of it is dead."""
        if self._rules.pop(rule, None) is None:
            return
        del self._live[rule]
        self._dead += 1
        if self._dead > len(self._rules) + LEAF:
            self._paths, self._root, self._dead = Paths(), _Node(), 0
            for name, pattern in self._rules.items():
                self._insert(name, pattern)

    def match(self, event: Mapping[str, Any]) -> set[str]:
        """The rules that an event (parsed JSON) matches."""
        fields = self._paths.fields(event)
        matched: set[str] = set()
        nodes = [self._root]
        while nodes:
            node = nodes.pop()
            for placed in node.rules:
                rule = placed.conjunction.rule
                if rule not in matched and self._live.get(rule) == placed.round and placed.conjunction.holds(fields):
                    matched.add(rule)
            if node.branches:
                node.open(fields, nodes)
        return matched


class _Placed:
    """An alternative in the tree. Its round tells the pattern that a rule has from one that it had."""

    __slots__ = ("conjunction", "keys", "round")

    def __init__(self, conjunction: Conjunction, round: int) -> None:
        self.conjunction, self.round = conjunction, round
        self.keys = {path: _keys(accepted) for path, accepted in conjunction.access.items()}


class _Node:
    """Rules that are tested here, and branches to those which some value picks out."""

    __slots__ = ("branches", "divided", "frequency", "rules")

    def __init__(self) -> None:
        self.rules: list[_Placed] = []
        self.branches: dict[int, _Branches] = {}
        self.frequency: Counter[tuple[int, Key]] = Counter()
        self.divided = False

    def insert(self, placed: _Placed, used: frozenset[int], places: int) -> None:
        if not self.divided:
            self.rules.append(placed)
            if len(self.rules) > LEAF:
                self._divide(used, places)
            return
        self._count(placed, used)
        self._place(placed, used, places)

    def _divide(self, used: frozenset[int], places: int) -> None:
        self.divided = True
        rules, self.rules = self.rules, []
        for placed in rules:
            self._count(placed, used)
        for placed in rules:
            self._place(placed, used, places)

    def _count(self, placed: _Placed, used: frozenset[int]) -> None:
        self.frequency.update((path, key) for path, keys in placed.keys.items() if path not in used for key in keys)

    def _place(self, placed: _Placed, used: frozenset[int], places: int) -> None:
        """Hang a rule below its rarest condition; one that has no condition left is tested here."""
        best: tuple[int, int, int] | None = None
        for path, keys in placed.keys.items():
            if path in used or places * len(keys) > MAX_PLACES:
                continue
            cost = sum(self.frequency[path, key] + (PRESENCE_COST if key[0] == "present" else 0) for key in keys)
            if best is None or (cost, len(keys), path) < best:
                best = (cost, len(keys), path)
        if best is None:
            self.rules.append(placed)
            return
        path = best[2]
        branches = self.branches.setdefault(path, _Branches())
        for key in placed.keys[path]:
            branches.below(key).insert(placed, used | {path}, places * best[1])

    def open(self, fields: Fields, nodes: list[_Node]) -> None:
        """Add the nodes that the values of an event lead to."""
        values, branches = fields.values, self.branches
        for path in branches if len(branches) <= len(values) else values:
            if path in values and path in branches:
                below = branches[path]
                if below.present is not None:
                    nodes.append(below.present)
                found = values[path]
                for value in found if len(found) == 1 else set(found):
                    below.open(value, nodes)


class _Branches:
    """The nodes below one path of a node, by what their rules accept there."""

    __slots__ = ("affixes", "exact", "lengths", "present", "spans")

    def __init__(self) -> None:
        self.exact: dict[Any, _Node] = {}
        self.affixes: dict[str, dict[str, _Node]] = {}
        self.lengths: dict[str, list[int]] = {}
        self.spans: dict[str, _Spans] = {}
        self.present: _Node | None = None

    def below(self, key: Key) -> _Node:
        """The node of a key, made where there is none."""
        kind, data = key
        if kind == "exact":
            return self.exact.setdefault(data, _Node())
        if kind == "present":
            self.present = self.present or _Node()
            return self.present
        if kind in ("range", "cidr"):
            return self.spans.setdefault(kind, _Spans()).below(data)
        lengths = self.lengths.setdefault(kind, [])
        if kind != "nocase" and len(data) not in lengths:
            insort(lengths, len(data))
        return self.affixes.setdefault(kind, {}).setdefault(data, _Node())

    def open(self, value: Any, nodes: list[_Node]) -> None:
        node = self.exact.get(value)
        if node is not None:
            nodes.append(node)
        if type(value) is not str:
            if "range" in self.spans and is_number(value):
                nodes.extend(self.spans["range"].at(value))
            return
        if self.affixes:
            self._open_affixes(value, nodes)
        if "cidr" in self.spans and (number := address(value)) is not None:
            nodes.extend(self.spans["cidr"].at(number))

    def _open_affixes(self, value: str, nodes: list[_Node]) -> None:
        lower = value.lower()
        for kind, by_text in self.affixes.items():
            text = lower if kind.startswith("nocase") else value
            if kind == "nocase":
                pieces: Iterator[str] = iter((text,))
            elif kind.endswith("prefix"):
                pieces = (text[:length] for length in self.lengths[kind] if length <= len(text))
            else:
                pieces = (text[len(text) - length :] for length in self.lengths[kind] if length <= len(text))
            nodes.extend(by_text[piece] for piece in pieces if piece in by_text)


class _Spans:
    """Nodes by ranges of numbers: a segment tree, built anew when more than a few ranges have come since."""

    RECENT = 32

    def __init__(self) -> None:
        self._nodes: dict[Range, _Node] = {}
        self._recent: list[Range] = []
        self._bounds: list[float] = []
        self._tree: list[list[_Node]] = []
        self._size = 1

    def below(self, span: Range) -> _Node:
        if span not in self._nodes:
            self._nodes[span] = _Node()
            self._recent.append(span)
        return self._nodes[span]

    def at(self, value: float) -> Iterator[_Node]:
        """The nodes of the ranges that hold `value`."""
        if len(self._recent) > self.RECENT:
            self._build()
        for span in self._recent:
            if span.holds(value):
                yield self._nodes[span]
        if self._tree:
            at = self._slot(value) + self._size
            while at:
                yield from self._tree[at]
                at >>= 1

    def _slot(self, value: float) -> int:
        """Odd slots are the bounds, even ones what lies between them."""
        at = bisect_left(self._bounds, value)
        return 2 * at + (at < len(self._bounds) and self._bounds[at] == value)

    def _build(self) -> None:
        spans = list(self._nodes)
        self._recent = []
        self._bounds = sorted({bound for span in spans for bound in (span.low, span.high) if bound is not None})
        slots = 2 * len(self._bounds) + 1
        self._size = 1 << slots.bit_length()
        self._tree = [[] for _ in range(2 * self._size)]
        for span in spans:
            low = 0 if span.low is None else self._slot(span.low) + span.open_low
            high = slots if span.high is None else self._slot(span.high) + (not span.open_high)
            left, right = low + self._size, high + self._size
            while left < right:
                if left & 1:
                    self._tree[left].append(self._nodes[span])
                    left += 1
                if right & 1:
                    right -= 1
                    self._tree[right].append(self._nodes[span])
                left, right = left >> 1, right >> 1


def _keys(accepted: tuple[Matcher, ...]) -> tuple[Key, ...]:
    """What to hang a condition under; a condition that no index can open hangs under the presence of its path."""
    keys: dict[Key, None] = {}
    for matcher in accepted:
        kind, data = matcher.kind, matcher.data
        if kind == "wildcard":
            if len(data) == 1:
                kind, data = "exact", data[0]
            else:
                kind, data = ("prefix", data[0]) if data[0] else ("suffix", data[-1])
        if kind in ("present", "not") or data == "":
            return (("present", None),)
        keys[kind, data] = None
    return tuple(keys)
