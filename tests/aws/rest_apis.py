"""What tests of REST APIs share: a function that echoes its event, a definition as SAM writes it, and its deployment."""

from __future__ import annotations

import http.client
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.aws.conftest import Server

Client = Callable[..., Any]


ECHO = """
import json, base64, time
def handler(event, context):
    how = (event.get("queryStringParameters") or {}).get("how", "")
    if how == "raise": raise ValueError("no")
    if how == "list": return [1]
    if how == "extra": return {"statusCode": 200, "surprise": 1}
    if how == "bare": return {"body": "bare"}
    if how == "binary": return {"statusCode": 200, "headers": {"Content-Type": "image/png"},
                                "body": base64.b64encode(b"\\x89PNG").decode(), "isBase64Encoded": True}
    if how == "many": return {"statusCode": 201, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]},
                              "headers": {"X-One": "1", "Date": "never", "Server": "mine"}, "body": "ok"}
    return {"statusCode": 200, "body": json.dumps(event)}
"""


AUTHORIZER = """
def handler(event, context):
    token = event.get("authorizationToken") or (event.get("headers") or {}).get("X-Key", "")
    if token == "nobody": raise Exception("Unauthorized")
    if token == "broken": return {"principalId": "x"}
    effect = "Deny" if token == "deny" else "Allow"
    arn = event["methodArn"] if token != "other" else event["methodArn"] + "/else"
    return {"principalId": "me", "context": {"number": 7, "text": "t", "seen": context.aws_request_id},
            "policyDocument": {"Version": "2012-10-17", "Statement": [
                {"Action": "execute-api:Invoke", "Effect": effect, "Resource": arn}]}}
"""


def packed(code: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("index.py", code)
    return held.getvalue()


def make_function(aws: Client, account: str, name: str, code: str) -> str:
    made = aws("lambda").create_function(
        FunctionName=name,
        Runtime="python3.11",
        Handler="index.handler",
        Role=f"arn:aws:iam::{account}:role/r",
        Code={"ZipFile": packed(code)},
        Timeout=5,
    )
    return str(made["FunctionArn"])


def invocation_uri(arn: str) -> str:
    return f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def send(
    server: Server, host: str, path: str, method: str = "GET", headers: dict[str, str] | None = None, body: bytes = b""
) -> Answer:
    """A request to `host` (an API's own name) at the server's address."""
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port or 80, timeout=30)
    try:
        given = {"Host": f"{host}:{address.port}", **(headers or {})}
        connection.request(method, path, body or None, given)
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheaders(), answer.read())
    finally:
        connection.close()


@dataclass
class Api:
    """A deployed REST API."""

    server: Server
    id: str

    def __call__(self, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return send(self.server, f"{self.id}.execute-api.localhost", path, method, named, body)


def definition(function: str, **extra: Any) -> dict[str, Any]:
    """An API as SAM writes it: a proxy integration, CORS by MOCK."""
    proxy = {"type": "aws_proxy", "httpMethod": "POST", "uri": invocation_uri(function)}
    mock = {
        "type": "mock",
        "requestTemplates": {"application/json": '{\n  "statusCode" : 200\n}\n'},
        "responses": {
            "default": {
                "statusCode": "200",
                "responseTemplates": {"application/json": "{}\n"},
                "responseParameters": {
                    "method.response.header.Access-Control-Allow-Origin": "'*'",
                    "method.response.header.Access-Control-Allow-Methods": "'GET,OPTIONS'",
                },
            }
        },
    }
    headers = {"Access-Control-Allow-Origin": {"type": "string"}, "Access-Control-Allow-Methods": {"type": "string"}}
    return {
        "swagger": "2.0",
        "info": {"version": "1.0", "title": "shop"},
        "paths": {
            "/hello": {
                "get": {"x-amazon-apigateway-integration": proxy, "responses": {}},
                "options": {
                    "summary": "CORS support",
                    "consumes": ["application/json"],
                    "produces": ["application/json"],
                    "responses": {"200": {"description": "Default response for CORS method", "headers": headers}},
                    "x-amazon-apigateway-integration": mock,
                },
            },
            "/items/{id}": {"x-amazon-apigateway-any-method": {"x-amazon-apigateway-integration": proxy}},
            "/items/special": {"get": {"x-amazon-apigateway-integration": proxy}},
            "/files/{path+}": {"get": {"x-amazon-apigateway-integration": proxy}},
            "/": {"post": {"x-amazon-apigateway-integration": proxy}},
        },
        **extra,
    }


@pytest.fixture
def echo(aws: Client, account: str) -> str:
    return make_function(aws, account, "echo", ECHO)


Deploy = Callable[..., Api]


@pytest.fixture
def deploy(aws: Client, server: Server) -> Deploy:
    """Import a definition and deploy it to the stage `prod`."""

    def deployed(document: dict[str, Any], **deployment: Any) -> Api:
        client = aws("apigateway")
        made = client.import_rest_api(body=json.dumps(document).encode())
        client.create_deployment(restApiId=made["id"], stageName="prod", **deployment)
        return Api(server, made["id"])

    return deployed
