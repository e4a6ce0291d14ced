"""HTTP APIs over the wire, by the developer guide."""

from __future__ import annotations

import http.client
import io
import json
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.aws.conftest import Server

Aws = Callable[..., Any]
ROLE = "arn:aws:iam::000000000000:role/app"
ECHO = """
import json
def handler(event, context):
    return {"statusCode": 200, "headers": {"content-type": "application/json", "x-own": "1"}, "body": json.dumps(event)}
"""


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.cookies = response.headers.get_all("set-cookie") or []
        self.body = response.read()

    def json(self) -> Any:
        return json.loads(self.body)


class Gateway:
    """An account's HTTP APIs and the functions behind them."""

    def __init__(self, server: Server, aws: Aws, account: str) -> None:
        self.server, self.account = server, account
        self.api, self.functions, self.logs = aws("apigatewayv2"), aws("lambda"), aws("logs")

    def function(self, name: str, code: str) -> str:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("app.py", code)
        made = self.functions.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Handler="app.handler",
            MemorySize=512,
            Role=ROLE.replace("000000000000", self.account),
            Code={"ZipFile": buffer.getvalue()},
        )
        return str(made["FunctionArn"])

    def make(self, *keys: str, arn: str, version: str = "2.0", stage: str = "$default", **options: Any) -> str:
        """An API whose routes lead to one function."""
        api = self.api.create_api(Name="api", ProtocolType="HTTP", **options)["ApiId"]
        integration = self.integrate(api, arn, version)
        for key in keys:
            self.api.create_route(ApiId=api, RouteKey=key, Target=f"integrations/{integration}")
        self.api.create_stage(ApiId=api, StageName=stage, AutoDeploy=True, StageVariables={"colour": "red"})
        return str(api)

    def integrate(self, api: str, arn: str, version: str = "2.0") -> str:
        made = self.api.create_integration(
            ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion=version
        )
        return str(made["IntegrationId"])

    def __call__(self, api: str, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection(self.server.url.removeprefix("http://"), timeout=40)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, f"/_apis/{api}{path}", body, named)
        return Answer(connection.getresponse())


@pytest.fixture
def gateway(server: Server, aws: Aws, account: str) -> Gateway:
    return Gateway(server, aws, account)


def test_a_function_gets_an_event_of_format_2(gateway: Gateway, account: str) -> None:
    api = gateway.make("POST /pets/{id}", arn=gateway.function("echo", ECHO))
    body = json.dumps({"a": 1}).encode()
    answer = gateway(
        api, "/pets/a%20b?x=1&x=2&y=", "POST", body, content_type="application/json", cookie="c=1; d=2", x_thing="t"
    )
    event = answer.json()
    assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "POST /pets/{id}", "/pets/a b")
    assert event["rawQueryString"] == "x=1&x=2&y="
    assert event["queryStringParameters"] == {"x": "1,2", "y": ""}
    assert event["pathParameters"] == {"id": "a b"}
    assert event["cookies"] == ["c=1", "d=2"]
    assert event["stageVariables"] == {"colour": "red"}
    assert (event["body"], event["isBase64Encoded"]) == ('{"a": 1}', False)
    assert event["headers"]["x-thing"] == "t"
    assert "x-forwarded-for" in event["headers"] and "x-amzn-trace-id" in event["headers"]
    context = event["requestContext"]
    assert (context["accountId"], context["apiId"], context["stage"]) == (account, api, "$default")
    assert context["http"]["method"] == "POST"
    assert answer.headers["x-own"] == "1"
    assert answer.headers["apigw-requestid"] == context["requestId"]


def test_a_function_gets_an_event_of_format_1(gateway: Gateway) -> None:
    api = gateway.make("GET /a/{rest+}", arn=gateway.function("echo", ECHO), version="1.0", stage="prod")
    event = gateway(api, "/prod/a/b/c?x=1&x=2").json()
    assert (event["version"], event["httpMethod"], event["resource"]) == ("1.0", "GET", "/a/{rest+}")
    assert event["path"] == "/prod/a/b/c"
    assert event["queryStringParameters"] == {"x": "2"}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"]}
    assert event["pathParameters"] == {"rest": "b/c"}
    assert event["body"] is None


