from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from freehold.kit.http import Request, Response
from freehold.ports.manifest import HostRequest
from freehold.runtime.base import FunctionSpec, Invocation, Outcome
from freehold.services.lambda_ import download, url_door, url_events
from tests.services.lambda_.helpers import refused, run
from tests.services.lambda_.support import ARN, World, package


async def ask(world: World, url_id: str, request: Request, path: str = "/") -> Response:
    asked = HostRequest(request, url_id, path, f"/_lambda-url/{url_id}", "127.0.0.1", "req-1")
    response = await url_door.serve(world.platform, asked)
    assert response is not None
    return response


async def url(world: World, **settings: Any) -> str:
    request = {"FunctionName": "hello", "AuthType": "NONE"} | settings
    return str((await world("CreateFunctionUrlConfig", **request))["FunctionUrl"]).rstrip("/").rpartition("/")[2]


def test_urls_are_configured_and_resolve_for_who_asks() -> None:
    async def body(world: World) -> None:
        await world.create(Publish=True)
        made = await world("CreateFunctionUrlConfig", FunctionName="hello", AuthType="NONE")
        assert (
            made["FunctionUrl"].startswith("http://127.0.0.1:4566/_lambda-url/")
            and made["FunctionArn"] == f"{ARN}:hello"
        )
        await refused(
            world("CreateFunctionUrlConfig", FunctionName="hello", AuthType="NONE"),
            "ResourceConflictException",
            "exists",
        )
        world.host = Request("GET", "/", headers={"host": "localhost:4566"})
        found = await world("GetFunctionUrlConfig", FunctionName="hello")
        assert found["FunctionUrl"].endswith(".lambda-url.us-east-1.localhost:4566/")
        changed = await world("UpdateFunctionUrlConfig", FunctionName="hello", InvokeMode="RESPONSE_STREAM")
        assert changed["InvokeMode"] == "RESPONSE_STREAM" and changed["AuthType"] == "NONE"
        await refused(
            world("CreateFunctionUrlConfig", FunctionName="hello", Qualifier="1", AuthType="NONE"),
            "InvalidParameterValueException",
        )
        assert len((await world("ListFunctionUrlConfigs", FunctionName="hello"))["FunctionUrlConfigs"]) == 1
        await world("DeleteFunctionUrlConfig", FunctionName="hello")
        await refused(world("GetFunctionUrlConfig", FunctionName="hello"), "ResourceNotFoundException")

    run(body)


def test_a_request_becomes_an_event_of_format_2() -> None:
    async def body(world: World) -> None:
        await world.create()
        request = Request(
            "POST",
            "/_lambda-url/x/a%20b",
            "q=1&q=2&empty=",
            {"host": "127.0.0.1:4566", "cookie": "a=1; b=2", "content-type": "application/json", "user-agent": "t"},
            b'{"x": 1}',
        )
        await ask(world, await url(world), request, "/a%20b")
        event = json.loads(world.runtime.seen[0][1].payload)
        assert (event["version"], event["rawPath"], event["rawQueryString"]) == ("2.0", "/a%20b", "q=1&q=2&empty=")
        assert event["queryStringParameters"] == {"q": "1,2", "empty": ""}
        assert event["cookies"] == ["a=1", "b=2"] and "cookie" not in event["headers"]
        assert (event["body"], event["isBase64Encoded"]) == ('{"x": 1}', False)
        http = event["requestContext"]["http"]
        assert (http["method"], http["path"], http["sourceIp"]) == ("POST", "/a b", "127.0.0.1")
        assert event["requestContext"]["accountId"] == "anonymous"
        assert event["requestContext"]["time"] == "01/Jan/2026:00:00:00 +0000"
        binary = Request("POST", "/", headers={"content-type": "image/png"}, body=b"\xff\x00")
        await ask(world, (await _id(world)), binary)
        event = json.loads(world.runtime.seen[1][1].payload)
        assert (event["body"], event["isBase64Encoded"]) == ("/wA=", True)

    run(body)


async def _id(world: World) -> str:
    found = await world("GetFunctionUrlConfig", FunctionName="hello")
    return str(found["FunctionUrl"]).rstrip("/").rpartition("/")[2]


def test_results_become_responses() -> None:
    cases: list[tuple[Any, int, bytes]] = [
        ({"statusCode": 201, "body": "hi", "headers": {"X-A": "b"}}, 201, b"hi"),
        ({"statusCode": 200, "body": "aGk=", "isBase64Encoded": True}, 200, b"hi"),
        ({"message": "no status"}, 200, b'{"message": "no status"}'),
        ("text", 200, b"text"),
        ({"statusCode": "nope"}, 502, b"Internal Server Error"),
    ]
    for result, status, text in cases:
        response = url_events.respond(json.dumps(result).encode())
        assert (response.status, response.body) == (status, text), result
    response = url_events.respond(b'{"statusCode": 200, "cookies": ["a=1", "b=2"]}')
    assert [value for name, value in response.headers if name == "set-cookie"] == ["a=1", "b=2"]
    assert url_events.respond(b'{"statusCode": 200, "headers": {"a": "b\\r\\nc: d"}}').status == 502


