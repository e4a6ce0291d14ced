from __future__ import annotations

from typing import Any

import pytest

from freehold.rules.inputs import MISSING, InvalidInput, compile_path, is_path

EVENT: dict[str, Any] = {
    "detail": {"instance-id": "i-1", "list": [{"n": 1}, {"n": 2}, {}], "a b": None, "deep": {"x": {"y": [[7]]}}},
    "resources": ["r0", "r1"],
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", EVENT),
        ("$.resources", ["r0", "r1"]),
        ("$.resources[1]", "r1"),
        ("$.resources[2]", MISSING),
        ("$.detail.instance-id", "i-1"),
        ("$['detail']['a b']", None),
        ('$["detail"].deep.x.y[0][0]', 7),
        ("$.detail.list[*].n", [1, 2]),
        ("$.detail.list.n", MISSING),
        ("$.detail.nothing.more", MISSING),
        ("$.resources[*]", ["r0", "r1"]),
    ],
)
def test_a_path_finds_its_value(path: str, value: Any) -> None:
    assert compile_path(path)(EVENT) == value or (value is MISSING and compile_path(path)(EVENT) is MISSING)


@pytest.mark.parametrize(
    "path", ["detail", "", "$..x", "$.a[-1]", "$.a[0:2]", "$.a[?(@.b)]", "$.", "$.a b", "$" + ".a" * 101]
)
def test_other_syntax_of_json_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidInput):
        compile_path(path)


def test_a_path_is_told_from_a_plain_value() -> None:
    assert is_path("$") and is_path("$.a") and is_path("$['a']")
    assert not is_path("$5.00") and not is_path("a.b")
