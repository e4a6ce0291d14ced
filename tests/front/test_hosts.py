"""Which front door a request knocks at."""

from __future__ import annotations

import pytest

from freehold.front.hosts import door, path_style
from freehold.kit.http import Request

NAMES = {"execute-api", "lambda-url"}


def request(host: str, path: str = "/a/b") -> Request:
    return Request("GET", path, headers={"host": host})


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        ("abc.execute-api.localhost:4566", "/prod/x", ("execute-api", "abc", "/prod/x", "", None)),
        # Ids may begin with a digit; an address is not an id.
        ("2c5.execute-api.localhost:4566", "/x", ("execute-api", "2c5", "/x", "", None)),
        ("abc.execute-api.eu-west-1.amazonaws.com", "/x", ("execute-api", "abc", "/x", "", "eu-west-1")),
        ("f1.lambda-url.us-east-1.localhost", "/", ("lambda-url", "f1", "/", "", "us-east-1")),
        ("127.0.0.1:4566", "/_apis/abc/prod/x", ("execute-api", "abc", "/prod/x", "/_apis/abc", None)),
        ("127.0.0.1:4566", "/_lambda-url/f1", ("lambda-url", "f1", "/", "/_lambda-url/f1", None)),
    ],
)
def test_an_application_host_or_path_is_a_door(host: str, path: str, expected: tuple[str | None, ...]) -> None:
    found = door(request(host, path), NAMES)
    assert found is not None
    assert (found.name, found.id, found.path, found.base_path, found.region) == expected


@pytest.mark.parametrize("host", ["127.0.0.1:4566", "localhost:4566", "[::1]:4566", "sqs.us-east-1.amazonaws.com", ""])
def test_an_aws_endpoint_is_no_door(host: str) -> None:
    assert door(request(host), NAMES) is None


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("bucket.s3.localhost:4566", "/bucket/a/b"),
        ("my.dotted.bucket.s3.us-east-1.amazonaws.com", "/my.dotted.bucket/a/b"),
        ("bucket.localhost:4566", "/bucket/a/b"),
        ("s3.localhost", None),
        ("localhost:4566", None),
        ("127.0.0.1:4566", None),
        ("s3.us-east-1.amazonaws.com", None),
    ],
)
def test_a_bucket_in_the_host_goes_into_the_path(host: str, expected: str | None) -> None:
    assert path_style(request(host)) == expected
