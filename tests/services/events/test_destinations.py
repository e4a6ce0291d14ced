"""Rates, headers and addresses of API destinations; the wire is in tests/aws/test_events_destinations.py."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.kit.faults import Fault
from freehold.ports.events import Answer
from freehold.services.events import calling
from freehold.services.events.authorization import Unauthorized, _read_token, with_query
from freehold.services.events.connections import check_endpoint, public
from tests.services.events.support import PATTERN, ROLE, EventBridge, scenario


def test_a_second_of_silence_earns_a_seconds_worth_of_calls() -> None:
    rates = calling.Rates()
    assert [rates.turn("d", 4, 10_000) for _ in range(6)] == [None] * 4 + [10_250, 10_500]
    assert rates.turn("e", 4, 10_000) is None
    assert [rates.turn("d", 4, 60_000) for _ in range(5)] == [None] * 4 + [60_250]


def test_a_ticket_keeps_its_turn() -> None:
    rates = calling.Rates()
    assert rates.turn("d", 1, 0, "a") is None
    assert rates.turn("d", 1, 0, "b") == 1000
    assert rates.turn("d", 1, 0, "c") == 2000
    assert rates.turn("d", 1, 500, "b") == 1000
    assert rates.turn("d", 1, 1000, "b") is None
    assert rates.turn("d", 1, 1000, "c") == 2000


def test_a_slow_destination_has_no_more_than_its_share_under_way() -> None:
    rates = calling.Rates()
    assert [rates.enter("slow", 0, str(n)) for n in range(64)] == [None] * 64
    assert rates.enter("slow", 0, "late") == calling.CROWDED_MS
    assert rates.enter("other", 0, "x") is None
    assert rates.enter("slow", 0, "later") == calling.CROWDED_MS
    rates.leave("slow")
    assert rates.enter("slow", 500, "late") is None


def test_the_connections_headers_win_and_eventbridges_own_are_not_the_users() -> None:
    made = dict(
        calling.merged_headers(
            {"X-A": "target", "User-Agent": "mine", "content-type": "text/plain"}, {"x-a": "connection", "Host": "h"}
        )
    )
    assert made["x-a"] == "connection" and made["content-type"] == "text/plain"
    assert made["User-Agent"] == "Amazon/EventBridge/ApiDestinations" and "Host" not in made


def test_a_header_of_several_lines_is_no_header() -> None:
    for headers in ({"x": "a\r\nhost: b"}, {"x": "é"}, {"x\n": "a"}):
        with pytest.raises(Fault, match="characters"):
            calling.merged_headers(headers, {})


def test_wildcards_are_filled_in_order_and_escaped() -> None:
    assert calling.filled("http://h/a/*/b/*", ["x/y", "é"]) == "http://h/a/x%2Fy/b/%C3%A9"
    with pytest.raises(Fault, match="fewer values"):
        calling.filled("http://h/*/*", ["a"])
    assert with_query("http://h?a=1", {"b": "2"}) == "http://h?a=1&b=2"


def test_body_parameters_are_members_of_an_object_only() -> None:
    assert calling.with_members(b'{"a":1}', {"b": "x"}) == b'{"a":1,"b":"x"}'
    assert calling.with_members(b"[1]", {"b": "x"}) == b"[1]"
    assert calling.with_members(b"text", {"b": "x"}) == b"text"


def test_a_body_too_deep_to_be_written_again_takes_no_members() -> None:
    """JSON is read to 1,024 levels and written to 254: the delivery failed with an internal error, again and again."""
    deep = b'{"a":' * 300 + b"1" + b"}" * 300
    assert calling.with_members(deep, {}) == deep
    with pytest.raises(Fault) as caught:
        calling.with_members(deep, {"b": "x"})
    assert caught.value.code == "ValidationException"


@pytest.mark.parametrize("token", ["[" * 1_000 + "]" * 1_000, "1", "null", '{"a": 1}'])
def test_a_token_that_is_no_text_is_none(token: str) -> None:
    for body in (f'{{"access_token": {token}}}', f'{{"access_token": "t", "token_type": {token}, "expires_in": []}}'):
        with pytest.raises(Unauthorized):
            _read_token(body.encode())
    assert _read_token(b'{"access_token": "t"}')[0] == "Bearer t"


def test_retry_after_is_seconds_or_a_date() -> None:
    def asked(value: str) -> int:
        return calling.retry_after_ms(Answer(429, {"retry-after": value}, b""), 1_000_000_000.0)

    assert asked("7") == 7_000
    assert asked("Sun, 09 Sep 2001 01:47:00 GMT") == 20_000
    assert asked("soon") == 0
    assert asked("99999999999") == 86_400_000


def test_only_http_and_https_endpoints() -> None:
    check_endpoint("https://example.com/a*", "InvocationEndpoint")
    check_endpoint("http://127.0.0.1:8080/x", "InvocationEndpoint")
    for url in ("ftp://example.com", "example.com", "http://", "http://h:99999/"):
        with pytest.raises(Fault, match="HTTPS URL"):
            check_endpoint(url, "InvocationEndpoint")


def test_what_is_shown_has_no_secrets() -> None:
    client = {"ClientID": "me", "ClientSecret": "sesame"}
    oauth = {"ClientParameters": client, "AuthorizationEndpoint": "https://t", "HttpMethod": "POST"}
    hidden = {"BodyParameters": [{"Key": "k", "Value": "sesame", "IsValueSecret": True}, {"Key": "o", "Value": "open"}]}
    shown = public({"OAuthParameters": {**oauth, "OAuthHttpParameters": hidden}, "InvocationHttpParameters": hidden})
    assert "sesame" not in str(shown) and "open" in str(shown)


@scenario
async def test_a_destination_that_cannot_be_reached_is_tried_again_and_then_dead(house: EventBridge) -> None:
    key = {"ApiKeyAuthParameters": {"ApiKeyName": "k", "ApiKeyValue": "v"}}
    made = await house("CreateConnection", Name="c", AuthorizationType="API_KEY", AuthParameters=key)
    destination = await house(
        "CreateApiDestination",
        Name="d",
        ConnectionArn=made["ConnectionArn"],
        InvocationEndpoint="http://127.0.0.1:1/",
        HttpMethod="POST",
    )
    dead = "arn:aws:sqs:us-east-1:111122223333:dead"
    policy = {"RetryPolicy": {"MaximumRetryAttempts": 2}, "DeadLetterConfig": {"Arn": dead}}
    await house.rule("r", {"Arn": destination["ApiDestinationArn"], "RoleArn": ROLE, **policy})
    await house.put()
    await house.advance(60)
    [letter] = house.to(dead)
    assert letter.more["attributes"]["RETRY_ATTEMPTS"] == "2"
    assert letter.more["attributes"]["ERROR_CODE"] == "CONNECTION_FAILURE"


@scenario
async def test_connections_and_destinations_of_another_life_are_not_found(house: EventBridge) -> None:
    key = {"ApiKeyAuthParameters": {"ApiKeyName": "k", "ApiKeyValue": "v"}}
    request: dict[str, Any] = {"Name": "c", "AuthorizationType": "API_KEY", "AuthParameters": key}
    first = await house("CreateConnection", **request)
    assert (await house.refused("CreateConnection", **request))[0] == "ResourceAlreadyExistsException"
    await house("DeleteConnection", Name="c")
    await house("CreateConnection", **request)
    destination = {"Name": "d", "InvocationEndpoint": "https://h", "HttpMethod": "POST"}
    code, _ = await house.refused("CreateApiDestination", ConnectionArn=first["ConnectionArn"], **destination)
    assert code == "ResourceNotFoundException"
    code, _ = await house.refused("UpdateApiDestination", Name="d")
    assert code == "ResourceNotFoundException"
    private = {"InvocationConnectivityParameters": {"ResourceParameters": {"ResourceConfigurationArn": ""}}}
    assert (await house.refused("CreateConnection", **request | private | {"Name": "p"}))[0] == "NotImplemented"


@scenario
async def test_destinations_of_other_accounts_are_no_targets(house: EventBridge) -> None:
    await house("PutRule", Name="r", EventPattern=PATTERN)
    foreign = "arn:aws:events:us-east-1:444455556666:api-destination/d/11111111-2222-3333-4444-555555555555"
    code, message = await house.refused("PutTargets", Rule="r", Targets=[{"Id": "1", "Arn": foreign, "RoleArn": ROLE}])
    assert code == "ValidationException" and "other accounts" in message


@scenario
async def test_an_authorization_endpoint_that_is_down_is_asked_again(house: EventBridge) -> None:
    client = {"ClientID": "me", "ClientSecret": "sesame"}
    oauth = {"ClientParameters": client, "AuthorizationEndpoint": "http://127.0.0.1:1/token", "HttpMethod": "POST"}
    made = await house(
        "CreateConnection",
        Name="c",
        AuthorizationType="OAUTH_CLIENT_CREDENTIALS",
        AuthParameters={"OAuthParameters": oauth},
    )
    destination = await house(
        "CreateApiDestination",
        Name="d",
        ConnectionArn=made["ConnectionArn"],
        InvocationEndpoint="http://127.0.0.1:1/",
        HttpMethod="POST",
    )
    await house.advance(1)
    assert (await house("DescribeConnection", Name="c"))["ConnectionState"] == "DEAUTHORIZED"
    with pytest.raises(OSError, match="could not be asked"):
        await house.platform.events.call_destination(
            destination["ApiDestinationArn"], b"{}", headers={}, query={}, path_values=[]
        )
    await house("DeauthorizeConnection", Name="c")
    with pytest.raises(Fault, match="not authorized"):
        await house.platform.events.call_destination(
            destination["ApiDestinationArn"], b"{}", headers={}, query={}, path_values=[]
        )


@scenario
async def test_an_event_waits_for_its_turn_no_longer_than_it_may_be_old(house: EventBridge) -> None:
    key = {"ApiKeyAuthParameters": {"ApiKeyName": "k", "ApiKeyValue": "v"}}
    made = await house("CreateConnection", Name="c", AuthorizationType="API_KEY", AuthParameters=key)
    destination = await house(
        "CreateApiDestination",
        Name="d",
        ConnectionArn=made["ConnectionArn"],
        InvocationEndpoint="http://127.0.0.1:1/",
        HttpMethod="POST",
        InvocationRateLimitPerSecond=1,
    )
    dead = "arn:aws:sqs:us-east-1:111122223333:dead"
    policy = {"RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}}
    target = {"Arn": destination["ApiDestinationArn"], "RoleArn": ROLE, "DeadLetterConfig": {"Arn": dead}, **policy}
    await house.rule("r", target)
    for _ in range(7):
        await house.put(*[{"n": n} for n in range(10)])
    await house.advance(0)
    conditions = [letter.more["attributes"]["EXHAUSTED_RETRY_CONDITION"] for letter in house.to(dead)]
    assert conditions.count("MaximumEventAgeInSeconds") == 9
    await house.advance(30)
    assert len(house.to(dead)) == 9 + 31
    await house.advance(60)
    assert len(house.to(dead)) == 70
