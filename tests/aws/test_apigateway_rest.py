"""REST APIs over the wire: as SAM makes them, as CDK makes them, and by hand."""

from __future__ import annotations

import base64
import http.client
import io
import json
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


def token_definition(echo: str, uri: str, **settings: Any) -> dict[str, Any]:
    document = definition(echo)
    document["securityDefinitions"] = {
        "Tok": {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "x-amazon-apigateway-authtype": "custom",
            "x-amazon-apigateway-authorizer": {"type": "token", "authorizerUri": uri, **settings},
        }
    }
    document["paths"]["/hello"]["get"]["security"] = [{"Tok": []}]
    return document


def test_token_authorizers_allow_deny_and_fail(deploy: Deploy, aws: Client, account: str, echo: str) -> None:
    uri = invocation_uri(make_function(aws, account, "auth", AUTHORIZER))
    api = deploy(token_definition(echo, uri, authorizerResultTtlInSeconds=0))
    context = api("/prod/hello", Authorization="me").json()["requestContext"]["authorizer"]
    assert context["principalId"] == "me" and context["number"] == "7" and context["text"] == "t"
    missing = api("/prod/hello")
    assert (missing.status, missing.json()) == (401, {"message": "Unauthorized"})
    assert api("/prod/hello", Authorization="nobody").status == 401
    denied = api("/prod/hello", Authorization="deny")
    assert denied.status == 403
    assert denied.json() == {"Message": "User is not authorized to access this resource with an explicit deny"}
    assert api("/prod/hello", Authorization="other").json() == {
        "Message": "User is not authorized to access this resource"
    }
    broken = api("/prod/hello", Authorization="broken")
    assert (broken.status, broken.json()) == (500, {"message": None})
    assert broken.header("x-amzn-errortype") == "AuthorizerConfigurationException"


def test_decisions_are_cached_by_token_for_five_minutes(deploy: Deploy, aws: Client, account: str, echo: str) -> None:
    uri = invocation_uri(make_function(aws, account, "auth", AUTHORIZER))
    api = deploy(token_definition(echo, uri))

    def seen(token: str) -> Any:
        return api("/prod/hello", Authorization=token).json()["requestContext"]["authorizer"]["seen"]

    first = seen("a")
    assert seen("a") == first and seen("b") != first
    aws("apigateway").flush_stage_authorizers_cache(restApiId=api.id, stageName="prod")
    assert seen("a") != first


def test_request_authorizers_see_the_request(deploy: Deploy, aws: Client, account: str, echo: str) -> None:
    uri = invocation_uri(make_function(aws, account, "auth", AUTHORIZER))
    document = token_definition(
        echo,
        uri,
        type="request",
        identitySource="method.request.header.X-Key, method.request.querystring.k",
        authorizerResultTtlInSeconds=0,
    )
    api = deploy(document)
    assert api("/prod/hello?k=1", X_Key="me").json()["requestContext"]["authorizer"]["principalId"] == "me"
    assert api("/prod/hello", X_Key="me").status == 401, "every identity source must be there"
    assert api("/prod/hello?k=1", X_Key="deny").status == 403


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


