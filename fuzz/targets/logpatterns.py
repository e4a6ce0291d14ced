"""Filter patterns of CloudWatch Logs: BadPattern or an answer, in bounded time, and for terms the obvious one."""

from __future__ import annotations

import json
from typing import Any

from freehold.rules.logpatterns import BadPattern, compile_pattern
from fuzz.draws import Draws
from fuzz.targets import Target, require

NAMES = ("a", "b", "c", "msg")
WORDS = (
    "{ $.a",
    "IS NULL",
    "NOT EXISTS",
    "&&",
    "||",
    "= *",
    "%",
    "[a, ..., b]",
    "!=",
    ">=",
    "?",
    "-",
    "$.a[*]",
    "$['a']",
)


def _condition(draws: Draws, select: Any, depth: int = 0) -> str:
    kind = draws.integer(0, 7)
    if kind < 2 and depth < 4:
        return f"({_condition(draws, select, depth + 1)})"
    if kind < 4 and depth < 4:
        return (
            f"{_condition(draws, select, depth + 1)} {draws.pick(('&&', '||'))} {_condition(draws, select, depth + 1)}"
        )
    if kind == 4:
        return f"{select()} {draws.pick(('IS NULL', 'IS TRUE', 'NOT EXISTS', 'is  false'))}"
    operand = draws.pick(
        (
            '"a*b"',
            "1",
            "-2.5e3",
            "*",
            '"*a*"',
            "%a.*b%",
            "%[a-z]+%",
            "a*" * 12 + "b",
            f'"{draws.text(12)}"',
            draws.text(8),
        )
    )
    return f"{select()} {draws.pick(('=', '!=', '<', '>', '<=', '>='))} {operand}"


def _term(draws: Draws) -> str:
    word = draws.pick(("ERROR", "a", "ab", "x_1", '"a b"', '"é"', "%a+b%", draws.text(6)))
    return draws.pick(("", "", "-", "?")) + word


def run(draws: Draws) -> Any:
    """A pattern on a message."""
    kind = draws.integer(0, 3)
    terms: list[str] = []
    if kind == 0:
        terms = [
            draws.pick(("", "-", "?")) + draws.pick(("ERROR", "a", "ab", "x1")) for _ in range(draws.integer(1, 4))
        ]
        pattern = " ".join(terms)
    elif kind == 1:
        select = lambda: draws.pick(("$.a", "$.b.c", "$.a[0]", "$.a[*]", "$['a b']", "$.msg", "$[0].a"))  # noqa: E731
        pattern = "{ " + _condition(draws, select) + " }"
    elif kind == 2:
        fields = draws.many(4, lambda: draws.pick(("a", "b", "...", "", _condition(draws, lambda: "c"))))
        pattern = "[" + ", ".join(fields) + "]"
    else:
        pattern = " ".join(draws.many(4, lambda: _term(draws)))
    written = pattern
    pattern = draws.spliced(pattern)
    message = json.dumps(draws.json(NAMES)) if draws.chance(50) else " ".join(draws.many(6, lambda: draws.text(10)))
    if draws.chance(10):
        message = draws.pick(("a", "ab", "a b ")) * draws.integer(1, 4_000)
    if draws.chance(10):
        message = json.dumps({"a": message, "msg": message})
    try:
        found = compile_pattern(pattern).match(message)
    except BadPattern as error:
        return str(error)
    if terms and pattern == written:
        require((found is not None) == _naive(terms, message), pattern, message, found)
    require(found is None or all(isinstance(v, str) for v in found.values()), found)
    return found


def _naive(terms: list[str], message: str) -> bool:
    required = [term for term in terms if term[0] not in "-?"]
    excluded = [term[1:] for term in terms if term[0] == "-"]
    optional = [term[1:] for term in terms if term[0] == "?"]
    if required or excluded:
        return all(term in message for term in required) and not any(term in message for term in excluded)
    return any(term in message for term in optional)


TARGETS = (Target("logpatterns", run, dictionary=WORDS, repeatable=False),)
"""Not repeatable: a regular expression that takes longer than 50 ms counts as no match, and time differs."""
