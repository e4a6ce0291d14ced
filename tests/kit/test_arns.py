"""ARNs."""

from __future__ import annotations

from freehold.kit import arns


def test_an_arn_has_six_parts_and_the_last_may_hold_colons() -> None:
    text = "arn:aws:lambda:us-east-1:123456789012:function:f:1"
    parsed = arns.parse(text)
    assert parsed is not None
    assert parsed.resource == "function:f:1"
    assert str(parsed) == text
    assert arns.parse("arn:aws") is None
    assert arns.parse("nothing") is None
    assert arns.make("s3", "", "", "b") == "arn:aws:s3:::b"
