"""API destinations over the wire: connections, their secrets and tokens, rates, retries."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError

from freehold.testing import Account, Clock
from tests.aws.pipes import World
from tests.aws.waiting import eventually

Aws = Callable[..., Any]


class Endpoint:
    """An HTTP server that keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], bytes, float]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.tokens = 0
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                said = b"{}"
                status = 200
                extra: dict[str, str] = {}
                if self.path.startswith("/token"):
                    endpoint.tokens += 1
                    said = json.dumps({"access_token": f"t{endpoint.tokens}", "expires_in": 3600}).encode()
                    if b"client_secret=sesame" not in body:
                        status = 401
                elif endpoint.answers:
                    status, extra = endpoint.answers.pop(0)
                endpoint.asked.append((self.path, headers, body, time.monotonic()))
                self.send_response(status)
                for name, value in extra.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def calls(self) -> list[tuple[str, dict[str, str], bytes, float]]:
        return [each for each in self.asked if not each[0].startswith("/token")]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.close()


def api_key(name: str = "x-key") -> dict[str, Any]:
    return {"ApiKeyAuthParameters": {"ApiKeyName": name, "ApiKeyValue": "sesame"}}


def oauth(url: str, secret: str = "sesame") -> dict[str, Any]:
    client = {"ClientID": "me", "ClientSecret": secret}
    return {
        "OAuthParameters": {"ClientParameters": client, "AuthorizationEndpoint": f"{url}/token", "HttpMethod": "POST"}
    }


def make(aws: Aws, account: str, url: str, kind: str, parameters: dict[str, Any], **more: Any) -> Any:
    """A destination that gets every event of the source "mine"; the client."""
    events = aws("events")
    connection = events.create_connection(Name="c", AuthorizationType=kind, AuthParameters=parameters)["ConnectionArn"]
    made = events.create_api_destination(
        Name="d", ConnectionArn=connection, InvocationEndpoint=url, HttpMethod="POST", **more
    )
    events.put_rule(Name="r", EventPattern='{"source":["mine"]}')
    target = {
        "Id": "1",
        "Arn": made["ApiDestinationArn"],
        "RoleArn": f"arn:aws:iam::{account}:role/r",
        "HttpParameters": {
            "PathParameterValues": ["$.detail.id"] if "*" in url else [],
            "HeaderParameters": {"x-detail": "$.detail.id", "x-key": "loses"},
            "QueryStringParameters": {"q": "1"},
        },
    }
    assert events.put_targets(Rule="r", Targets=[target])["FailedEntryCount"] == 0
    return events


def put(events: Any, count: int = 1) -> None:
    entries = [{"Source": "mine", "DetailType": "t", "Detail": json.dumps({"id": f"i/{n}"})} for n in range(count)]
    assert events.put_events(Entries=entries)["FailedEntryCount"] == 0


def test_the_connection_adds_its_authorization_and_parameters(aws: Aws, account: str, endpoint: Endpoint) -> None:
    parameters = api_key() | {
        "InvocationHttpParameters": {
            "HeaderParameters": [{"Key": "x-hidden", "Value": "h", "IsValueSecret": True}],
            "QueryStringParameters": [{"Key": "q", "Value": "2"}],
            "BodyParameters": [{"Key": "added", "Value": "b"}],
        }
    }
    events = make(aws, account, f"{endpoint.url}/a/*/b", "API_KEY", parameters)
    put(events)
    path, headers, body, _ = eventually(endpoint.calls)[0]
    assert path == "/a/i%2F0/b?q=2"
    assert (headers["x-key"], headers["x-hidden"], headers["x-detail"]) == ("sesame", "h", "i/0")
    assert headers["user-agent"] == "Amazon/EventBridge/ApiDestinations"
    assert (json.loads(body)["detail"], json.loads(body)["added"]) == ({"id": "i/0"}, "b")


def test_secrets_are_never_shown(aws: Aws, account: str, endpoint: Endpoint) -> None:
    events = aws("events")
    basic = {"BasicAuthParameters": {"Username": "me", "Password": "sesame"}}
    made = events.create_connection(Name="c", AuthorizationType="BASIC", AuthParameters=basic)
    assert made["ConnectionState"] == "AUTHORIZED"
    shown = events.describe_connection(Name="c")
    assert shown["AuthParameters"]["BasicAuthParameters"] == {"Username": "me"}
    assert "secret:events!connection/c/" in shown["SecretArn"]
    assert "sesame" not in json.dumps(shown, default=str)
    updated = {"BasicAuthParameters": {"Username": "you"}}
    events.update_connection(Name="c", AuthParameters=updated)
    destination = events.create_api_destination(
        Name="d", ConnectionArn=made["ConnectionArn"], InvocationEndpoint=endpoint.url, HttpMethod="POST"
    )
    assert destination["ApiDestinationState"] == "ACTIVE"
    events.deauthorize_connection(Name="c")
    assert events.describe_connection(Name="c")["ConnectionState"] == "DEAUTHORIZED"
    assert events.describe_api_destination(Name="d")["ApiDestinationState"] == "INACTIVE"
    assert [each["Name"] for each in events.list_connections(NamePrefix="c")["Connections"]] == ["c"]
    assert [each["Name"] for each in events.list_api_destinations()["ApiDestinations"]] == ["d"]
    events.delete_api_destination(Name="d")
    events.delete_connection(Name="c")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        events.describe_connection(Name="c")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        events.describe_api_destination(Name="d")