def test_resource_policies_are_evaluated(deploy: Deploy, echo: str) -> None:
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}

    def policy(*statements: dict[str, Any]) -> dict[str, Any]:
        return {"x-amazon-apigateway-policy": {"Version": "2012-10-17", "Statement": list(statements)}}

    blocked = everybody | {"Effect": "Deny", "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}}
    assert deploy(definition(echo, **policy(everybody)))("/prod/hello").status == 200
    answer = deploy(definition(echo, **policy(everybody, blocked)))("/prod/hello")
    assert answer.status == 403 and "is not authorized to perform: execute-api:Invoke" in answer.json()["Message"]
    elsewhere = everybody | {"Resource": "execute-api:/test/*"}
    assert deploy(definition(echo, **policy(elsewhere)))("/prod/hello").status == 403


def test_methods_are_throttled_by_the_stage(deploy: Deploy, aws: Client, echo: str) -> None:
    api, client = deploy(definition(echo)), aws("apigateway")
    shown = client.update_stage(
        restApiId=api.id,
        stageName="prod",
        patchOperations=[
            {"op": "replace", "path": "/~1hello/GET/throttling/rateLimit", "value": "0.001"},
            {"op": "replace", "path": "/~1hello/GET/throttling/burstLimit", "value": "2"},
        ],
    )
    assert shown["methodSettings"]["~1hello/GET"]["throttlingBurstLimit"] == 2
    assert [api("/prod/hello").status for _ in range(3)] == [200, 200, 429]
    assert api("/prod/hello").json() == {"message": "Too Many Requests"}
    assert api("/prod/items/special").status == 200


def test_access_logs(deploy: Deploy, aws: Client, echo: str, account: str) -> None:
    logs, client = aws("logs"), aws("apigateway")
    logs.create_log_group(logGroupName="access")
    api = deploy(definition(echo))
    line = "$context.requestId $context.httpMethod $context.resourcePath $context.status $context.error.message"
    client.update_stage(
        restApiId=api.id,
        stageName="prod",
        patchOperations=[
            {
                "op": "add",
                "path": "/accessLogSettings/destinationArn",
                "value": f"arn:aws:logs:us-east-1:{account}:log-group:access",
            },
            {"op": "add", "path": "/accessLogSettings/format", "value": line},
        ],
    )
    request_id = api("/prod/hello").header("x-amzn-requestid")
    api("/prod/nowhere")
    for _ in range(100):
        events = logs.filter_log_events(logGroupName="access")["events"]
        if len(events) == 2:
            break
        time.sleep(0.05)
    assert events[0]["message"] == f"{request_id} GET /hello 200 -"
    assert events[1]["message"].endswith("GET - 403 Missing Authentication Token")


def test_stages_serve_the_deployment_and_not_the_draft(deploy: Deploy, aws: Client, echo: str) -> None:
    client = aws("apigateway")
    api = deploy(definition(echo))
    first = client.get_stage(restApiId=api.id, stageName="prod")["deploymentId"]
    document = definition(echo)
    document["paths"]["/fresh"] = {"get": document["paths"]["/hello"]["get"]}
    ids = {r["path"]: r["id"] for r in client.get_resources(restApiId=api.id, limit=500)["items"]}
    client.put_rest_api(restApiId=api.id, mode="overwrite", body=json.dumps(document).encode())
    found = {r["path"]: r["id"] for r in client.get_resources(restApiId=api.id, limit=500)["items"]}
    assert found.items() >= ids.items(), "resources that stay keep their ids"
    assert api("/prod/fresh").status == 403
    second = client.create_deployment(restApiId=api.id)["id"]
    client.update_stage(
        restApiId=api.id,
        stageName="prod",
        patchOperations=[{"op": "replace", "path": "/deploymentId", "value": second}],
    )
    assert api("/prod/fresh").status == 200
    with pytest.raises(client.exceptions.BadRequestException, match="Active stages pointing to this deployment"):
        client.delete_deployment(restApiId=api.id, deploymentId=second)
    client.delete_deployment(restApiId=api.id, deploymentId=first)
    embedded = client.get_deployment(restApiId=api.id, deploymentId=second, embed=["apisummary"])
    assert embedded["apiSummary"]["/fresh"]["GET"]["authorizationType"] == "NONE"


def test_an_api_by_hand_as_cdk_makes_it(aws: Client, server: Server, echo: str) -> None:
    client = aws("apigateway")
    made = client.create_rest_api(name="hand", endpointConfiguration={"types": ["REGIONAL"]})
    api = made["id"]
    pets = client.create_resource(restApiId=api, parentId=made["rootResourceId"], pathPart="pets")["id"]
    where = {"restApiId": api, "resourceId": pets}
    client.put_method(**where, httpMethod="GET", authorizationType="NONE", operationName="listPets")
    client.put_integration(
        **where, httpMethod="GET", type="AWS_PROXY", integrationHttpMethod="POST", uri=invocation_uri(echo)
    )
    client.put_method(**where, httpMethod="OPTIONS", authorizationType="NONE")
    client.put_method_response(
        **where,
        httpMethod="OPTIONS",
        statusCode="204",
        responseParameters={"method.response.header.Access-Control-Allow-Origin": True},
    )
    client.put_integration(
        **where, httpMethod="OPTIONS", type="MOCK", requestTemplates={"application/json": "{ statusCode: 200 }"}
    )
    client.put_integration_response(
        **where,
        httpMethod="OPTIONS",
        statusCode="204",
        responseParameters={"method.response.header.Access-Control-Allow-Origin": "'http://a'"},
    )
    client.create_deployment(restApiId=api, stageName="v1")
    at = Api(server, api)
    assert at("/v1/pets").json()["resource"] == "/pets"
    preflight = at("/v1/pets", "OPTIONS")
    assert preflight.status == 204 and preflight.header("access-control-allow-origin") == "http://a"
    with pytest.raises(client.exceptions.ConflictException, match="Another resource with the same parent"):
        client.create_resource(restApiId=api, parentId=made["rootResourceId"], pathPart="pets")
    embedded = client.get_resources(restApiId=api, embed=["methods"])["items"]
    methods = next(one["resourceMethods"] for one in embedded if one["path"] == "/pets")
    assert methods["GET"]["methodIntegration"]["type"] == "AWS_PROXY"
    assert methods["GET"]["methodIntegration"]["httpMethod"] == "POST"
    client.delete_resource(restApiId=api, resourceId=pets)
    with pytest.raises(client.exceptions.NotFoundException, match="Invalid Resource identifier specified"):
        client.get_resource(restApiId=api, resourceId=pets)


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


def test_export_imports_to_the_same_api(deploy: Deploy, aws: Client, echo: str) -> None:
    client = aws("apigateway")
    api = deploy(definition(echo))
    for kind in ("swagger", "oas30"):
        exported = client.get_export(
            restApiId=api.id, stageName="prod", exportType=kind, parameters={"extensions": "apigateway"}
        )
        again = deploy(json.loads(exported["body"].read()))
        assert again("/prod/items/1").json()["resource"] == "/items/{id}"
        assert again("/prod/hello", "OPTIONS").header("access-control-allow-origin") == "*"


def test_the_execute_api_endpoint_can_be_disabled(deploy: Deploy, aws: Client, echo: str) -> None:
    client = aws("apigateway")
    api = deploy(definition(echo))
    client.update_rest_api(
        restApiId=api.id, patchOperations=[{"op": "replace", "path": "/disableExecuteApiEndpoint", "value": "true"}]
    )
    client.create_deployment(restApiId=api.id, stageName="prod")
    answer = api("/prod/hello")
    assert (answer.status, answer.json()) == (403, {"message": "Forbidden"})


def test_a_stage_that_traces_records_a_segment(
    deploy: Deploy, aws: Client, server: Server, account: str, echo: str
) -> None:
    api = deploy(definition(echo), tracingEnabled=True)
    root = f"1-{int(time.time()):08x}-{account * 2}"
    api("/prod/hello", X_Amzn_Trace_Id=f"Root={root};Sampled=1")
    for _ in range(100):
        found = json.loads(send(server, "127.0.0.1", f"/_freehold/traces?account={account}&region=us-east-1").body)
        if root in json.dumps(found):
            break
        time.sleep(0.05)
    assert "AWS::ApiGateway::Stage" in json.dumps(found)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"x-amazon-apigateway-request-validators": {}}, "request-validators"),
        ({"x-amazon-apigateway-minimum-compression-size": 1}, "minimum-compression-size"),
    ],
)
def test_parts_of_definitions_that_do_not_act_are_refused_by_name(
    aws: Client, echo: str, change: dict[str, Any], named: str
) -> None:
    client = aws("apigateway")
    with pytest.raises(client.exceptions.ClientError, match=named):
        client.import_rest_api(body=json.dumps(definition(echo, **change)).encode())


