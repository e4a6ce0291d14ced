"""What a function answers, as HTTP."""

from __future__ import annotations

import pytest

from freehold.services.apigateway import answers


def test_format_2_takes_anything_that_is_no_response_for_the_body() -> None:
    response = answers.version_2(b'{"a": 1}')
    assert (response.status, response.body) == (200, b'{"a": 1}')
    assert ("content-type", "application/json") in response.headers


def test_cookies_become_headers_and_framing_headers_are_dropped() -> None:
    payload = b'{"statusCode": 200, "cookies": ["a=1"], "headers": {"Content-Length": "9", "X": true}, "body": "x"}'
    headers = answers.version_2(payload).headers
    assert ("set-cookie", "a=1") in headers
    assert ("X", "true") in headers
    assert not any(name.lower() == "content-length" for name, _ in headers)


def test_many_values_come_before_single_ones_in_format_1() -> None:
    payload = b'{"statusCode": 200, "multiValueHeaders": {"A": ["1", "2"]}, "headers": {"a": "3", "B": "4"}}'
    headers = answers.version_1(payload).headers
    assert [pair for pair in headers if pair[0].lower() in "ab"] == [("A", "1"), ("A", "2"), ("B", "4")]


def test_line_breaks_cannot_split_a_response() -> None:
    response = answers.version_2(b'{"statusCode": 200, "headers": {"a": "1\\r\\nset-cookie: x"}}')
    assert all("\r" not in value and "\n" not in value for _, value in response.headers)
    response = answers.version_2(b'{"statusCode": 200, "headers": {"a": "1\\u00002"}}')
    assert ("a", "12") in response.headers  # found by ./dev fuzz: such a head cannot be sent


@pytest.mark.parametrize(
    "payload",
    [
        b"{",
        b'{"statusCode": 99}',
        b'{"statusCode": true}',
        b'{"statusCode": 100}',  # found by ./dev fuzz: the client waited for the answer that it announces
        b'{"statusCode": "\xc2\xb2\xc2\xb2\xc2\xb2"}',
        b'{"statusCode": "' + b"2" * 5_000 + b'"}',
        b'{"statusCode": 200, "headers": {"a b": "c"}}',
        b'{"statusCode": 200, "headers": {"": "c"}}',
        b'{"statusCode": 200, "headers": {"a": {"b": 1}}}',
        b'{"statusCode": 200, "body": {}}',
        b'{"statusCode": 200, "headers": [1]}',
        b'{"statusCode": 200, "body": "%", "isBase64Encoded": true}',
    ],
)
def test_what_is_no_proxy_response_is_malformed(payload: bytes) -> None:
    with pytest.raises(answers.Malformed):
        answers.version_2(payload)
    with pytest.raises(answers.Malformed):
        answers.version_1(payload)


def test_an_answer_that_is_no_object_is_malformed_in_format_1() -> None:
    with pytest.raises(answers.Malformed):
        answers.version_1(b'"text"')
