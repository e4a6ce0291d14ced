"""OpenAPI definitions as text, JSON or YAML, to plain values: bounded, whatever the text holds."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from datetime import date
from typing import Any, TypeVar

import orjson

from freehold.kit.ids import ALNUM_LOWER, Ids
from freehold.rules.nesting import TooDeep, bound_yaml

T = TypeVar("T")

MAX_TEXT = 6 << 20
"""Bytes of a definition ("Amazon API Gateway quotas": 6 MB for import), and characters with every YAML alias written out."""
BESIDE = 32 << 10
"""Size from which on a definition is worked on beside the event loop: YAML takes a millisecond for 2 KB."""
MAX_DEPTH = 200
MAX_VALUES = 500_000
"""Of values with every YAML alias written out: ten lines of aliases can stand for more than any memory holds."""

TOO_LARGE = "too large or too deeply nested"


class BadDefinition(ValueError):
    """The text is no definition."""


async def beside(size: int, work: Callable[[], T]) -> T:
    """What `work`, which is pure, makes of a definition of `size` bytes: beside the event loop where that takes long."""
    return await asyncio.to_thread(work) if size > BESIDE else work()


def id_maker(source: Ids, length: int) -> Callable[[], str]:
    """For ids as API Gateway's are, in any thread: a seeded server draws by the task that asks, and threads have none."""
    own = Ids(int(source.hex(32), 16))
    return lambda: own.letters(length, ALNUM_LOWER)


async def write(document: dict[str, Any], *, as_yaml: bool) -> bytes:
    """The text of a definition. YAML is written beside the event loop: a megabyte takes more than a second."""
    if not as_yaml:
        return orjson.dumps(document, option=orjson.OPT_INDENT_2)
    import yaml  # at first use: it is slow to import

    text: str = await asyncio.to_thread(yaml.safe_dump, document, sort_keys=False)
    return text.encode()


def read(text: str) -> dict[str, Any]:
    """The document. Names are strings, dates are text, aliases are written out. Raises BadDefinition."""
    if len(text) > MAX_TEXT or (len(text) > MAX_TEXT // 4 and len(text.encode("utf-8", "replace")) > MAX_TEXT):
        raise BadDefinition("larger than 6 MB")
    try:
        document = orjson.loads(text) if text.lstrip().startswith("{") else _yaml(text)
    except BadDefinition:
        raise
    except (orjson.JSONDecodeError, ValueError, RecursionError):
        raise BadDefinition("neither JSON nor YAML") from None
    if not isinstance(document, dict):
        raise BadDefinition("no object")
    found: dict[str, Any] = _plain(document, 0, [MAX_VALUES, MAX_TEXT])
    return found


def _yaml(text: str) -> Any:
    import yaml  # at first use: it is slow to import

    try:
        bound_yaml(text, MAX_DEPTH)
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except TooDeep:
        raise BadDefinition(TOO_LARGE) from None
    except (yaml.YAMLError, TypeError):  # TypeError: a list as a name
        raise BadDefinition("neither JSON nor YAML") from None


def _plain(value: Any, depth: int, left: list[int]) -> Any:
    left[0] -= 1
    if isinstance(value, str):
        left[1] -= len(value)
    if min(left) < 0 or depth > MAX_DEPTH:
        raise BadDefinition(TOO_LARGE)
    if isinstance(value, dict):
        left[1] -= sum(len(name) for name in value if isinstance(name, str))
        return {_name(name): _plain(inner, depth + 1, left) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, depth + 1, left) for inner in value]
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, str | bool) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, int) and value.bit_length() < 64:
        return value
    if isinstance(value, int | float):
        raise BadDefinition("a number that JSON has not")  # YAML's .inf and .nan, or hundreds of digits
    raise BadDefinition(f"a value of type {type(value).__name__}")


def _name(name: Any) -> str:
    """`200:` is "200", `on:` is "true"."""
    return str(name).lower() if isinstance(name, bool) else str(name)