def test_binary_bodies_come_in_base64_both_ways(gateway: Gateway) -> None:
    code = """
def handler(event, context):
    return {"statusCode": 201, "body": event["body"], "isBase64Encoded": event["isBase64Encoded"],
            "headers": {"content-type": "image/png"}, "cookies": ["a=1", "b=2"]}
"""
    api = gateway.make("$default", arn=gateway.function("binary", code))
    answer = gateway(api, "/", "POST", b"\x00\xff\x01", content_type="application/octet-stream")
    assert (answer.status, answer.body) == (201, b"\x00\xff\x01")
    assert answer.cookies == ["a=1", "b=2"]


@pytest.mark.parametrize(
    ("returned", "status", "body"),
    [
        ("{'hello': 1}", 200, b'{"hello": 1}'),
        ("'text'", 200, b"text"),
        ("{'statusCode': 'no'}", 500, b'{"message":"Internal Server Error"}'),
        ("1 / 0", 500, b'{"message":"Internal Server Error"}'),
    ],
)
def test_answers_are_inferred_or_refused(gateway: Gateway, returned: str, status: int, body: bytes) -> None:
    api = gateway.make("GET /", arn=gateway.function("f", f"def handler(event, context):\n    return {returned}\n"))
    answer = gateway(api, "/")
    assert (answer.status, answer.body) == (status, body)


def test_routes_are_found_by_specificity_and_nothing_else(gateway: Gateway) -> None:
    api = gateway.make("GET /a/b", "GET /a/{x}", "ANY /a/{x+}", arn=gateway.function("echo", ECHO))
    assert gateway(api, "/a/b").json()["routeKey"] == "GET /a/b"
    assert gateway(api, "/a/c").json()["routeKey"] == "GET /a/{x}"
    assert gateway(api, "/a/c", "PUT").json()["routeKey"] == "ANY /a/{x+}"
    missing = gateway(api, "/other")
    assert (missing.status, missing.json()) == (404, {"message": "Not Found"})


def test_a_stage_without_automatic_deployment_serves_its_deployment(gateway: Gateway) -> None:
    api = gateway.make("GET /one", arn=gateway.function("echo", ECHO))
    fixed = gateway.api.create_deployment(ApiId=api)["DeploymentId"]
    gateway.api.create_stage(ApiId=api, StageName="fixed", DeploymentId=fixed)
    target = gateway.api.get_routes(ApiId=api)["Items"][0]["Target"]
    gateway.api.create_route(ApiId=api, RouteKey="GET /two", Target=target)
    assert gateway(api, "/two").status == 200
    assert gateway(api, "/fixed/two").status == 404
    assert gateway(api, "/fixed/one").json()["rawPath"] == "/fixed/one"
    with pytest.raises(ClientError, match="Active stages pointing to this deployment"):
        gateway.api.delete_deployment(ApiId=api, DeploymentId=fixed)


def test_cors_is_answered_by_the_gateway(gateway: Gateway) -> None:
    cors = {"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET"], "AllowHeaders": ["x-a"], "MaxAge": 5}
    api = gateway.make("GET /", arn=gateway.function("echo", ECHO), CorsConfiguration=cors)
    preflight = gateway(api, "/", "OPTIONS", origin="https://a.example", access_control_request_method="GET")
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == "https://a.example"
    assert preflight.headers["access-control-allow-methods"] == "GET"
    assert preflight.headers["access-control-max-age"] == "5"
    assert gateway(api, "/", origin="https://a.example").headers["access-control-allow-origin"] == "https://a.example"
    assert "access-control-allow-origin" not in gateway(api, "/", origin="https://b.example").headers


class Web(BaseHTTPRequestHandler):
    """What an HTTP proxy integration leads to, and a token issuer."""

    key = RSAKey.generate_key(2048, {"kid": "k1"})

    def do_GET(self) -> None:
        issuer = f"http://127.0.0.1:{self.server.server_port}"  # type: ignore[attr-defined]
        document: dict[str, Any] = {"path": self.path, "headers": dict(self.headers.items())}
        if self.path == "/.well-known/openid-configuration":
            document = {"issuer": issuer, "jwks_uri": f"{issuer}/keys"}
        elif self.path == "/keys":
            document = {"keys": [self.key.as_dict(private=False)]}
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-upstream", "yes")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    running = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()


