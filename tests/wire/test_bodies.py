"""Bodies of requests: compressed, framed in chunks, or not what they should be."""

from __future__ import annotations

import gzip
import tracemalloc

import pytest

from freehold import wire
from freehold.kit.faults import Fault
from freehold.kit.http import Request
from tests.wire.requests import serialized
from tests.wire.services import route


@pytest.mark.parametrize("protocol", ["json", "query", "smithy-rpc-v2-cbor"])
def test_bodies_may_be_gzipped_where_the_model_says_so(protocol: str) -> None:
    request = serialized(
        "cloudwatch", "PutMetricData", {"Namespace": "n", "MetricData": [{"MetricName": "m"}]}, protocol
    )
    request.headers["content-encoding"] = "gzip"
    request.body = gzip.compress(request.body)
    match = route("cloudwatch", request)
    assert wire.parse(match, request) == {"Namespace": "n", "MetricData": [{"MetricName": "m"}]}


def test_a_gzip_bomb_is_not_unpacked() -> None:
    request = serialized("cloudwatch", "PutMetricData", {"Namespace": "n", "MetricData": []}, "json")
    match = route("cloudwatch", request)
    request.headers["content-encoding"] = "gzip"
    for body, code in (
        (gzip.compress(b" " * 50_000_000), "RequestEntityTooLargeException"),
        (b"x", "SerializationException"),
    ):
        request.body = body
        tracemalloc.start()
        try:
            with pytest.raises(Fault) as refused:
                wire.parse(match, request)
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert refused.value.code == code
        assert most < 10_000_000


def test_lambda_has_its_own_word_for_a_body_that_is_no_json() -> None:
    request = Request("POST", "/2015-03-31/functions", "", {}, b"{")
    match = route("lambda", request)
    with pytest.raises(Fault) as refused:
        wire.parse(match, request)
    assert refused.value.code == "InvalidRequestContentException"


def test_chunked_framing_is_neither_counted_nor_stored_by_s3() -> None:
    headers = {"content-encoding": "aws-chunked,gzip", "x-amz-decoded-content-length": "5", "content-length": "99"}
    request = Request("PUT", "/b/k", "", headers, b"")
    parsed = wire.parse(route("s3", request), request)
    assert (parsed["ContentLength"], parsed["ContentEncoding"]) == (5, "gzip")
