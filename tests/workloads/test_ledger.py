"""What a ledger holds for possible, and what it calls wrong."""

from __future__ import annotations

import itertools

import pytest

from workloads import Gone, Ledger


def attempt(ledger: Ledger, name: str, value: object, problem: type[Exception]) -> None:
    with pytest.raises(problem), ledger.write(name, value):
        raise problem


def test_what_was_acknowledged_has_to_be_there() -> None:
    ledger = Ledger()
    with ledger.write("a", 1):
        pass
    assert ledger.compare({}) == ["a is not there, but was acknowledged as 1"]
    assert ledger.compare({}, late=True) == []
    assert ledger.compare({"a": 2}) == ["a is 2, but can only be 1"]
    assert ledger.compare({"a": 1}) == []


def test_what_was_removed_may_not_come_again() -> None:
    ledger = Ledger()
    with ledger.write("a", 1):
        pass
    with ledger.write("a", None):
        pass
    assert ledger.compare({"a": 1}) == ["a is 1, but can only be absent"]


def test_an_attempt_without_an_answer_may_have_happened() -> None:
    ledger = Ledger()
    with ledger.write("a", 1):
        pass
    attempt(ledger, "a", 2, Gone)
    assert ledger.possible("a") == [1, 2]
    assert ledger.unknown == 1


def test_what_was_seen_once_stays() -> None:
    ledger = Ledger()
    with ledger.write("a", 1):
        pass
    attempt(ledger, "a", 2, Gone)
    assert ledger.compare({"a": 2}) == []
    assert ledger.compare({"a": 1}) == ["a is 1, but can only be 2"]


def test_an_attempt_that_did_not_happen_does_not_happen_later() -> None:
    ledger = Ledger()
    attempt(ledger, "a", 1, Gone)
    assert ledger.compare({}) == []
    assert ledger.compare({"a": 1}) == ["a is 1, but can only be absent"]


def test_a_delivery_without_an_answer_may_come_later() -> None:
    ledger = Ledger()
    attempt(ledger, "a", 1, Gone)
    assert ledger.compare({}, late=True) == []
    assert ledger.compare({"a": 1}) == []


def test_what_was_refused_did_not_happen() -> None:
    ledger = Ledger()
    attempt(ledger, "a", 1, ValueError)
    assert ledger.compare({"a": 1}) == ["a is 1, but can only be absent"]


def test_only_names_of_a_kind_are_compared() -> None:
    ledger = Ledger()
    with ledger.write_many({"topic 1": 1, "event 1": 1}):
        pass
    assert ledger.compare({"topic 1": 1}, "topic ") == []
    assert ledger.present("event ") == ["event 1"]


def test_what_is_moving_says_nothing_yet() -> None:
    """A deletion that was not answered and is under way after a crash was taken for a stack that stays."""
    ledger = Ledger()
    with ledger.write("a", 1):
        pass
    attempt(ledger, "a", None, Gone)
    assert ledger.compare({}, moving=["a"]) == []
    assert ledger.possible("a") == [1, None]
    assert ledger.compare({}) == []


def test_what_is_hidden_may_show_later() -> None:
    """A message whose deletion was not answered was in flight, and so the others of its group were taken for not sent."""
    ledger = Ledger()
    attempt(ledger, "a", 1, Gone)
    assert ledger.compare({}, hidden=True) == []
    assert ledger.compare({"a": 1}, hidden=True) == []
    assert ledger.compare({}, hidden=True) == ["a is not there, but was acknowledged as 1"]


def test_at_a_moment_later_answers_are_unknown_and_later_attempts_are_not() -> None:
    clock = itertools.count()
    ledger = Ledger(lambda: next(clock))
    with ledger.write("a", 1):  # 0 to 1
        pass
    with ledger.write("a", 2):  # 2 to 3
        pass
    with ledger.write("a", None):  # 4 to 5
        pass
    assert [ledger.as_of(moment).possible("a") for moment in range(6)] == [
        [None, 1],
        [1],
        [1, 2],
        [2],
        [2, None],
        [None],
    ]
    assert not ledger.as_of(0).began("b")
