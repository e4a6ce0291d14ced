"""CORS of HTTP APIs."""

from __future__ import annotations

from freehold.kit.http import Response
from freehold.services.apigateway.http.cors import Cors


def test_a_preflight_of_another_origin_gets_no_permission() -> None:
    cors = Cors({"AllowOrigins": ["https://a"], "AllowMethods": ["GET", "PUT"]})
    assert cors.preflight({"origin": "https://b"}).headers == []
    assert ("access-control-allow-methods", "GET,PUT") in cors.preflight({"origin": "https://a"}).headers


def test_the_gateways_headers_replace_the_integrations() -> None:
    cors = Cors({"AllowOrigins": ["*"], "ExposeHeaders": ["x"]})
    response = Response(200, [("Access-Control-Allow-Origin", "evil"), ("x", "1")])
    cors.decorate({"origin": "https://a"}, response)
    assert response.headers == [
        ("x", "1"),
        ("access-control-allow-origin", "*"),
        ("access-control-expose-headers", "x"),
    ]


def test_a_scheme_may_stand_for_all_its_origins() -> None:
    cors = Cors({"AllowOrigins": ["https://*"]})
    assert cors.preflight({"origin": "https://a"}).headers
    assert not cors.preflight({"origin": "http://a"}).headers
