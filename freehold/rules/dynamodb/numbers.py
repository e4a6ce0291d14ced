"""DynamoDB's numbers: decimal, up to 38 significant digits, magnitude from 1E-130 to just below 1E+126.

A number is kept as its canonical text, plain notation without leading or trailing zeros ("1E+2" is "100", "1.50" is
"1.5", "-0" is "0"), so that equal numbers are equal strings. Source of the limits: developer guide, "Supported data
types"; messages as the service sends them.
"""

from __future__ import annotations

import re
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from functools import lru_cache

from freehold.kit.faults import Fault

MAX_DIGITS = 38
MAX_EXPONENT = 125
MIN_EXPONENT = -130

_LONGEST = 1_000
"""Characters of a number's spelling; AWS documents no bound, Freehold needs one."""
_PLAIN = re.compile(r"-?[1-9][0-9]{0,37}|0").fullmatch
_NUMERIC = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?", re.ASCII).fullmatch
_EXACT = Context(prec=400, Emax=MAX_EMAX, Emin=MIN_EMIN)


def canonical(text: str) -> str:
    """The canonical text of a number as a request spells it, or AWS's ValidationException."""
    if _PLAIN(text):
        return text
    if len(text) > _LONGEST:
        raise _no_number(text[:_LONGEST])
    return _canonical(text)


@lru_cache(4096)
def _canonical(text: str) -> str:
    if not _NUMERIC(text):
        raise _no_number(text)
    return from_decimal(Decimal(text))


def _no_number(text: str) -> Fault:
    said = f": {text}" if text.strip() else ""
    return Fault("ValidationException", f"The parameter cannot be converted to a numeric value{said}")


def from_decimal(value: Decimal) -> str:
    """The canonical text of a decimal, checked against DynamoDB's limits."""
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)).lstrip("0")
    if not text:
        return "0"
    significant = text.rstrip("0")
    exponent += len(text) - len(significant)
    magnitude = exponent + len(significant) - 1
    if magnitude > MAX_EXPONENT:
        raise Fault(
            "ValidationException",
            "Number overflow. Attempting to store a number with magnitude larger than supported range",
        )
    if magnitude < MIN_EXPONENT:
        raise Fault(
            "ValidationException",
            "Number underflow. Attempting to store a number with magnitude smaller than supported range",
        )
    if len(significant) > MAX_DIGITS:
        raise Fault("ValidationException", "Attempting to store more than 38 significant digits in a Number")
    if exponent >= 0:
        plain = significant + "0" * exponent
    elif magnitude >= 0:
        plain = significant[: magnitude + 1] + "." + significant[magnitude + 1 :]
    else:
        plain = "0." + "0" * (-magnitude - 1) + significant
    return "-" + plain if sign else plain


def add(left: str, right: str) -> str:
    """left + right, exactly; refused where the sum is not a DynamoDB number."""
    return from_decimal(_EXACT.add(Decimal(left), Decimal(right)))


def subtract(left: str, right: str) -> str:
    """left - right, exactly; refused where the difference is not a DynamoDB number."""
    return from_decimal(_EXACT.subtract(Decimal(left), Decimal(right)))


def size(text: str) -> int:
    """Bytes that a canonical number counts: one per two significant digits, one more, and one for a minus sign.

    Source: developer guide, "DynamoDB item sizes and formats" (there called approximate).
    """
    digits = len(text)
    negative = text[0] == "-"
    if negative:
        digits -= 1
    if "." in text or text[-1] == "0":
        digits = len(text.replace("-", "").replace(".", "").strip("0"))
    return (digits + 1) // 2 + 1 + negative


def encode(text: str) -> bytes:
    """Bytes which order as the numbers do, self-terminating, at most 22 long.

    Sign byte, exponent byte, then two digits per byte plus one, closed by zero; negative numbers are complemented.
    """
    value = Decimal(text)
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    if not value:
        return b"\x02"
    plain = "".join(map(str, digits)).lstrip("0")
    significant = plain.rstrip("0")
    magnitude = exponent + len(plain) - 1
    if len(significant) % 2:
        significant += "0"
    body = bytes(
        (
            magnitude - MIN_EXPONENT,
            *(int(significant[at : at + 2]) + 1 for at in range(0, len(significant), 2)),
            0,
        )
    )
    if not sign:
        return b"\x03" + body
    return b"\x01" + bytes(255 - byte for byte in body)
