"""Keys of the store, names of resources, URLs, routes: round trips and orders."""

from __future__ import annotations

import re
from typing import Any

from freehold.kit import arns
from freehold.kit.http import form_pairs
from freehold.kit.tuples import after, pack, span, unpack
from freehold.rules import s3urls
from freehold.rules.http_routes import BadRouteKey, Routes, split_key
from fuzz.draws import Draws
from fuzz.targets import Target, require

WORDS = (
    "arn:aws:",
    "http://",
    "s3://",
    ".localhost",
    ".s3.",
    "amazonaws.com",
    "versionId=",
    "GET /",
    "{proxy+}",
    "$default",
    "{a}",
    "%2F",
)


def _part(draws: Draws) -> Any:
    kind = draws.integer(0, 4)
    if kind == 0:
        return draws.raw(6)
    if kind == 1:
        return draws.pick((0, 1, -1, 255, 256, -255, -256, 2**63, -(2**63), 2**64 - 1, -(2**64) + 1)) + draws.integer(
            0, 0
        )
    if kind == 2:
        return draws.integer(-70_000, 70_000)
    return None if kind == 3 else draws.text(8)


def _rank(parts: tuple[Any, ...]) -> Any:
    """What orders as tuples are promised to: None before bytes before texts before numbers."""
    ranks: list[Any] = []
    for part in parts:
        if part is None:
            ranks.append((0,))
        elif isinstance(part, bytes):
            ranks.append((1, part))
        else:
            ranks.append((2, part.encode("utf-8", "surrogatepass")) if isinstance(part, str) else (3, part))
    return ranks


def run(draws: Draws) -> Any:
    """Tuples: there and back, in their order, prefixes with what follows them."""
    made = [tuple(draws.many(4, lambda: _part(draws))) for _ in range(4)]
    keys = [pack(*parts) for parts in made]
    for parts, key in zip(made, keys, strict=True):
        require(unpack(key) == parts, parts, key)
        if parts:
            start, end = span(*parts)
            require(
                all(
                    (start <= other < end) == (them[: len(parts)] == parts)
                    for them, other in zip(made, keys, strict=True)
                ),
                made,
            )
            require(start < pack(*parts, b"\xff") < end <= after(key), parts)
    for one, first in zip(made, keys, strict=True):
        for two, second in zip(made, keys, strict=True):
            require((first < second) == (_rank(one) < _rank(two)), one, two)
    return keys


URLS = (
    "arn:aws:sqs:us-east-1:1:q",
    "http://b.s3.us-west-2.amazonaws.com/k%20y?versionId=1",
    "s3://b/k",
    "http://127.0.0.1:4566/b/k",
    "http://[::1]:4566/b/k",
    "https://s3-eu-west-1.amazonaws.com/b/k",
    "http://b.localhost:99999/k",
    "a=1&b=%zz+&&=x",
)


def run_names(draws: Draws) -> Any:
    """ARNs, S3's URLs, forms."""
    text = draws.text(60) if draws.chance(30) else draws.spliced(draws.pick(URLS))
    arn = arns.parse(text)
    require(arn is None or str(arn) == text, text)
    found = s3urls.parse(text, (draws.text(20), "freehold.example:4566"))
    require(found is None or found.bucket, text, found)
    return arn, found, form_pairs(text)


SEGMENTS = ("a", "b", "{x}", "{y}", "{proxy+}", "")


def run_routes(draws: Draws) -> Any:
    """Routes of an HTTP API: the one that is found is one that matches, and none is better."""
    keys: list[str] = []
    for _ in range(draws.integer(1, 6)):
        path = "/" + "/".join(draws.many(3, lambda: draws.pick(SEGMENTS)))
        key = "$default" if draws.chance(10) else f"{draws.pick(('GET', 'POST', 'ANY'))} {path}"
        try:
            if key != "$default":
                split_key(key)
        except BadRouteKey:
            continue
        keys.append(key)
    keys = list(dict.fromkeys(keys))
    method, path = (
        draws.pick(("GET", "POST", "PUT")),
        "/" + "/".join(draws.many(4, lambda: draws.pick(("a", "b", "c", "", "%2F")))),
    )
    found = Routes((key, key) for key in keys).find(method, path)
    matching = [key for key in keys if key != "$default" and _fits(key, method, path)]
    if found is None:
        require(not matching and "$default" not in keys, keys, method, path)
        return None
    key, values = found
    require(key in matching or (key == "$default" and not matching), "found", key, "of", keys, method, path, values)
    full = [k for k in matching if "+}" not in k]
    require(not full or key in full, "a greedy route before a full match", key, keys, method, path)
    return found


def _fits(key: str, method: str, path: str) -> bool:
    wanted, _, template = key.partition(" ")
    if wanted not in ("ANY", method):
        return False
    if template == "/" or path == "/":
        return template == path
    pieces = []
    for segment in template.split("/")[1:]:
        pieces.append(".+|" if segment.endswith("+}") else "[^/]+" if segment.startswith("{") else re.escape(segment))
    pattern = "/" + "/".join(f"(?:{piece})" for piece in pieces)
    return re.fullmatch(pattern, path, re.DOTALL) is not None


TARGETS = (Target("tuples", run), Target("names", run_names, dictionary=WORDS), Target("routes", run_routes))