def test_templates_that_compute_are_refused_by_name(aws: Client) -> None:
    client = aws("apigateway")
    made = client.create_rest_api(name="vtl")
    where = {"restApiId": made["id"], "resourceId": made["rootResourceId"], "httpMethod": "GET"}
    client.put_method(**where, authorizationType="NONE")
    with pytest.raises(client.exceptions.ClientError, match="VTL"):
        client.put_integration(
            **where, type="MOCK", requestTemplates={"application/json": '#set($a = 1){"statusCode": $a}'}
        )
    with pytest.raises(client.exceptions.ClientError, match="integrations of type AWS"):
        client.put_integration(**where, type="AWS", integrationHttpMethod="POST", uri="arn:aws:x")


def test_lists_are_paged(aws: Client) -> None:
    client = aws("apigateway")
    for index in range(3):
        client.create_rest_api(name=f"n{index}", tags={"a": "b"})
    pages = list(client.get_paginator("get_rest_apis").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["items"]) for page in pages] == [2, 1]
    arn = f"arn:aws:apigateway:us-east-1::/restapis/{pages[0]['items'][0]['id']}"
    client.tag_resource(resourceArn=arn, tags={"c": "d"})
    client.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert client.get_tags(resourceArn=arn)["tags"] == {"c": "d"}
    with pytest.raises(client.exceptions.NotFoundException, match="Invalid API identifier specified"):
        client.get_rest_api(restApiId="nothere000")
