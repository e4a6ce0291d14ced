"""Route selection of HTTP APIs, by the developer guide's rules."""

from __future__ import annotations

import pytest

from freehold.rules.http_routes import BadRouteKey, Routes, split_key

# The example of the developer guide ("Routing API requests").
GUIDE = Routes(
    (key, key) for key in ("GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default")
)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/pets/dog/1", "GET /pets/dog/1"),
        ("GET", "/pets/dog/2", "GET /pets/dog/{id}"),
        ("GET", "/pets/cat/1", "GET /pets/{proxy+}"),
        ("POST", "/test/5", "ANY /{proxy+}"),
        ("GET", "/", "$default"),
    ],
)
def test_the_most_specific_route_wins(method: str, path: str, expected: str) -> None:
    found = GUIDE.find(method, path)
    assert found is not None
    assert found[0] == expected


def test_parameters_are_named_by_their_own_route() -> None:
    routes = Routes([("GET /a/{x}/b", 1), ("GET /a/{y}", 2), ("ANY /a/{z}/c/{rest+}", 3)])
    assert routes.find("GET", "/a/1/b") == (1, {"x": "1"})
    assert routes.find("GET", "/a/1") == (2, {"y": "1"})
    assert routes.find("PUT", "/a/1/c/d/e") == (3, {"z": "1", "rest": "d/e"})


def test_a_named_method_comes_before_any() -> None:
    routes = Routes([("ANY /a", "any"), ("GET /a", "get")])
    assert routes.find("GET", "/a") == ("get", {})
    assert routes.find("POST", "/a") == ("any", {})


def test_without_a_route_there_is_none() -> None:
    routes = Routes([("GET /a", 1)])
    assert routes.find("POST", "/a") is None
    assert routes.find("GET", "/b") is None
    assert routes.find("GET", "/a/") is None


@pytest.mark.parametrize("key", ["GET", "/a", "FETCH /a", "GET a", "GET /{a", "GET /{a+}/b", "ANY /{p+}/a/{p+}"])
def test_other_keys_are_refused(key: str) -> None:
    with pytest.raises(BadRouteKey):
        split_key(key)
