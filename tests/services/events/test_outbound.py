"""Where a target that is a method of an API leads to."""

from __future__ import annotations

import pytest

from freehold.services.events.outbound import _address, failure_of_status

API = "arn:aws:execute-api:us-east-1:111122223333:a1b2"


@pytest.mark.parametrize(
    ("path", "values", "called"),
    [
        ("/prod/POST/orders", [], ("POST", "/_apis/a1b2/prod/orders")),
        ("/prod/GET", [], ("GET", "/_apis/a1b2/prod/")),
        ("/$default/PUT/a/*/b/*", ["x/y", "ü"], ("PUT", "/_apis/a1b2/a/x%2Fy/b/%C3%BC")),
        ("/prod/*/a", [], ("POST", "/_apis/a1b2/prod/a")),
        ("/prod/POST/a b?c#d", [], ("POST", "/_apis/a1b2/prod/a%20b%3Fc%23d")),
        ("/prod/POST/*", [".."], None),
        ("/prod/POST/../../_freehold/clock", [], None),
        ("/../POST/a", [], None),
        ("/prod/STEAL/a", [], None),
        ("/prod", [], None),
    ],
)
def test_the_address_of_a_method(path: str, values: list[str], called: tuple[str, str] | None) -> None:
    assert _address(API + path, values) == called


@pytest.mark.parametrize(
    ("status", "code", "again"),
    [
        (200, None, None),
        (204, None, None),
        (301, "SDK_CLIENT_ERROR", False),
        (400, "SDK_CLIENT_ERROR", False),
        (401, "SDK_CLIENT_ERROR", True),
        (409, "SDK_CLIENT_ERROR", True),
        (429, "THROTTLING", True),
        (500, "ERROR_FROM_TARGET", True),
        (503, "ERROR_FROM_TARGET", True),
    ],
)
def test_what_the_answer_of_an_endpoint_means(status: int, code: str | None, again: bool | None) -> None:
    failure = failure_of_status(status, b"")
    assert (failure and failure.code, failure and failure.again) == (code, again)
