"""Packed tuples sort as the tuples sort."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.kit.tuples import after, pack, span, unpack

parts = st.one_of(st.text(), st.binary(), st.integers(-(2**63), 2**63), st.none())
tuples = st.lists(parts, max_size=5).map(tuple)


@given(tuples)
def test_unpack_undoes_pack(value: tuple[object, ...]) -> None:
    assert unpack(pack(*value)) == value  # type: ignore[arg-type]


@given(st.lists(st.integers(-(2**63), 2**63), max_size=4), st.lists(st.integers(-(2**63), 2**63), max_size=4))
def test_integers_keep_their_order(a: list[int], b: list[int]) -> None:
    assert (pack(*a) < pack(*b)) == (a < b)


@given(st.text(), st.text())
def test_strings_keep_the_order_of_their_utf8(a: str, b: str) -> None:
    assert (pack(a) < pack(b)) == (a.encode("utf-8", "surrogatepass") < b.encode("utf-8", "surrogatepass"))


@given(st.binary(), st.binary(), st.binary())
def test_an_element_never_reaches_into_the_next(a: bytes, b: bytes, c: bytes) -> None:
    assert (pack(a, c) < pack(b, c)) == (a < b)


@given(tuples, parts)
def test_span_holds_what_is_below_and_nothing_else(prefix: tuple[object, ...], part: object) -> None:
    start, end = span(*prefix) if prefix else (b"", b"\xff")  # type: ignore[arg-type]
    assert start <= pack(*prefix, part) < end  # type: ignore[arg-type]


def test_a_span_leaves_out_texts_that_go_on_with_a_nul() -> None:
    """Found by ./dev fuzz: they are below another tuple, although their keys begin alike."""
    for part, longer in (("a", "a\x00b"), (b"", b"\x00")):
        start, end = span("x", part)
        assert not start <= pack("x", longer, 1) < end
        assert start <= pack("x", part, -(2**64) + 1) < pack("x", part, 2**64 - 1) < end


def test_after_is_the_first_key_without_the_prefix() -> None:
    assert after(b"a") == b"b"
    assert after(b"a\xff") == b"b"
    with pytest.raises(ValueError, match="every key"):
        after(b"\xff")


def test_what_cannot_be_ordered_is_refused() -> None:
    with pytest.raises(TypeError):
        pack(1.5)  # type: ignore[arg-type]
    with pytest.raises(OverflowError):
        pack(2**70)
