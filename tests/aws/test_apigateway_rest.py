"""Requests to a REST API: which method serves them, the event its function gets, what the gateway itself refuses."""

from __future__ import annotations

from tests.aws.conftest import Server
from tests.aws.rest_apis import Deploy, definition, deploy, echo, send

__all__ = ["deploy", "echo"]


def test_a_function_gets_the_exact_proxy_event(deploy: Deploy, echo: str, account: str) -> None:
    api = deploy(definition(echo), variables={"colour": "blue"})
    answer = api("/prod/items/a%20b?x=1&y=2&x=3", "PUT", b"hi", X_Custom="c", Content_Type="text/plain")
    event = answer.json()
    assert answer.status == 200 and answer.header("content-type") == "application/json"
    assert (event["resource"], event["path"], event["httpMethod"]) == ("/items/{id}", "/items/a%20b", "PUT")
    assert event["pathParameters"] == {"id": "a%20b"}, "REST APIs pass paths as they were sent"
    assert event["queryStringParameters"] == {"x": "3", "y": "2"}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "3"], "y": ["2"]}
    assert event["stageVariables"] == {"colour": "blue"}
    assert (event["body"], event["isBase64Encoded"]) == ("hi", False)
    assert event["headers"]["X-Custom"] == "c" and event["multiValueHeaders"]["Content-Type"] == ["text/plain"]
    assert {"Host", "X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto"} <= set(
        event["headers"]
    )
    context = event["requestContext"]
    assert context["path"] == "/prod/items/a%20b" and context["resourcePath"] == "/items/{id}"
    assert context["stage"] == "prod" and context["apiId"] == context["domainPrefix"] == api.id
    assert context["accountId"] == account and context["protocol"] == "HTTP/1.1"
    assert context["requestId"] == answer.header("x-amzn-requestid")
    assert context["extendedRequestId"] == answer.header("x-amz-apigw-id")
    assert context["identity"]["sourceIp"] == "127.0.0.1" and context["identity"]["userArn"] is None
    assert "version" not in event and "authorizer" not in context
    assert (answer.header("x-amzn-trace-id") or "").startswith("Root=1-")


def test_absent_parts_of_the_event_are_null(deploy: Deploy, echo: str) -> None:
    event = deploy(definition(echo))("/prod/hello").json()
    for name in (
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "pathParameters",
        "stageVariables",
        "body",
    ):
        assert event[name] is None
    assert event["requestContext"]["identity"]["userAgent"] is None


def test_literal_resources_win_over_variables_and_those_over_greedy_ones(deploy: Deploy, echo: str) -> None:
    api = deploy(definition(echo))
    assert api("/prod/items/special").json()["resource"] == "/items/special"
    assert api("/prod/items/other").json()["resource"] == "/items/{id}"
    assert api("/prod/files/a/b").json()["pathParameters"] == {"path": "a/b"}
    assert api("/prod/hello/").json()["resource"] == "/hello", "a trailing slash is not part of the path"
    assert api("/prod", "POST").json()["resource"] == "/"


def test_the_api_answers_by_path_too(deploy: Deploy, echo: str, server: Server) -> None:
    api = deploy(definition(echo))
    answer = send(server, "127.0.0.1", f"/_apis/{api.id}/prod/hello")
    assert answer.status == 200 and answer.json()["requestContext"]["path"].endswith("/prod/hello")


def test_what_the_gateway_itself_refuses(deploy: Deploy, echo: str) -> None:
    api = deploy(definition(echo))
    unknown = api("/prod/nowhere")
    assert (unknown.status, unknown.json()) == (403, {"message": "Missing Authentication Token"})
    assert unknown.header("x-amzn-errortype") == "MissingAuthenticationTokenException"
    assert api("/prod/hello", "DELETE").status == 403
    stage = api("/test/hello")
    assert (stage.status, stage.json()) == (403, {"message": "Forbidden"})
    assert len([1 for name, _ in unknown.headers if name.lower() == "x-amzn-requestid"]) == 1


def test_gateway_responses_change_what_the_gateway_says(deploy: Deploy, echo: str) -> None:
    responses = {
        "DEFAULT_4XX": {
            "responseParameters": {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"},
            "responseTemplates": {"application/json": '{"m":$context.error.messageString,"p":"$context.path"}'},
        },
        "MISSING_AUTHENTICATION_TOKEN": {"statusCode": 404, "responseParameters": {}},
    }
    answer = deploy(definition(echo, **{"x-amazon-apigateway-gateway-responses": responses}))("/prod/nowhere")
    assert answer.status == 404
    assert answer.json() == {"m": "Missing Authentication Token", "p": "/prod/nowhere"}
