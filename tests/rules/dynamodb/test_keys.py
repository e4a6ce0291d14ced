"""Keys as bytes: order, prefixes, segments."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from freehold.rules.dynamodb import keys

raw = st.one_of(st.binary(max_size=40), st.text(alphabet="\x00ab", max_size=20).map(str.encode))


@given(raw, raw)
def test_closed_keys_keep_the_order(left: bytes, right: bytes) -> None:
    assert (keys.closed(left) < keys.closed(right)) is (left < right)
    assert (keys.closed(left) == keys.closed(right)) is (left == right)


@given(raw, raw, st.binary(min_size=20, max_size=20), st.binary(min_size=20, max_size=20))
def test_what_follows_a_closed_key_does_not_disturb_its_order(one: bytes, two: bytes, a: bytes, b: bytes) -> None:
    if one != two:
        assert (keys.closed(one) + a < keys.closed(two) + b) is (one < two)


@given(raw, raw)
def test_a_closed_prefix_finds_exactly_what_begins_so(prefix: bytes, other: bytes) -> None:
    assert keys.closed(prefix + other).startswith(keys.closed_prefix(prefix))
    found = keys.closed(other) >= keys.closed(prefix) and keys.closed(other).startswith(keys.closed_prefix(prefix))
    assert found is other.startswith(prefix)


def test_a_closed_key_grows_by_an_eighth_whatever_it_holds() -> None:
    assert len(keys.closed(b"\x00" * 1024)) == 1024 + 128


@given(st.text(max_size=20), st.text(max_size=20))
def test_strings_order_by_their_utf8_bytes(left: str, right: str) -> None:
    one, two = keys.sort_bytes({"S": left}), keys.sort_bytes({"S": right})
    assert (one < two) is (left.encode() < right.encode())


def test_partition_keys_of_different_types_lie_apart() -> None:
    assert keys.spread({"S": "1"}) != keys.spread({"N": "1"}) != keys.spread({"B": b"1"})
    assert len(keys.spread({"S": "x" * 2048})) == keys.SPREAD


@given(st.integers(1, 1_000_000), st.binary(min_size=20, max_size=20))
def test_segments_cover_everything_once(total: int, place: bytes) -> None:
    at = int.from_bytes(place[:4], "big") * total >> 32
    found = []
    for index in {0, max(at - 1, 0), at, min(at + 1, total - 1), total - 1}:
        start, end = keys.segment(index, total)
        if place >= start and (end is None or place < end):
            found.append(index)
    assert len(found) == 1
    assert keys.segment(0, total)[0] == b"\x00\x00\x00\x00"
    assert keys.segment(total - 1, total)[1] is None
