"""Parameter mapping of HTTP APIs, token buckets, access log formats."""

from __future__ import annotations

import pytest

from freehold.kit.faults import Fault
from freehold.services.apigateway import access_log
from freehold.services.apigateway.buckets import TokenBucket
from freehold.services.apigateway.http import mapping
from freehold.services.apigateway.http.mapping import Mapped


def test_parameters_are_appended_overwritten_and_removed() -> None:
    mapped = Mapped({"a": ["1"], "b": ["2"]}, {"q": ["1"]})
    pairs = {
        "append:header.a": "$request.header.x",
        "overwrite:header.B": "pre-${request.querystring.y}-post",
        "remove:querystring.q": "''",
        "overwrite:path": "/p/$request.path.id",
    }
    mapping.apply(pairs, mapped, lambda name: f"<{name}>")
    assert mapped.headers == {"a": ["1", "<request.header.x>"], "b": ["pre-<request.querystring.y>-post"]}
    assert mapped.query == {}
    assert mapped.path == "/p/<request.path.id>"


@pytest.mark.parametrize("key", ["header.a", "append:body", "append:header.Authorization", "append:header.x-amz-a"])
def test_mappings_that_api_gateway_refuses_are_refused(key: str) -> None:
    with pytest.raises(Fault) as raised:
        mapping.check({key: "x"}, {})
    assert raised.value.code == "BadRequestException"


@pytest.mark.parametrize(
    ("path", "expected"), [("a.b", "1"), ("l[1]", "y"), ("o", '{"p":true}'), ("none", ""), ("l[9]", ""), ("a.b.c", "")]
)
def test_values_of_a_json_body_are_found_by_path(path: str, expected: str) -> None:
    assert mapping.body_value(b'{"a": {"b": 1}, "l": ["x", "y"], "o": {"p": true}}', path) == expected


def test_a_bucket_lets_a_burst_pass_and_then_the_rate() -> None:
    bucket = TokenBucket(rate=2, burst=3, now=0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(0.4)
    assert bucket.take(0.6)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]


def test_nodes_share_a_bucket_equally_and_each_lets_at_least_one_pass() -> None:
    bucket = TokenBucket(rate=6, burst=9, now=0.0)
    assert [bucket.take(0.0, 3) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(0.4, 3)
    assert bucket.take(0.6, 3)
    assert [bucket.take(100.0, 1) for _ in range(10)] == [True] * 9 + [False], "the others are gone"
    small, none = TokenBucket(rate=1, burst=1, now=0.0), TokenBucket(rate=0, burst=0, now=0.0)
    assert [small.take(0.0, 3), small.take(1.0, 3), small.take(3.1, 3)] == [True, False, True]
    assert not none.take(10.0, 3)


def test_a_log_line_says_what_it_can_and_a_dash_for_the_rest() -> None:
    line = access_log.compile_format(
        '{"m":"$context.httpMethod","ip":"$context.identity.sourceIp","x":"$context.none"}'
    )
    assert line({"httpMethod": "GET", "identity.sourceIp": "1.2.3.4"}) == '{"m":"GET","ip":"1.2.3.4","x":"-"}'
    assert access_log.log_group("arn:aws:logs:us-east-1:1:log-group:/a/b:*") == "/a/b"


def test_values_of_a_body_that_cannot_be_written_are_empty() -> None:
    """Found by ./dev fuzz: a client's body broke the mapping of its API."""
    assert mapping.body_value(b'{"a": [1, {"b": 2}]}', "a[1]") == '{"b":2}'
    assert mapping.body_value(b'{"a": ' + b"[" * 300 + b"]" * 300 + b"}", "a") == ""
    for place in ("²", "9" * 5_000):
        assert mapping.body_value(b'{"a": [1]}', f"a[{place}]") == ""
