"""The pattern language, and the index of many rules against a naive evaluator."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.rules.patterns import Index, PatternError, eventbridge, parse

Field = tuple[str, Any, dict[int, int]]


def matches(pattern: dict[str, Any], event: dict[str, Any]) -> bool:
    index = Index()
    index.add("r", parse(pattern))
    return index.match(event) == {"r"}


@pytest.mark.parametrize(
    ("accepted", "yes", "no"),
    [
        (["a"], ["a", ["b", "a"]], ["A", 1, None, [], {"b": 1}]),
        ([1], [1, 1.0], [True, "1", 2]),
        ([True], [True], [1, "true", False]),
        ([None], [None], [0, "", False, "null"]),
        ([{"prefix": "ab"}], ["ab", "abc"], ["a", "Abc", 1]),
        ([{"prefix": {"equals-ignore-case": "AB"}}], ["abc", "aBc"], ["bab"]),
        ([{"suffix": ".png"}], [".png", "x.png"], ["x.PNG", "png"]),
        ([{"suffix": {"equals-ignore-case": ".Png"}}], ["x.pNG"], ["x.pn"]),
        ([{"equals-ignore-case": "Ab"}], ["aB", "AB"], ["abc"]),
        ([{"wildcard": "a*c*e"}], ["abcde", "ace", "aXcXe"], ["abde", "ace1", "ae"]),
        ([{"wildcard": "a\\*b"}], ["a*b"], ["axb"]),
        ([{"wildcard": "*"}], ["", "x"], [1, None]),
        ([{"anything-but": "a"}], ["b", 1, None, ["a", "b"]], ["a", ["a"], {"x": 1}, []]),
        ([{"anything-but": ["a", "b"]}], ["c"], ["a", "b"]),
        ([{"anything-but": [1, 2]}], [3, "1"], [1, 2.0]),
        ([{"anything-but": {"prefix": ["a", "b"]}}], ["c", 5], ["ax", "bx"]),
        ([{"anything-but": {"suffix": "z"}}], ["a"], ["az"]),
        ([{"anything-but": {"equals-ignore-case": ["A"]}}], ["b"], ["a", "A"]),
        ([{"anything-but": {"wildcard": "*/lib/*"}}], ["a/b"], ["a/lib/b"]),
        ([{"numeric": ["=", 3.0]}], [3, 3.0], ["3", 4]),
        ([{"numeric": [">", 0, "<=", 5]}], [1, 5], [0, 6, "1", True]),
        ([{"numeric": ["<", 0]}], [-1], [0]),
        ([{"exists": True}], [1, None, "x", ["a"]], [{"x": 1}, []]),
        ([{"exists": False}], [{"x": 1}, []], [1, None]),
        ([{"exists": False}, "a"], [{"x": 1}, "a"], ["b"]),
        ([{"cidr": "10.0.0.0/24"}], ["10.0.0.0", "10.0.0.255"], ["10.0.1.0", "x", 1, "::1"]),
        ([{"cidr": "2001:db8::/32"}], ["2001:db8::1"], ["2001:db9::1", "1.2.3.4"]),
        (["2001:db8::1"], ["2001:0db8:0:0:0:0:0:1"], ["2001:db8::2"]),
    ],
)
def test_a_condition(accepted: list[Any], yes: list[Any], no: list[Any]) -> None:
    for value in yes:
        assert matches({"f": accepted}, {"f": value}), value
    for value in no:
        assert not matches({"f": accepted}, {"f": value}), value


def test_paths_are_joined_and_or_is_one_of_its_objects() -> None:
    pattern = {"a": ["x"], "$or": [{"b": {"c": [1]}}, {"d": [2]}]}
    assert matches(pattern, {"a": "x", "b": {"c": 1}})
    assert matches(pattern, {"a": "x", "d": 2})
    assert not matches(pattern, {"a": "y", "d": 2})
    assert not matches(pattern, {"a": "x"})


def test_values_out_of_one_array_come_from_the_same_element() -> None:
    event = {"list": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]}
    assert matches({"list": {"x": [1], "y": [2]}}, event)
    assert not matches({"list": {"x": [1], "y": [4]}}, event)
    assert matches({"list": {"x": [1]}}, event)
    nested = {"l": [[{"x": 1}], [{"y": 2}]]}
    assert not matches({"l": {"x": [1], "y": [2]}}, nested)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("[]", "Filter is not an object"),
        ("{}", "Empty objects are not allowed"),
        ('{"a":{}}', "Empty objects are not allowed"),
        ('{"a":[]}', "Empty arrays are not allowed"),
        ('{"a":"x"}', '"a" must be an object or an array'),
        ('{"a":[["x"]]}', "Match value must be String, number, true, false, or null"),
        ('{"a":[{"near":1}]}', "Unrecognized match type near"),
        ('{"a":[{"prefix":1}]}', "prefix match pattern must be a string"),
        ('{"a":[{"exists":1}]}', "exists match pattern must be either true or false."),
        ('{"a":[{"prefix":"a","suffix":"b"}]}', "Only one key allowed in match expression"),
        ('{"a":[{"wildcard":"a**"}]}', "Consecutive wildcard characters at pos 2"),
        ('{"a":[{"numeric":[">",5,"<",1]}]}', "Bottom must be less than top"),
        ('{"$or":[{"a":[1]}]}', "There must have at least 2 Objects in $or relationship."),
        ('{"a":[{"cidr":"10.0.0.0/33"}]}', "IPv4 mask bits must be < 32"),
    ],
)
def test_event_bridge_says_why_a_pattern_is_not_valid(pattern: str, reason: str) -> None:
    with pytest.raises(PatternError) as caught:
        eventbridge.read(pattern)
    assert str(caught.value) == f"Event pattern is not valid. Reason: {reason}"


def test_patterns_are_bounded() -> None:
    for text in (
        '{"a":["%s"]}' % ("x" * 4096),
        '{"a":[{"wildcard":"*a*a*a*a*a*"}]}',
        '{"a":' * 101 + "[1]" + "}" * 101,
    ):
        with pytest.raises(PatternError):
            eventbridge.read(text)


def flat(value: Any, path: str, place: dict[int, int], arrays: Any) -> list[Field]:
    if isinstance(value, dict):
        return [f for k, v in value.items() for f in flat(v, f"{path}.{k}" if path else k, place, arrays)]
    if isinstance(value, list):
        array, found = next(arrays), []
        for i, v in enumerate(value):
            inner = {**place, array: i} if isinstance(v, (dict, list)) else place
            found += flat(v, path, inner, arrays)
        return found
    return [(path, value, place)]


def accepts(m: Any, value: Any) -> bool:
    if not isinstance(m, dict):
        return (
            type(m) is type(value) and m == value
            if isinstance(m, bool | None)
            else (not isinstance(value, bool) and m == value)
        )
    ((kind, data),) = m.items()
    if kind == "anything-but":
        return not any(accepts(x, value) for x in data)
    if kind == "exists":
        return bool(data)
    if kind == "numeric":
        return isinstance(value, int) and not isinstance(value, bool) and data[1] <= value < data[3]
    if not isinstance(value, str):
        return False
    if kind == "wildcard":
        head, tail = data.split("*")
        return len(value) >= len(head) + len(tail) and value.startswith(head) and value.endswith(tail)
    return {
        "prefix": value.startswith(data),
        "suffix": value.endswith(data),
        "equals-ignore-case": value.lower() == data.lower(),
    }[kind]


def naive(pattern: dict[str, Any], event: dict[str, Any]) -> bool:
    fields = flat(event, "", {}, itertools.count())
    wanted = dict(_paths(pattern, ""))

    def go(paths: list[str], chosen: dict[int, int]) -> bool:
        if not paths:
            return True
        here = [f for f in fields if f[0] == paths[0] and all(chosen.get(a, i) == i for a, i in f[2].items())]
        accepted = wanted[paths[0]]
        if {"exists": False} in accepted and not here and go(paths[1:], chosen):
            return True
        return any(
            any(m != {"exists": False} and accepts(m, value) for m in accepted) and go(paths[1:], {**chosen, **place})
            for _, value, place in here
        )

    return go(sorted(wanted), {})


def _paths(pattern: dict[str, Any], at: str) -> list[tuple[str, list[Any]]]:
    found: list[tuple[str, list[Any]]] = []
    for name, value in pattern.items():
        path = f"{at}.{name}" if at else name
        found += _paths(value, path) if isinstance(value, dict) else [(path, value)]
    return found


texts = st.text("abA", max_size=3)
scalars = texts | st.integers(-2, 3) | st.booleans() | st.none()
matchers = (
    scalars
    | st.fixed_dictionaries({"prefix": texts})
    | st.fixed_dictionaries({"suffix": texts})
    | st.fixed_dictionaries({"equals-ignore-case": texts})
    | st.fixed_dictionaries({"wildcard": st.tuples(texts, texts).map("*".join)})
    | st.fixed_dictionaries({"exists": st.booleans()})
    | st.fixed_dictionaries({"anything-but": st.lists(texts, min_size=1) | st.lists(st.integers(-2, 3), min_size=1)})
    | st.tuples(st.integers(-2, 2), st.integers(1, 3)).map(lambda t: {"numeric": [">=", t[0], "<", t[0] + t[1]]})
)
names = st.sampled_from("fgh")
patterns = st.dictionaries(
    names,
    st.recursive(
        st.lists(matchers, min_size=1, max_size=3),
        lambda inner: st.dictionaries(names, inner, min_size=1),
        max_leaves=4,
    ),
    min_size=1,
)
events = st.dictionaries(
    names,
    st.recursive(scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(names, v, max_size=3), max_leaves=8),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(patterns, min_size=1, max_size=40), st.lists(events, min_size=1, max_size=5), st.data())
def test_the_index_agrees_with_a_naive_evaluator(rules: list[Any], sent: list[Any], data: Any) -> None:
    index = Index()
    for number, pattern in enumerate(rules):
        index.add(str(number), parse(pattern))
    gone = data.draw(st.sets(st.integers(0, len(rules) - 1)))
    for number in gone:
        index.remove(str(number))
    for event in sent:
        expected = {str(n) for n, pattern in enumerate(rules) if n not in gone and naive(pattern, event)}
        assert index.match(event) == expected


def test_many_ranges_are_found_by_value() -> None:
    index = Index()
    for n in range(500):
        index.add(str(n), parse({"n": [{"numeric": [">=", n, "<", n + 2]}]}))
    for value in (0, 1, 250, 250.5, 500, 501, -1):
        assert index.match({"n": value}) == {str(n) for n in range(500) if n <= value < n + 2}
