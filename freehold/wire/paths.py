"""REST paths: a trie per service that finds the operations of a method and a raw path, and the labels on the way."""

from __future__ import annotations

from urllib.parse import unquote

from freehold.wire.models import Operation, Service


class Candidate:
    """One operation at a path, with what distinguishes it from others there.

    `static`: query parameters of the model's URI (`?uploads`, `?list-type=2`), None for any value. `query` and
    `headers`: required members that travel there (`uploadId`, `x-amz-copy-source`).
    """

    __slots__ = ("headers", "operation", "query", "static", "weight")

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.static: list[tuple[str, str | None]] = []
        for piece in operation.http_path.partition("?")[2].split("&"):
            if piece:
                key, equals, value = piece.partition("=")
                self.static.append((key, value if equals else None))
        self.query: list[str] = []
        self.headers: list[str] = []
        shape = operation.input
        for name in shape.required if shape is not None else ():
            member = shape.members[name] if shape is not None else None
            if member is not None and member.location == "querystring":
                self.query.append(member.wire_name or name)
            elif member is not None and member.location == "header":
                self.headers.append((member.wire_name or name).lower())
        self.weight = (len(self.static), len(self.query) + len(self.headers))

    def fits(self, query: dict[str, str], headers: dict[str, str]) -> bool:
        """Does a request say everything that this operation needs?"""
        return (
            self.says_static(query)
            and all(key in query for key in self.query)
            and all(name in headers for name in self.headers)
        )

    def says_static(self, query: dict[str, str]) -> bool:
        """Does the query string hold the parameters of the model's URI?"""
        for key, value in self.static:
            found = query.get(key)
            if found is None or (value is not None and found != value):
                return False
        return True


class Leaf:
    """The operations of one method at one path."""

    def __init__(self) -> None:
        self._raw: list[Operation] = []
        self._candidates: list[Candidate] | None = None
        self._bare: list[Candidate] = []

    def add(self, operation: Operation) -> None:
        """One more operation here."""
        self._raw.append(operation)

    def choose(self, query: dict[str, str], headers: dict[str, str]) -> Operation | None:
        """The most specific operation that fits, or None."""
        if self._candidates is None:
            self._compile()
        if not query:
            for candidate in self._bare:
                if not candidate.headers or candidate.fits(query, headers):
                    return candidate.operation
            return None
        for candidate in self._candidates or ():
            if candidate.fits(query, headers):
                return candidate.operation
        return None

    def _compile(self) -> None:
        made = [Candidate(operation) for operation in self._raw]
        if len(made) == 1:
            # Nothing to tell apart: what is missing is for validation to say.
            made[0].query, made[0].headers = [], []
        for candidate in made:
            if candidate.static and sum(other.static == candidate.static for other in made) == 1:
                # Nor here: `?attributes` says which operation it is, and without its header it is no GetObject.
                candidate.headers = []
        made.sort(key=lambda candidate: candidate.weight, reverse=True)
        self._candidates = made
        self._bare = [candidate for candidate in made if not candidate.static and not candidate.query]


class _Node:
    __slots__ = ("greedy", "label", "leaves", "literals")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.label: _Node | None = None
        self.greedy: _Node | None = None
        self.leaves: dict[str, tuple[Leaf, tuple[str, ...]]] = {}


class PathTrie:
    """All REST paths of a service."""

    def __init__(self, service: Service) -> None:
        self._root = _Node()
        for name in service.operations:
            if name not in service.patch.hidden:
                self._add(service.operations[name])

    def _add(self, operation: Operation) -> None:
        node, labels = self._root, []
        for segment in _segments(operation.http_path.partition("?")[0]):
            if not (segment.startswith("{") and segment.endswith("}")):
                node = node.literals.setdefault(segment, _Node())
            elif segment.endswith("+}"):
                labels.append(segment[1:-2])
                if node.greedy is None:
                    node.greedy = _Node()
                node = node.greedy
            else:
                labels.append(segment[1:-1])
                if node.label is None:
                    node.label = _Node()
                node = node.label
        leaf, _ = node.leaves.setdefault(operation.http_method, (Leaf(), tuple(labels)))
        leaf.add(operation)

    def find(self, method: str, path: str) -> tuple[Leaf, dict[str, str]] | None:
        """The leaf of a method and a raw path, and its labels, percent-decoded. UnicodeDecodeError if not UTF-8."""
        values: list[str] = []
        found = _walk(self._root, _segments(path), 0, method, values)
        if found is None:
            return None
        leaf, labels = found
        return leaf, {
            label: unquote(value, errors="strict") if "%" in value else value
            for label, value in zip(labels, values, strict=True)
        }

    def knows(self, method: str, path: str) -> bool:
        """Does anything answer this method and raw path?"""
        return _walk(self._root, _segments(path), 0, method, []) is not None


def _segments(path: str) -> list[str]:
    return path[1:].split("/") if path != "/" and path else []


def _walk(
    node: _Node, segments: list[str], at: int, method: str, values: list[str]
) -> tuple[Leaf, tuple[str, ...]] | None:
    if at == len(segments):
        return node.leaves.get(method)
    segment = segments[at]
    literal = node.literals.get(segment)
    if literal is not None:
        found = _walk(literal, segments, at + 1, method, values)
        if found is not None:
            return found
    if not segment and at == len(segments) - 1 and method in node.leaves:
        return node.leaves[method]  # `/bucket/` is the bucket
    depth = len(values)
    if node.label is not None and segment:
        values.append(segment)
        found = _walk(node.label, segments, at + 1, method, values)
        if found is not None:
            return found
        del values[depth:]
    if node.greedy is not None:
        return _walk_greedy(node.greedy, segments, at, method, values)
    return None


def _walk_greedy(
    node: _Node, segments: list[str], at: int, method: str, values: list[str]
) -> tuple[Leaf, tuple[str, ...]] | None:
    depth = len(values)
    if not node.literals:
        values.append("/".join(segments[at:]))
        return node.leaves.get(method) if values[-1] else None
    for end in range(len(segments), at, -1):
        values.append("/".join(segments[at:end]))
        found = _walk(node, segments, end, method, values)
        if found is not None:
            return found
        del values[depth:]
    return None