def test_oauth_tokens_are_fetched_once_and_again_after_401(aws: Aws, account: str, endpoint: Endpoint) -> None:
    events = make(aws, account, f"{endpoint.url}/x", "OAUTH_CLIENT_CREDENTIALS", oauth(endpoint.url))
    eventually(lambda: events.describe_connection(Name="c")["ConnectionState"] == "AUTHORIZED")
    asked = endpoint.tokens
    put(events, 3)
    eventually(lambda: len(endpoint.calls()) == 3)
    assert endpoint.tokens == asked + 1
    assert {headers["authorization"] for _, headers, _, _ in endpoint.calls()} == {f"Bearer t{asked + 1}"}
    endpoint.answers.append((401, {}))
    put(events)
    eventually(lambda: len(endpoint.calls()) == 5)
    assert endpoint.calls()[-1][1]["authorization"] == f"Bearer t{asked + 2}"


def test_a_client_that_is_refused_leaves_the_connection_deauthorized(aws: Aws, endpoint: Endpoint) -> None:
    events = aws("events")
    made = events.create_connection(
        Name="c", AuthorizationType="OAUTH_CLIENT_CREDENTIALS", AuthParameters=oauth(endpoint.url, "wrong")
    )
    assert made["ConnectionState"] == "AUTHORIZING"
    eventually(lambda: events.describe_connection(Name="c")["ConnectionState"] == "DEAUTHORIZED")
    assert "401" in events.describe_connection(Name="c")["StateReason"]


def test_no_more_calls_than_the_rate(aws: Aws, account: str, endpoint: Endpoint) -> None:
    events = make(aws, account, endpoint.url, "API_KEY", api_key(), InvocationRateLimitPerSecond=4)
    put(events, 8)
    calls = eventually(lambda: len(endpoint.calls()) == 8 and endpoint.calls())
    assert 0.7 < calls[-1][3] - calls[0][3] < 5


def test_429_is_tried_again_not_before_retry_after_and_400_is_not(
    freehold: Account, freehold_clock: Clock, endpoint: Endpoint
) -> None:
    events = make(freehold.client, freehold.id, endpoint.url, "API_KEY", api_key())
    endpoint.answers.append((429, {"Retry-After": "20"}))
    put(events)
    freehold_clock.advance("19s")
    assert len(endpoint.calls()) == 1
    freehold_clock.advance("10s")
    assert len(endpoint.calls()) == 2
    endpoint.answers.append((400, {}))
    put(events)
    put(events)
    freehold_clock.advance("1d")
    assert len(endpoint.calls()) == 4


def test_a_pipe_calls_an_api_destination(aws: Aws, account: str, endpoint: Endpoint) -> None:
    world, events = World(aws, account), aws("events")
    source_url, source = world.queue("source")
    connection = events.create_connection(Name="c", AuthorizationType="API_KEY", AuthParameters=api_key())
    made = events.create_api_destination(
        Name="d", ConnectionArn=connection["ConnectionArn"], InvocationEndpoint=f"{endpoint.url}/*", HttpMethod="POST"
    )
    http = {"PathParameterValues": ["$.body.id"], "HeaderParameters": {"x-id": "$.messageId"}}
    world.create(
        "p", source, made["ApiDestinationArn"], TargetParameters={"InputTemplate": "<$.body>", "HttpParameters": http}
    )
    sent = world.sqs.send_message(QueueUrl=source_url, MessageBody='{"id":"x y"}')
    path, headers, body, _ = eventually(endpoint.calls)[0]
    assert (path, headers["x-id"], body) == ("/x%20y", sent["MessageId"], b'{"id":"x y"}')


@pytest.mark.parametrize(
    ("kind", "parameters", "says"),
    [
        ("BASIC", api_key(), "BasicAuthParameters"),
        ("API_KEY", api_key() | {"BasicAuthParameters": {"Username": "a", "Password": "b"}}, "ApiKeyAuthParameters"),
        ("OAUTH_CLIENT_CREDENTIALS", oauth("ftp://x"), "HTTPS URL"),
    ],
)
def test_parameters_must_belong_to_the_type(aws: Aws, kind: str, parameters: dict[str, Any], says: str) -> None:
    with pytest.raises(ClientError, match=says):
        aws("events").create_connection(Name="c", AuthorizationType=kind, AuthParameters=parameters)
