"""Numbers: canonical text, limits, arithmetic, size, and the order of their keys."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.kit.faults import Fault
from freehold.rules.dynamodb import numbers

digits = st.integers(min_value=-(10**38) + 1, max_value=10**38 - 1)


@st.composite
def stored(draw: st.DrawFn) -> Decimal:
    """Any number that DynamoDB holds."""
    coefficient = draw(digits)
    length = len(str(abs(coefficient)))
    exponent = draw(st.integers(min_value=-130, max_value=126 - length))
    sign = 1 if coefficient < 0 else 0
    return Decimal((sign, tuple(map(int, str(abs(coefficient)))), exponent))


@pytest.mark.parametrize(
    ("given_text", "canonical"),
    [
        ("12", "12"),
        ("-7", "-7"),
        ("0", "0"),
        ("-0", "0"),
        ("+5", "5"),
        ("1.50", "1.5"),
        ("007", "7"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1E+20", "100000000000000000000"),
        ("1e-3", "0.001"),
        ("-1.20e2", "-120"),
        ("100", "100"),
        ("0.0", "0"),
        ("1" + "0" * 45, "1" + "0" * 45),
        ("1E-130", "0." + "0" * 129 + "1"),
        ("9" * 38 + "E+88", "9" * 38 + "0" * 88),
    ],
)
def test_output_is_plain_without_needless_zeros(given_text: str, canonical: str) -> None:
    assert numbers.canonical(given_text) == canonical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The parameter cannot be converted to a numeric value"),
        (" 3", "The parameter cannot be converted to a numeric value:  3"),
        ("abc", "The parameter cannot be converted to a numeric value: abc"),
        ("1_0", "The parameter cannot be converted to a numeric value: 1_0"),
        ("NaN", "The parameter cannot be converted to a numeric value: NaN"),
        ("Infinity", "The parameter cannot be converted to a numeric value: Infinity"),
        ("1e9999999999", "The parameter cannot be converted to a numeric value: 1e9999999999"),
        ("٣", "The parameter cannot be converted to a numeric value: ٣"),
        ("1" * 39, "Attempting to store more than 38 significant digits in a Number"),
        ("1E126", "Number overflow. Attempting to store a number with magnitude larger than supported range"),
        ("-1E126", "Number overflow. Attempting to store a number with magnitude larger than supported range"),
        ("1E-131", "Number underflow. Attempting to store a number with magnitude smaller than supported range"),
        ("1e999999999", "Number overflow. Attempting to store a number with magnitude larger than supported range"),
    ],
)
def test_what_is_no_number_is_refused_in_awss_words(text: str, message: str) -> None:
    with pytest.raises(Fault) as caught:
        numbers.canonical(text)
    assert (caught.value.code, caught.value.message) == ("ValidationException", message)


@given(stored())
def test_canonical_text_keeps_the_value_and_is_a_fixed_point(value: Decimal) -> None:
    text = numbers.canonical(str(value))
    assert Decimal(text) == value
    assert numbers.canonical(text) == text


@given(stored(), stored())
def test_equal_numbers_have_equal_texts(left: Decimal, right: Decimal) -> None:
    assert (numbers.canonical(str(left)) == numbers.canonical(str(right))) is (left == right)


@given(stored(), stored())
def test_keys_order_as_the_numbers_do(left: Decimal, right: Decimal) -> None:
    one, two = (numbers.encode(numbers.canonical(str(value))) for value in (left, right))
    assert (one < two) is (left < right)
    assert (one == two) is (left == right)


@given(st.integers(-1000, 1000), st.integers(-1000, 1000))
def test_keys_of_near_numbers_order_too(left: int, right: int) -> None:
    one, two = (numbers.encode(numbers.canonical(str(Decimal(value) / 100))) for value in (left, right))
    assert (one < two) is (left < right)


@given(stored())
def test_keys_are_short_and_end_themselves(value: Decimal) -> None:
    key = numbers.encode(numbers.canonical(str(value)))
    assert len(key) <= 22


def test_sums_are_exact_up_to_38_digits() -> None:
    assert numbers.add("0.1", "0.2") == "0.3"
    assert numbers.subtract("1", "1") == "0"
    assert numbers.add("9" * 38, "1") == "1" + "0" * 38
    with pytest.raises(Fault, match="38 significant digits"):
        numbers.add("1" + "0" * 40, "1")
    with pytest.raises(Fault, match="Number overflow"):
        numbers.add("9" * 38 + "0" * 88, "1" + "0" * 88)


@pytest.mark.parametrize(
    ("text", "size"), [("0", 1), ("5", 2), ("12", 2), ("123", 3), ("-5", 3), ("1000", 2), ("0.01", 2)]
)
def test_size_is_a_byte_for_two_digits_and_one_more(text: str, size: int) -> None:
    assert numbers.size(text) == size
