"""Event patterns and filter policies: whatever the text, PatternError or a pattern, and then what a naive matcher says."""

from __future__ import annotations

import ipaddress
import itertools
import json
from typing import Any

import orjson

from freehold.rules.patterns import Index, Pattern, PatternError, eventbridge, parse, sns
from fuzz.draws import Draws
from fuzz.targets import Target, require

NAMES = ("a", "b", "c", "detail", "")
WORDS = (
    "exists",
    "prefix",
    "suffix",
    "anything-but",
    "equals-ignore-case",
    "wildcard",
    "numeric",
    "cidr",
    "$or",
    "exactly",
)


def _text(draws: Draws) -> str:
    return draws.text(8)


def _matcher(draws: Draws) -> Any:
    kind = draws.integer(0, 15)
    if kind < 4:
        return draws.scalar()
    if kind == 4:
        return {"exists": draws.chance(50)}
    if kind == 5:
        return {draws.pick(("prefix", "suffix")): _text(draws)}
    if kind == 6:
        return {draws.pick(("prefix", "suffix")): {"equals-ignore-case": _text(draws)}}
    if kind == 7:
        return {"equals-ignore-case": _text(draws)}
    if kind == 8:
        return {"wildcard": draws.pick(("*", "a*", "*a*", "a*b*", "*ab*a", _text(draws), "*" + _text(draws)))}
    if kind == 9:
        one, two = draws.number(), draws.number()
        return {
            "numeric": draws.pick(([">", one], ["<=", one], ["=", one], [">=", one, "<", two], [">", one, "<=", two]))
        }
    if kind == 10:
        return {
            "anything-but": draws.pick(
                (draws.scalar(), [_text(draws)], [draws.number()], [draws.scalar(), _text(draws)])
            )
        }
    if kind == 11:
        inner = draws.pick(("prefix", "suffix", "wildcard", "equals-ignore-case"))
        return {"anything-but": {inner: draws.pick((_text(draws), [_text(draws), _text(draws)]))}}
    if kind == 12:
        return {
            "cidr": draws.pick(("10.0.0.0/8", "10.0.0.1/31", "::/1", "fe80::/10", "0.0.0.0/0", _text(draws) + "/3"))
        }
    if kind == 13:
        return {"exactly": _text(draws)}
    if kind == 14:
        return {draws.pick(WORDS): draws.json(WORDS)}
    return draws.json(WORDS)


def _pattern(draws: Draws, depth: int = 0) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(draws.integer(1, 3)):
        name = draws.pick(NAMES)
        kind = draws.integer(0, 9)
        if kind < 6 or depth > 3:
            made[name] = [_matcher(draws) for _ in range(draws.integer(0 if kind == 0 else 1, 3))]
        elif kind < 8:
            made[name] = _pattern(draws, depth + 1)
        elif kind == 8:
            made["$or"] = [_pattern(draws, depth + 1) for _ in range(draws.integer(1, 3))]
        else:
            made[name] = draws.json(WORDS)
    return made


def _holds(matcher: Any, value: Any) -> bool:
    """Does one value of an event satisfy one element of a pattern's array? Spelt out from the documents."""
    is_text, is_number = isinstance(value, str), isinstance(value, int | float) and not isinstance(value, bool)
    if not isinstance(matcher, dict):
        if isinstance(matcher, str) and is_text and (one := _v6(matcher)) is not None:
            return bool(_v6(value) == one)
        return _same(matcher, value)
    ((name, inner),) = matcher.items()
    if name in ("prefix", "suffix") and isinstance(inner, dict):
        text, sought = (value.lower(), inner["equals-ignore-case"].lower()) if is_text else ("", "")
        return is_text and (text.startswith(sought) if name == "prefix" else text.endswith(sought))
    if name == "prefix":
        return is_text and value.startswith(inner)
    if name == "suffix":
        return is_text and value.endswith(inner)
    if name == "equals-ignore-case":
        return is_text and value.lower() == inner.lower()
    if name == "exactly":
        return is_text and value == inner
    if name == "wildcard":
        return is_text and _wild(inner, value)
    if name == "cidr":
        return is_text and _in_network(inner, value)
    if name == "numeric":
        return is_number and all(_compares(value, inner[at], inner[at + 1]) for at in range(0, len(inner), 2))
    if name == "anything-but":
        return not _excluded(inner, value)
    assert name == "exists"
    return inner is True


