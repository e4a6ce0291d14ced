from __future__ import annotations

import pytest

from freehold.kit.faults import Fault
from freehold.services.lambda_.names import FunctionName, parse_function, parse_layer

A, R = "111122223333", "us-east-1"


@pytest.mark.parametrize(
    ("text", "qualifier", "expected"),
    [
        ("f", None, FunctionName(A, R, "f")),
        ("f:live", None, FunctionName(A, R, "f", "live")),
        ("f", "3", FunctionName(A, R, "f", "3")),
        ("f:3", "3", FunctionName(A, R, "f", "3")),
        ("function:f", None, FunctionName(A, R, "f")),
        ("444455556666:function:f", None, FunctionName("444455556666", R, "f")),
        ("444455556666:live", None, FunctionName(A, R, "444455556666", "live")),
        (
            "arn:aws:lambda:us-east-1:444455556666:function:f:$LATEST",
            None,
            FunctionName("444455556666", R, "f", "$LATEST"),
        ),
    ],
)
def test_every_way_to_address_a_function(text: str, qualifier: str | None, expected: FunctionName) -> None:
    assert parse_function(text, qualifier, A, R) == expected


@pytest.mark.parametrize("text", ["", "a b", "f:x:y", "arn:aws:lambda:us-east-1:1:function:f", "arn:aws:s3:::b"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Fault):
        parse_function(text, None, A, R)


def test_layers_by_name_and_arn() -> None:
    assert parse_layer("lib", A, R).version_arn == f"arn:aws:lambda:{R}:{A}:layer:lib:0"
    assert parse_layer(f"arn:aws:lambda:{R}:{A}:layer:lib:7", "x", "y").version == 7
    with pytest.raises(Fault):
        parse_layer("arn:aws:lambda:x", A, R)