def test_an_http_proxy_forwards_and_maps_parameters(gateway: Gateway, web: str) -> None:
    api = gateway.api.create_api(Name="proxy", ProtocolType="HTTP")["ApiId"]
    integration = gateway.api.create_integration(
        ApiId=api,
        IntegrationType="HTTP_PROXY",
        IntegrationMethod="GET",
        IntegrationUri=web + "/base/{proxy}",
        PayloadFormatVersion="1.0",
        RequestParameters={"append:header.x-id": "$request.querystring.id", "remove:querystring.secret": "''"},
        ResponseParameters={"200": {"overwrite:header.x-upstream": "mapped"}},
    )["IntegrationId"]
    gateway.api.create_route(ApiId=api, RouteKey="GET /{proxy+}", Target=f"integrations/{integration}")
    gateway.api.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    answer = gateway(api, "/x/y?id=7&secret=1")
    seen = answer.json()
    assert seen["path"] == "/base/x/y?id=7"
    assert {name.lower(): value for name, value in seen["headers"].items()}["x-id"] == "7"
    assert answer.headers["x-upstream"] == "mapped"


def test_a_jwt_authorizer_checks_signature_claims_and_scopes(gateway: Gateway, web: str) -> None:
    api = gateway.make("GET /", arn=gateway.function("echo", ECHO))
    authorizer = gateway.api.create_authorizer(
        ApiId=api,
        Name="tokens",
        AuthorizerType="JWT",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": web, "Audience": ["app"]},
    )["AuthorizerId"]
    route = gateway.api.get_routes(ApiId=api)["Items"][0]["RouteId"]
    gateway.api.update_route(
        ApiId=api, RouteId=route, AuthorizationType="JWT", AuthorizerId=authorizer, AuthorizationScopes=["read"]
    )

    def token(key: RSAKey = Web.key, **claims: Any) -> str:
        good = {"iss": web, "aud": "app", "exp": int(time.time()) + 60, "scope": "read write", "sub": "ada"}
        return "Bearer " + jwt.encode({"alg": "RS256", "kid": "k1"}, good | claims, key)

    event = gateway(api, "/", authorization=token()).json()
    assert event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] == "ada"
    assert event["requestContext"]["authorizer"]["jwt"]["scopes"] == ["read"]
    assert gateway(api, "/").json() == {"message": "Unauthorized"}
    forged = token(RSAKey.generate_key(2048, {"kid": "k1"}))
    for bad in (token(exp=1), token(aud="other"), token(iss="https://other"), forged, "Bearer x"):
        assert gateway(api, "/", authorization=bad).status == 401
    assert gateway(api, "/", authorization=token(scope="write")).status == 403


AUTHORIZER = """
count = 0
def handler(event, context):
    global count
    count += 1
    who = event["identitySource"][0]
    if who == "broken":
        return {}
    return {"isAuthorized": who != "nobody", "context": {"who": who, "count": count}}
"""


def test_a_lambda_authorizer_decides_and_its_decision_is_cached(gateway: Gateway) -> None:
    api = gateway.make("GET /", arn=gateway.function("echo", ECHO))
    arn = gateway.function("decide", AUTHORIZER)
    authorizer = gateway.api.create_authorizer(
        ApiId=api,
        Name="decide",
        AuthorizerType="REQUEST",
        AuthorizerUri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations",
        AuthorizerPayloadFormatVersion="2.0",
        EnableSimpleResponses=True,
        AuthorizerResultTtlInSeconds=300,
        IdentitySource=["$request.header.x-who"],
    )["AuthorizerId"]
    route = gateway.api.get_routes(ApiId=api)["Items"][0]["RouteId"]
    gateway.api.update_route(ApiId=api, RouteId=route, AuthorizationType="CUSTOM", AuthorizerId=authorizer)
    first = gateway(api, "/", x_who="ada").json()["requestContext"]["authorizer"]["lambda"]
    again = gateway(api, "/", x_who="ada").json()["requestContext"]["authorizer"]["lambda"]
    assert first["who"] == "ada"
    assert first == again
    assert gateway(api, "/").status == 401
    assert gateway(api, "/", x_who="nobody").json() == {"message": "Forbidden"}
    assert gateway(api, "/", x_who="broken").status == 500


