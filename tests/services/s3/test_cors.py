"""Cross-origin resource sharing."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.kit.http import Request
from freehold.services.s3 import objects
from freehold.services.s3.cors import preflight
from tests.services.s3.support import OWNER, S3, refused, root, run

RULES = [
    {"AllowedOrigins": ["https://*.example.com"], "AllowedMethods": ["PUT", "GET"],
     "AllowedHeaders": ["x-amz-*", "Content-Type"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60},
    {"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]},
]  # fmt: skip


async def ask(
    s3: S3, origin: str, method: str, headers: str = "", path: str = "/bucket/k"
) -> tuple[int, dict[str, str], bytes]:
    asked = {"origin": origin, "access-control-request-method": method, "access-control-request-headers": headers}
    http = Request("OPTIONS", path, "", {name: value for name, value in asked.items() if value})
    answer = await preflight(s3.platform, http, "r")
    assert isinstance(answer.body, bytes)
    return answer.status, {name.lower(): value for name, value in answer.headers}, answer.body


def test_preflights_are_answered_by_the_first_rule_that_allows() -> None:
    async def test(s3: S3) -> None:
        status, _, body = await ask(s3, "https://a.example.com", "PUT")
        assert status == 403 and b"CORS is not enabled for this bucket." in body
        await s3("PutBucketCors", Bucket="bucket", CORSConfiguration={"CORSRules": RULES})
        status, headers, _ = await ask(s3, "https://a.example.com", "PUT", "X-Amz-Date, content-type")
        assert status == 200 and headers["access-control-allow-origin"] == "https://a.example.com"
        assert headers["access-control-allow-methods"] == "PUT, GET" and headers["access-control-max-age"] == "60"
        assert headers["access-control-allow-headers"] == "x-amz-date, content-type"
        assert headers["access-control-expose-headers"] == "ETag"
        assert headers["access-control-allow-credentials"] == "true"
        status, headers, _ = await ask(s3, "https://elsewhere.org", "GET")
        assert status == 200 and headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in headers
        for origin, method, asked in (
            ("https://elsewhere.org", "PUT", ""),
            ("https://a.example.com", "PUT", "authorization"),
            ("https://a.example.com", "DELETE", ""),
        ):
            assert (await ask(s3, origin, method, asked))[0] == 403
        assert (await ask(s3, "", "GET"))[0] == 400
        assert (await ask(s3, "https://a.example.com", "PATCH"))[0] == 400
        assert (await ask(s3, "https://a.example.com", "GET", path="/none/k"))[0] == 403

    run(test)


def test_answers_and_refusals_carry_the_headers() -> None:
    async def test(s3: S3) -> None:
        await s3("PutBucketCors", Bucket="bucket", CORSConfiguration={"CORSRules": RULES})
        await s3.put("k")
        for key, origin, allowed in (
            ("k", "https://a.example.com", "https://a.example.com"),
            ("none", "https://other.org", "*"),
        ):
            params = {"Bucket": "bucket", "Key": key}
            call = s3.request("GetObject", root(OWNER), "us-east-1", params)
            call.http = Request("GET", f"/bucket/{key}", "", {"origin": origin})
            if key == "none":
                await refused(objects.get_object(call, params), "NoSuchKey")
            else:
                await objects.get_object(call, params)
            assert call.response_headers["Access-Control-Allow-Origin"] == allowed

    run(test)


def test_rules_are_kept_shown_and_removed() -> None:
    async def test(s3: S3) -> None:
        await refused(s3("GetBucketCors", Bucket="bucket"), "NoSuchCORSConfiguration")
        await s3("PutBucketCors", Bucket="bucket", CORSConfiguration={"CORSRules": RULES})
        assert (await s3("GetBucketCors", Bucket="bucket"))["CORSRules"] == RULES
        await s3("DeleteBucketCors", Bucket="bucket")
        await refused(s3("GetBucketCors", Bucket="bucket"), "NoSuchCORSConfiguration")

    run(test)


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"AllowedOrigins": ["*"]}, "MalformedXML"),
        ({"AllowedOrigins": ["*"], "AllowedMethods": ["PATCH"]}, "InvalidRequest"),
        ({"AllowedOrigins": ["*a*"], "AllowedMethods": ["GET"]}, "InvalidRequest"),
        ({"AllowedOrigins": ["a"], "AllowedMethods": ["GET"], "ExposeHeaders": ["x-*"]}, "InvalidRequest"),
    ],
)
def test_what_rules_are_refused(rule: dict[str, Any], code: str) -> None:
    async def test(s3: S3) -> None:
        await refused(s3("PutBucketCors", Bucket="bucket", CORSConfiguration={"CORSRules": [rule]}), code)

    run(test)