def _same(one: Any, two: Any) -> bool:
    kinds = [bool if isinstance(v, bool) else float if isinstance(v, int | float) else type(v) for v in (one, two)]
    return kinds[0] is kinds[1] and one == two


def _v6(text: Any) -> Any:
    if not isinstance(text, str) or ":" not in text or "%" in text:
        return None
    try:
        return ipaddress.IPv6Address(text)
    except ValueError:
        return None


def _excluded(inner: Any, value: Any) -> bool:
    if isinstance(inner, dict):
        ((name, listed),) = inner.items()
        each = listed if isinstance(listed, list) else [listed]
        return any(_holds({name: one}, value) for one in each)
    return any(_same(one, value) for one in (inner if isinstance(inner, list) else [inner]))


def _compares(value: Any, operator: str, bound: Any) -> bool:
    compared: dict[str, bool] = {
        "=": value == bound, "<": value < bound, "<=": value <= bound, ">": value > bound, ">=": value >= bound,
    }  # fmt: skip
    return compared[operator]


def _wild(pattern: str, value: str) -> bool:
    """By states: which places of the pattern may the text have reached?"""
    signs: list[str | None] = []
    at = 0
    while at < len(pattern):
        if pattern[at] == "\\":
            at += 1
            signs.append(pattern[at])
        else:
            signs.append(None if pattern[at] == "*" else pattern[at])
        at += 1
    places = {0}
    for character in (*value, ""):
        for place in sorted(places):
            while place < len(signs) and signs[place] is None:
                place += 1
                places.add(place)
        if not character:
            break
        places = {p + 1 for p in places if p < len(signs) and signs[p] == character} | {
            p for p in places if p < len(signs) and signs[p] is None
        }
    return len(signs) in places


def _in_network(network: str, value: str) -> bool:
    if "%" in value or not (":" in value or value.count(".") == 3):
        return False
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _flat(event: dict[str, Any]) -> dict[tuple[str, ...], list[Any]] | None:
    """The values by path of an event without arrays of objects or arrays; None where there are such."""
    found: dict[tuple[str, ...], list[Any]] = {}

    def walk(value: Any, path: tuple[str, ...]) -> bool:
        if isinstance(value, dict):
            return all(walk(inner, (*path, name)) for name, inner in value.items())
        if isinstance(value, list):
            if any(isinstance(inner, dict | list) for inner in value):
                return False
            found.setdefault(path, []).extend(value)
        else:
            found.setdefault(path, []).append(value)
        return True

    try:
        return {path: values for path, values in found.items() if values} if walk(event, ()) else None
    except RecursionError:  # what is that deep is left to the engine alone
        return None


def _alternatives(pattern: dict[str, Any], path: tuple[str, ...] = ()) -> list[dict[tuple[str, ...], list[Any]]]:
    parts = []
    for name, value in pattern.items():
        if name == "$or":
            parts.append([found for inner in value for found in _alternatives(inner, path)])
        elif isinstance(value, dict):
            parts.append(_alternatives(value, (*path, name)))
        else:
            parts.append([{(*path, name): value}])
    # A path that is named again inside $or takes the later condition's place, as the documents' objects do.
    return [{key: value for piece in choice for key, value in piece.items()} for choice in itertools.product(*parts)]


def _naive(pattern: dict[str, Any], values: dict[tuple[str, ...], list[Any]]) -> bool:
    def condition(path: tuple[str, ...], matchers: list[Any]) -> bool:
        found = values.get(path, [])
        if not found:
            return {"exists": False} in matchers
        return any(_holds(m, v) for m in matchers if m != {"exists": False} for v in found)

    return any(all(condition(path, m) for path, m in each.items()) for each in _alternatives(pattern))


def _matched(index: Index, event: dict[str, Any]) -> list[str]:
    return sorted(index.match(event))


