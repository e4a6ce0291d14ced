"""Answers of a REST API: what comes of those of functions, of MOCK integrations and of HTTP backends."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.aws.rest_apis import Deploy, definition, deploy, echo

__all__ = ["deploy", "echo"]


@pytest.mark.parametrize("how", ["raise", "list", "extra"])
def test_malformed_answers_of_a_function_are_502(deploy: Deploy, echo: str, how: str) -> None:
    answer = deploy(definition(echo))(f"/prod/hello?how={how}")
    assert (answer.status, answer.json()) == (502, {"message": "Internal server error"})
    assert answer.header("x-amzn-errortype") == "InternalServerErrorException"


def test_headers_of_a_function_are_sent_on_or_remapped(deploy: Deploy, echo: str) -> None:
    api = deploy(definition(echo))
    answer = api("/prod/hello?how=many")
    assert answer.status == 201
    assert [value for name, value in answer.headers if name == "set-cookie"] == ["a=1", "b=2"]
    assert answer.header("x-one") == "1"
    assert answer.header("x-amzn-remapped-date") == "never" and answer.header("x-amzn-remapped-server") == "mine"
    assert api("/prod/hello?how=bare").body == b"bare"


def test_binary_media_types_decide_what_is_base64(deploy: Deploy, echo: str) -> None:
    text = deploy(definition(echo))
    assert text("/prod/hello?how=binary", Accept="image/png").body == base64.b64encode(b"\x89PNG")
    binary = deploy(definition(echo, **{"x-amazon-apigateway-binary-media-types": ["image/png"]}))
    assert binary("/prod/hello?how=binary", Accept="image/png").body == b"\x89PNG"
    assert binary("/prod/hello?how=binary").body == base64.b64encode(b"\x89PNG"), "the Accept header decides"
    event = binary("/prod/items/1", "POST", b"\x89PNG", Content_Type="image/png").json()
    assert event["isBase64Encoded"] and base64.b64decode(event["body"]) == b"\x89PNG"
    everything = deploy(definition(echo, **{"x-amazon-apigateway-binary-media-types": ["*/*"]}))
    assert everything("/prod/items/1", "POST", b"text", Content_Type="text/plain").json()["isBase64Encoded"]


def test_cors_by_mock(deploy: Deploy, echo: str) -> None:
    answer = deploy(definition(echo))("/prod/hello", "OPTIONS", Origin="http://a")
    assert (answer.status, answer.body) == (200, b"{}\n")
    assert answer.header("access-control-allow-origin") == "*"
    assert answer.header("access-control-allow-methods") == "GET,OPTIONS"
    assert answer.header("content-type") == "application/json"


class Backend(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"path": self.path, "headers": dict(self.headers)}).encode()
        self.send_response(203)
        self.send_header("X-From", "backend")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def backend() -> Iterator[str]:
    running = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


def test_http_proxy_integrations_send_the_request_on(deploy: Deploy, backend: str) -> None:
    document = {
        "openapi": "3.0.1",
        "info": {"title": "proxy", "version": "1"},
        "paths": {
            "/out/{proxy+}": {
                "get": {
                    "parameters": [{"name": "proxy", "in": "path", "required": True, "schema": {"type": "string"}}],
                    "x-amazon-apigateway-integration": {
                        "type": "http_proxy",
                        "httpMethod": "ANY",
                        "uri": backend + "/in/{proxy}?v=${stageVariables.v}",
                        "requestParameters": {
                            "integration.request.path.proxy": "method.request.path.proxy",
                            "integration.request.header.X-Stage": "context.stage",
                        },
                    },
                }
            }
        },
    }
    api = deploy(document, variables={"v": "7"})
    answer = api("/prod/out/a/b?q=1", X_Mine="m")
    assert answer.status == 203 and answer.header("x-from") == "backend"
    seen = answer.json()
    headers = {name.lower(): value for name, value in seen["headers"].items()}
    assert seen["path"] == "/in/a/b?v=7&q=1"
    assert headers["x-stage"] == "prod" and headers["x-mine"] == "m"
