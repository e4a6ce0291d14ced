"""Document paths: `a`, `#n.b[3]`. A path is a tuple of names (str) and list positions (int)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from freehold.kit.faults import Fault
from freehold.rules.dynamodb.tokens import ALIAS, NAME, NUMBER, Tokens
from freehold.rules.dynamodb.values import MAX_DEPTH, Item, Value, invalid

Path = tuple[str | int, ...]


class Names:
    """ExpressionAttributeNames as one expression uses them; `used` gathers the aliases that were."""

    __slots__ = ("names", "used")

    def __init__(self, names: dict[str, str] | None) -> None:
        self.names = names or {}
        self.used: set[str] = set()


def parse(tokens: Tokens, names: Names) -> Path:
    """Take a document path."""
    parts: list[str | int] = [_element(tokens, names)]
    while True:
        if tokens.take("."):
            parts.append(_element(tokens, names))
        elif tokens.take("["):
            if tokens.token.kind != NUMBER:
                raise tokens.error()
            digits = tokens.next().text
            if len(digits) > 9:
                raise tokens.invalid(f"List index is not within the allowable range; index: [{digits}]")
            parts.append(int(digits))
            tokens.expect("]")
        else:
            break
    if len(parts) > MAX_DEPTH:
        raise tokens.invalid(f"The document path has too many nesting elements; nesting levels: {len(parts)}")
    return tuple(parts)


def _element(tokens: Tokens, names: Names) -> str:
    token = tokens.token
    if token.kind == NAME:
        return tokens.attribute()
    if token.kind != ALIAS:
        raise tokens.error()
    tokens.next()
    name = names.names.get(token.text)
    if name is None:
        raise tokens.invalid(
            f"An expression attribute name used in the document path is not defined; attribute name: {token.text}"
        )
    names.used.add(token.text)
    return name


def find(item: Item, path: Path) -> Value | None:
    """The value at a path of an item, None where there is none."""
    value: Any = item.get(path[0])  # type: ignore[arg-type]
    for part in path[1:]:
        if value is None:
            return None
        if type(part) is int:
            elements = value.get("L")
            value = elements[part] if elements is not None and part < len(elements) else None
        else:
            entries = value.get("M")
            value = entries.get(part) if entries is not None else None
    found: Value | None = value
    return found


def shown(path: Path) -> str:
    """A path as AWS writes it into messages: `[a, b, [0]]`."""
    return "[" + ", ".join(f"[{part}]" if type(part) is int else str(part) for part in path) + "]"


def check_disjoint(what: str, paths: Sequence[Path]) -> None:
    """Refuse paths of which one contains another, or which take one place for both a map and a list."""
    if len(paths) < 2:
        return
    if all(len(path) == 1 for path in paths) and len(set(paths)) == len(paths):
        return
    for later, two in enumerate(paths):
        for one in paths[:later]:
            trouble = _clash(one, two)
            if trouble:
                raise _disjoint_fault(what, trouble, one, two)


def _clash(one: Path, two: Path) -> str | None:
    for left, right in zip(one, two, strict=False):
        if left != right or type(left) is not type(right):
            return "conflict" if type(left) is not type(right) else None
    return "overlap"


def _disjoint_fault(what: str, trouble: str, one: Path, two: Path) -> Fault:
    return invalid(
        f"Invalid {what}: Two document paths {trouble} with each other; must remove or rewrite one of these paths; "
        f"path one: {shown(one)}, path two: {shown(two)}"
    )


class Projection:
    """Attributes to return: a tree of paths, applied to items."""

    __slots__ = ("attributes", "flat", "tree")

    def __init__(self, paths: Iterable[Path]) -> None:
        self.tree: dict[Any, Any] = {}
        for path in paths:
            node = self.tree
            for part in path[:-1]:
                node = node.setdefault(part, {})
            node[path[-1]] = None
        self.flat = all(child is None for child in self.tree.values())
        self.attributes = frozenset(self.tree)
        """Top-level attributes that the projection touches."""

    def apply(self, item: Item) -> Item:
        """The projected part of an item; list elements close up, in their order."""
        if self.flat:
            return {name: item[name] for name in self.tree if name in item}
        out: Item = {}
        for name, child in self.tree.items():
            value = item.get(name)
            if value is not None:
                value = value if child is None else _project(value, child)
                if value is not None:
                    out[name] = value
        return out


def _project(value: Value, tree: dict[Any, Any]) -> Value | None:
    entries = value.get("M")
    if entries is not None:
        kept = {}
        for name, child in tree.items():
            element = entries.get(name)
            if element is not None and child is not None:
                element = _project(element, child)
            if element is not None:
                kept[name] = element
        return {"M": kept} if kept else None
    elements = value.get("L")
    if elements is None:
        return None
    chosen = []
    for at in sorted(part for part in tree if type(part) is int):
        if at < len(elements):
            element = elements[at] if tree[at] is None else _project(elements[at], tree[at])
            if element is not None:
                chosen.append(element)
    return {"L": chosen} if chosen else None


def parse_projection(text: str, names: Names, what: str = "ProjectionExpression") -> list[Path]:
    """The paths of a ProjectionExpression."""
    tokens = Tokens(what, text)
    paths = [parse(tokens, names)]
    while tokens.take(","):
        paths.append(parse(tokens, names))
    if tokens.token.kind != "end":
        raise tokens.error()
    check_disjoint(what, paths)
    return paths