def _check(documents: list[dict[str, Any]], compiled: list[Pattern], event: dict[str, Any], crowd: int) -> list[str]:
    index = Index()
    for copy in range(crowd):
        for number, pattern in enumerate(compiled):
            index.add(f"{number}.{copy}", pattern)
    for number in range(0, len(compiled), 2):
        index.remove(f"{number}.0")
        index.add(f"{number}.0", compiled[number])
    matched = _matched(index, event)
    for number, pattern in enumerate(compiled):
        alone = Index()
        alone.add("x", pattern)
        said = bool(alone.match(event))
        here = [name for name in matched if name.startswith(f"{number}.")]
        require(len(here) == (crowd if said else 0), "index and single rule differ", documents[number], event)
        values = _flat(event)
        if values is not None and len(pattern.alternatives) <= 50:
            naive = _naive(documents[number], values)
            require(naive == said, "naive", naive, "engine", said, documents[number], event)
    return matched


def _literals(document: Any) -> list[Any]:
    if isinstance(document, dict):
        return [found for inner in document.values() for found in _literals(inner)]
    if isinstance(document, list):
        return [found for inner in document for found in _literals(inner)]
    return [document]


def _event(draws: Draws, documents: list[dict[str, Any]], compiled: list[Pattern]) -> dict[str, Any]:
    """An event with what the patterns ask for in it, or almost: at their paths, their own literals and others."""
    made = draws.object(NAMES) if draws.chance(40) else {}
    literals = [found for document in documents for found in _literals(document)] or [None]
    paths = sorted({path for pattern in compiled for each in pattern.alternatives[:20] for path in each})

    def leaf() -> Any:
        found = draws.pick(literals) if draws.chance(70) else draws.scalar()
        if isinstance(found, str) and draws.chance(40):
            return draws.pick((found + "x", found[:-1], "x" + found, found.upper(), found.replace("*", "xy")))
        return found + draws.pick((1, -1, 0.5)) if type(found) in (int, float) and draws.chance(30) else found

    for path in paths[:6]:
        holder = made
        for step in path[:-1]:
            if not isinstance(holder.get(step), dict):
                holder[step] = {}
            holder = holder[step]
        if not draws.chance(15):
            holder[path[-1]] = leaf() if draws.chance(70) else draws.many(3, leaf)
    return made


def run_patterns(draws: Draws) -> Any:
    """Patterns of EventBridge, several in one index, held against an event."""
    if draws.chance(15):
        text = draws.rest_text()
        try:
            return sorted(map(str, eventbridge.read(text).alternatives))
        except PatternError as error:
            return str(error)
    documents, compiled = [], []
    errors = []
    for _ in range(draws.integer(1, 4)):
        document = _pattern(draws)
        text = draws.spliced(json.dumps(document))
        try:
            pattern = eventbridge.read(text)
            documents.append(orjson.loads(text))
            compiled.append(pattern)
        except PatternError as error:
            errors.append(str(error))
    event = _event(draws, documents, compiled)
    return errors, _check(documents, compiled, event, draws.pick((1, 1, 3, 12)))


def run_policies(draws: Draws) -> Any:
    """Filter policies of SNS, by attributes and by body."""
    scope = draws.pick((sns.ATTRIBUTES, sns.BODY))
    document = _pattern(draws, 4 if scope == sns.ATTRIBUTES else 0)
    text = draws.spliced(json.dumps(document)) if draws.chance(90) else draws.text(200)
    try:
        pattern = sns.read(text, scope)
    except PatternError as error:
        return str(error)
    require(pattern.alternatives == parse(orjson.loads(text)).alternatives, "read and parse differ")
    if scope == sns.ATTRIBUTES:
        kinds = ("String", "Number", "String.Array", "Binary", "Number.int", "String.x", "")
        attributes = {draws.pick(NAMES): (draws.pick(kinds), draws.text()) for _ in range(draws.integer(0, 3))}
        event: dict[str, Any] | None = sns.event_of_attributes(attributes)
    else:
        body = _event(draws, [orjson.loads(text)], [pattern])
        event = sns.event_of_body(json.dumps(body) if draws.chance(90) else draws.text())
    return None if event is None else _check([orjson.loads(text)], [pattern], event, 1)


TARGETS = (
    Target("patterns", run_patterns, dictionary=WORDS),
    Target("filter-policies", run_policies, dictionary=WORDS),
)