def test_routes_are_throttled(gateway: Gateway) -> None:
    api = gateway.make("GET /", arn=gateway.function("echo", ECHO))
    limits = {"ThrottlingRateLimit": 0.01, "ThrottlingBurstLimit": 2}
    gateway.api.update_stage(ApiId=api, StageName="$default", RouteSettings={"GET /": limits})
    answers = [gateway(api, "/") for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].json() == {"message": "Too Many Requests"}


def test_access_is_logged_in_the_stages_format(gateway: Gateway, account: str) -> None:
    api = gateway.make("GET /", arn=gateway.function("echo", ECHO))
    gateway.logs.create_log_group(logGroupName="access")
    arn = f"arn:aws:logs:us-east-1:{account}:log-group:access"
    settings = {"DestinationArn": arn, "Format": "$context.httpMethod $context.routeKey $context.status"}
    gateway.api.update_stage(ApiId=api, StageName="$default", AccessLogSettings=settings)
    gateway(api, "/")
    gateway(api, "/none")
    lines: list[str] = []
    for _ in range(40):
        lines = [event["message"] for event in gateway.logs.filter_log_events(logGroupName="access")["events"]]
        if len(lines) == 2:
            break
        time.sleep(0.05)
    assert sorted(lines) == ["GET - 404", "GET GET / 200"]


def test_an_api_is_imported_exported_and_imported_again(gateway: Gateway) -> None:
    arn = gateway.function("echo", ECHO)
    definition = {
        "openapi": "3.0.1",
        "info": {"title": "imported", "version": "7"},
        "paths": {
            "/a": {
                "get": {
                    "x-amazon-apigateway-integration": {
                        "type": "aws_proxy",
                        "uri": f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations",
                        "payloadFormatVersion": "2.0",
                        "httpMethod": "POST",
                    }
                }
            }
        },
    }
    made = gateway.api.import_api(Body=json.dumps(definition))
    assert (made["Name"], made["Version"]) == ("imported", "7")
    gateway.api.create_stage(ApiId=made["ApiId"], StageName="$default", AutoDeploy=True)
    assert gateway(made["ApiId"], "/a").json()["routeKey"] == "GET /a"
    exported = gateway.api.export_api(ApiId=made["ApiId"], Specification="OAS30", OutputType="YAML")["body"].read()
    second = gateway.api.import_api(Body=exported.decode())
    assert [route["RouteKey"] for route in gateway.api.get_routes(ApiId=second["ApiId"])["Items"]] == ["GET /a"]
    definition["x-amazon-apigateway-gateway-responses"] = {}
    with pytest.raises(ClientError, match="x-amazon-apigateway-gateway-responses"):
        gateway.api.reimport_api(ApiId=made["ApiId"], Body=json.dumps(definition))


def test_an_api_is_made_of_a_target_alone(gateway: Gateway) -> None:
    arn = gateway.function("echo", ECHO)
    made = gateway.api.create_api(Name="quick", ProtocolType="HTTP", Target=arn)
    assert gateway(made["ApiId"], "/any/where", "DELETE").json()["routeKey"] == "$default"
    gateway.api.update_api(ApiId=made["ApiId"], DisableExecuteApiEndpoint=True)
    assert gateway(made["ApiId"], "/any").status == 404
    gateway.api.delete_api(ApiId=made["ApiId"])
    with pytest.raises(ClientError, match="Invalid API identifier"):
        gateway.api.get_api(ApiId=made["ApiId"])


def test_what_is_not_done_is_refused_by_name(gateway: Gateway) -> None:
    for options, word in (
        ({"ProtocolType": "WEBSOCKET", "RouteSelectionExpression": "$request.body.action"}, "WebSocket"),
        ({"ProtocolType": "HTTP", "CredentialsArn": ROLE}, "CredentialsArn"),
    ):
        with pytest.raises(ClientError, match=word) as raised:
            gateway.api.create_api(Name="x", **options)
        assert raised.value.response["Error"]["Code"] == "NotImplemented"