def test_results_that_no_response_can_be_made_of_are_502() -> None:
    """Found by ./dev fuzz: heads that cannot be sent, and one that a client takes for the announcement of another."""
    for result in (
        {"statusCode": 100},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"a b": "c"}},
        {"statusCode": 200, "headers": {"a": "\x00"}},
        {"statusCode": 200, "cookies": ["a\nb"]},
    ):
        assert url_events.respond(json.dumps(result).encode()).status == 502
    made = url_events.respond(json.dumps({"statusCode": 200, "headers": {"a": "\u20ac"}}).encode())
    assert ("a", "\u20ac".encode().decode("latin-1")) in made.headers


def test_function_errors_are_502_and_throttles_429() -> None:
    async def body(world: World) -> None:
        async def fail(spec: FunctionSpec, invocation: Invocation) -> Outcome:
            return Outcome(b"{}", "Unhandled")

        await world.create()
        url_id = await url(world)
        world.runtime.body = fail
        assert (await ask(world, url_id, Request("GET", "/"))).status == 502
        await world("PutFunctionConcurrency", FunctionName="hello", ReservedConcurrentExecutions=0)
        assert (await ask(world, url_id, Request("GET", "/"))).status == 429

    run(body)


def test_cors_acts() -> None:
    async def body(world: World) -> None:
        await world.create()
        url_id = await url(world, Cors={"AllowOrigins": ["https://a"], "AllowMethods": ["GET"], "MaxAge": 5})
        preflight = Request("OPTIONS", "/", headers={"origin": "https://a", "access-control-request-method": "GET"})
        headers = dict((await ask(world, url_id, preflight)).headers)
        assert headers["access-control-allow-origin"] == "https://a" and headers["access-control-max-age"] == "5"
        assert world.runtime.seen == [], "a preflight runs nothing"
        answer = await ask(world, url_id, Request("GET", "/", headers={"origin": "https://b"}))
        assert "access-control-allow-origin" not in dict(answer.headers)

    run(body)


def test_iam_urls_want_a_signature() -> None:
    async def body(world: World) -> None:
        await world.create()
        url_id = await url(world, AuthType="AWS_IAM")
        assert (await ask(world, url_id, Request("GET", "/"))).status == 403
        signed = Request(
            "GET",
            "/",
            headers={
                "authorization": "AWS4-HMAC-SHA256 Credential=111122223333/20260101/us-east-1/lambda/aws4_request, "
                "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64,
                "x-amz-date": "20260101T000000Z",
            },
        )
        assert (await ask(world, url_id, signed)).status == 200
        iam = json.loads(world.runtime.seen[0][1].payload)["requestContext"]["authorizer"]["iam"]
        assert iam["userArn"] == "arn:aws:iam::111122223333:root"

    run(body)


def test_streamed_responses_have_a_prelude() -> None:
    async def body(world: World) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield b'{"statusCode": 201, "headers": {"x-a": "1"}}\x00\x00\x00'
            yield b"\x00\x00\x00\x00\x00body"
            yield b" goes on"

        async def stream(spec: FunctionSpec, invocation: Invocation) -> Outcome:
            return Outcome(pieces(), content_type=url_events.PRELUDE_TYPE)

        world.runtime.body = stream
        await world.create()
        answer = await ask(world, await url(world, InvokeMode="RESPONSE_STREAM"), Request("GET", "/"))
        assert answer.status == 201 and dict(answer.headers)["x-a"] == "1"
        assert not isinstance(answer.body, bytes)
        assert [piece async for piece in answer.body] == [b"body", b" goes on"]

    run(body)


def test_the_package_can_be_fetched_where_get_function_says() -> None:
    async def body(world: World) -> None:
        await world.create()
        location = (await world("GetFunction", FunctionName="hello"))["Code"]["Location"]
        token = location.rpartition("/")[2]

        async def fetch(token: str) -> Response:
            asked = HostRequest(Request("GET", "/"), token, "/", "", "", "r")
            response = await download.serve(world.platform, asked)
            assert response is not None
            return response

        assert (await fetch(token)).body == package()
        assert (await fetch(token[:-2] + "AA")).status == 403
        assert (await fetch("nonsense")).status == 403

    run(body)
