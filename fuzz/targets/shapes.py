"""Values of shapes as botocore knows them, made from draws; and what two values have to have in common to be equal."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StringShape, StructureShape

from fuzz.draws import Draws

MAX_DEPTH = 5
PLAIN = (
    "a",
    "b c",
    "x-1",
    "é",
    "&<>\"'",
    "a/b",
    "a+b=c",
    "%41",
    "z" * 40,
    "$LATEST",
    "2026",
    "ü€",
    "a;b,c",
    "\U0001f600",
)
SAFE = ("a", "x-1", "AbC", "value", "z" * 40, "1")
"""Texts that any header and any label can carry."""
CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\ud800-\udfff\ufffe\uffff]")


@cache
def model(service: str) -> ServiceModel:
    """botocore's model of a service."""
    found: ServiceModel = botocore.session.get_session().get_service_model(service)
    return found


ELSEWHERE = {"WriteGetObjectResponse", "GetBucketNotification", "PutBucketNotification"}
"""Operations that AWS serves at hosts of their own; and two deprecated ones whose shapes give one name to two members:
nobody could tell from the XML which one was meant."""


@cache
def operations(service: str) -> tuple[OperationModel, ...]:
    """Operations without event streams, which are no single message."""
    names = [name for name in model(service).operation_names if name not in ELSEWHERE]
    found = (model(service).operation_model(name) for name in names)
    return tuple(op for op in found if not op.has_event_stream_input and not op.has_event_stream_output)


def value(draws: Draws, shape: Shape, depth: int = 0, *, odd: bool = False) -> Any:
    """A value of a shape. `odd`: texts may be anything."""
    if isinstance(shape, StructureShape):
        if getattr(shape, "is_document_type", False):
            return {"a": [1, "b", None, {"c": True}]}
        return structure(draws, shape, depth, odd=odd)
    if isinstance(shape, ListShape):
        return [
            value(draws, shape.member, depth + 1, odd=odd)
            for _ in range(draws.integer(0, 3) if depth < MAX_DEPTH else 0)
        ]
    if isinstance(shape, MapShape):
        keys = draws.many(2 if depth < MAX_DEPTH else 0, lambda: _text(draws, shape.key, odd=False))
        return {key: value(draws, shape.value, depth + 1, odd=odd) for key in keys}
    if isinstance(shape, StringShape):
        return _text(draws, shape, odd=odd)
    kind = shape.type_name
    if kind in ("integer", "long"):
        return draws.pick((0, 1, -1, 255, 2**31 - 1)) if kind == "integer" else draws.pick((0, -1, 2**53, 2**63 - 1))
    if kind in ("float", "double"):
        return draws.integer(-1_000, 1_000) / 4
    if kind == "boolean":
        return draws.chance(50)
    if kind == "timestamp":
        return draws.pick((0, 1_700_000_000, 1_767_225_600, 4_000_000_000))
    if kind == "blob":
        return draws.raw(20)
    return None


def structure(draws: Draws, shape: StructureShape, depth: int = 0, *, odd: bool = False) -> dict[str, Any]:
    """Required members and some others; those that travel in heads get texts that heads can carry."""
    made = {}
    for name, member in shape.members.items():
        place = member.serialization.get("location")
        required = name in shape.required_members or place == "uri"
        if not required and not (depth < MAX_DEPTH and draws.chance(40)):
            continue
        if member.serialization.get("jsonvalue") or member.serialization.get("eventpayload"):
            continue
        if place == "statusCode":
            made[name] = 200
        elif place in ("header", "headers", "uri"):
            made[name] = _carried(draws, member)
        else:
            made[name] = value(draws, member, depth + 1, odd=odd)
    if getattr(shape, "is_tagged_union", False):
        kept = draws.pick(sorted(made or shape.members))
        made = {kept: made[kept] if made else value(draws, shape.members[kept], depth + 1, odd=odd)}
    return made


def _carried(draws: Draws, shape: Shape) -> Any:
    if isinstance(shape, ListShape):
        return [_carried(draws, shape.member) for _ in range(draws.integer(1, 2))]
    if isinstance(shape, MapShape):
        return {draws.pick(("a", "b-c")): draws.pick(SAFE)}
    if isinstance(shape, StringShape):
        return draws.pick(shape.enum) if shape.enum else draws.pick(SAFE)
    return value(draws, shape, MAX_DEPTH)


def _text(draws: Draws, shape: Shape, *, odd: bool) -> str:
    if isinstance(shape, StringShape) and shape.enum:
        return str(draws.pick(shape.enum))
    return draws.text() if odd else str(draws.pick(PLAIN))


_EMPTY: tuple[Any, ...] = (None, {}, [], "", b"")


def plain(found: Any) -> Any:
    """A value without what protocols do not tell apart: absent and empty, seconds and datetimes, 1 and 1.0."""
    if isinstance(found, dict):
        items = {name: plain(inner) for name, inner in found.items() if name != "ResponseMetadata"}
        return {name: inner for name, inner in items.items() if inner not in _EMPTY}
    if isinstance(found, list | tuple):
        return [inner for inner in map(plain, found) if inner not in _EMPTY]
    if isinstance(found, datetime):
        return found.timestamp()
    if isinstance(found, bool | str):
        return found
    return float(found) if isinstance(found, int | float) and abs(found) < 2**53 else found


def texts(found: Any) -> list[str]:
    """Every text in a value."""
    if isinstance(found, dict):
        return [text for name, inner in found.items() for text in (name, *texts(inner))]
    if isinstance(found, list):
        return [text for inner in found for text in texts(inner)]
    return [found] if isinstance(found, str) else []
