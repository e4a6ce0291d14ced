"""The fuzzer finds what it is for: engines are broken on purpose, and within some thousand inputs a target notices."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from freehold.front import connection
from freehold.kit import tuples
from freehold.rules.dynamodb import conditions, keys, numbers
from freehold.rules.patterns import values
from freehold.rules.schedules import cron
from freehold.wire import chunked
from fuzz import runner
from fuzz.draws import Draws
from fuzz.runner import Judge, TooSlow, beginnings
from fuzz.targets import Broken, Target, load_target
from fuzz.targets.catalog import COVERS

INPUTS = 3_000


def inputs(name: str, seed: int, count: int = INPUTS) -> Iterator[bytes]:
    """Random inputs of a target, the same for a seed."""
    target, seeded = load_target(name), random.Random(seed)
    yield from beginnings(target, seed)
    for _ in range(count):
        yield seeded.randbytes(seeded.choice((20, 60, 200, 500)))


def notices(name: str) -> bool:
    target = load_target(name)
    for data in inputs(name, 1):
        try:
            target.run(Draws(data))
        except Exception:  # noqa: BLE001 whatever it is, something is wrong
            return True
    return False


@pytest.mark.parametrize("name", [name for name in COVERS if name != "sam"])
def test_what_works_is_not_complained_of(name: str) -> None:
    target = load_target(name)
    for data in inputs(name, 2, 40):
        first = target.run(Draws(data))
        assert not target.repeatable or target.run(Draws(data)) == first


def _forgets_the_end(literals: Any) -> Callable[[Any], bool]:
    return lambda value: type(value) is str and value.startswith(literals[0])


def _bounds_closed(self: Any, value: Any) -> bool:
    return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


SABOTAGE: list[tuple[str, Any, str, Any]] = [
    ("patterns", values, "wildcard", _forgets_the_end),
    ("patterns", values.Range, "holds", _bounds_closed),
    ("conditions", conditions, "contains", lambda container, sought: False),
    ("numbers", numbers, "MIN_EXPONENT", -129),
    ("key-conditions", keys, "closed", lambda raw: bytes(raw)),
    ("tuples", tuples, "_pack_int", lambda out, value: out.extend(b"\x1c" + (value & 2**64 - 1).to_bytes(8, "big"))),
    ("chunked", chunked._Chain, "check", lambda self, data, signed: None),
    ("schedules", cron.Fields, "matches", lambda self, moment: moment.minute != 7),
    ("http", connection, "_REFUSAL", b"HTTP/1.1 400 Bad\n\r\n"),
]


@pytest.mark.parametrize(("name", "place", "what", "instead"), SABOTAGE, ids=[f"{s[0]}-{s[2]}" for s in SABOTAGE])
def test_a_broken_engine_is_noticed(
    monkeypatch: pytest.MonkeyPatch, name: str, place: Any, what: str, instead: Any
) -> None:
    monkeypatch.setattr(place, what, instead)
    assert notices(name)


# --- the judge


def judge(tmp_path: Path, run: Callable[[Draws], Any], **more: Any) -> Judge:
    signal.signal(signal.SIGVTALRM, runner._too_slow)
    return Judge(Target("t", run, **more), tmp_path)


def _raise(draws: Draws) -> Any:
    raise KeyError("x")


def _spin(draws: Draws) -> Any:
    try:
        while True:
            pass
    except Exception:  # noqa: BLE001 what an engine catches must not hide that it hangs
        return None


def _require(draws: Draws) -> Any:
    raise Broken("a property")


def _recurse(draws: Draws) -> Any:
    return _recurse(draws)


@pytest.mark.parametrize(
    ("run", "said"), [(_raise, "KeyError"), (_require, "Broken"), (_spin, "hang"), (_recurse, "RecursionError")]
)
def test_each_kind_of_trouble_is_kept_once_with_its_input(
    tmp_path: Path, run: Callable[[Draws], Any], said: str
) -> None:
    judged = judge(tmp_path, run, seconds=0.02)
    judged.one(b"abc")
    judged.one(b"abcd")
    assert [where.split()[0] for where in judged.findings] == [said]
    (path,) = tmp_path.glob("t-*.json")
    kept = json.loads(path.read_text())
    assert (kept["target"], kept["input"]) == ("t", "YWJj")


def test_outcomes_that_differ_and_inputs_that_are_slow_are_findings(tmp_path: Path) -> None:
    count = iter(range(1_000))
    judged = judge(tmp_path, lambda draws: next(count))
    for _ in range(20):
        judged.one(b"a")
    assert list(judged.findings) == ["differs"]

    def slow(draws: Draws) -> Any:
        return sum(range(4_000_000))

    judged = judge(tmp_path, slow, seconds=0.003)
    judged.one(b"a")
    assert set(judged.findings) & {"slow", "hang test_finding.py:0"} or any(
        w.startswith("hang") for w in judged.findings
    )


def test_too_slow_passes_whatever_an_engine_catches() -> None:
    assert not issubclass(TooSlow, Exception)


def test_draws_end_in_their_smallest_choices() -> None:
    draws = Draws(b"")
    assert (draws.byte(), draws.integer(3, 9), draws.pick("abc"), draws.chance(99), draws.raw(5)) == (
        0,
        3,
        "a",
        False,
        b"",
    )
    assert Draws(b"\x05").integer(0, 3) == 1
    assert Draws(b"\x01\x00\x05").integer(0, 100_000) == 65_541
