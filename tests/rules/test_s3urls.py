"""S3 URLs in every form."""

from __future__ import annotations

import pytest

from freehold.rules.s3urls import S3Location, parse

KEY = S3Location("my-bucket", "a/b c.yaml")


@pytest.mark.parametrize(
    "url",
    [
        "s3://my-bucket/a/b%20c.yaml",
        "s3://my-bucket/a/b c.yaml",
        "https://my-bucket.s3.amazonaws.com/a/b%20c.yaml",
        "https://my-bucket.s3.eu-west-1.amazonaws.com/a/b%20c.yaml",
        "https://my-bucket.s3-eu-west-1.amazonaws.com/a/b%20c.yaml",
        "https://my-bucket.s3.dualstack.eu-west-1.amazonaws.com/a/b%20c.yaml",
        "https://my-bucket.s3.cn-north-1.amazonaws.com.cn/a/b%20c.yaml",
        "https://s3.amazonaws.com/my-bucket/a/b%20c.yaml",
        "https://s3.eu-west-1.amazonaws.com/my-bucket/a/b%20c.yaml",
        "https://s3-eu-west-1.amazonaws.com/my-bucket/a/b%20c.yaml",
        "http://127.0.0.1:4566/my-bucket/a/b%20c.yaml",
        "http://localhost:4566/my-bucket/a/b%20c.yaml",
        "http://[::1]:4566/my-bucket/a/b%20c.yaml",
        "http://my-bucket.localhost:4566/a/b%20c.yaml",
        "http://my-bucket.s3.localhost:4566/a/b%20c.yaml",
        "http://my-bucket.s3.eu-west-1.localhost:4566/a/b%20c.yaml",
        "http://s3.localhost:4566/my-bucket/a/b%20c.yaml",
    ],
)
def test_every_form_of_an_s3_url_names_its_object(url: str) -> None:
    assert parse(url) == KEY


def test_own_addresses_count_with_their_port() -> None:
    own = ("freehold.example:4566", "other.example")
    assert parse("http://freehold.example:4566/b/k", own) == S3Location("b", "k")
    assert parse("http://bucket.freehold.example:4566/k", own) == S3Location("bucket", "k")
    assert parse("http://freehold.example:80/b/k", own) is None
    assert parse("http://other.example:9/b/k", own) == S3Location("b", "k")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/bucket/key",
        "https://bucket.dynamodb.amazonaws.com/key",
        "ftp://my-bucket/key",
        "/just/a/path",
        "",
        "s3://",
        "http://127.0.0.1:4566/",
        "http://127.0.0.1:4566/_freehold/status",
        "http://127.0.0.1:99999999/b/k",
        "https://notamazonaws.com/b/k",
    ],
)
def test_what_is_no_s3_url_is_none(url: str) -> None:
    assert parse(url) is None


def test_dots_versions_and_bare_buckets() -> None:
    assert parse("https://my.dotted.bucket.s3.us-west-2.amazonaws.com/k") == S3Location("my.dotted.bucket", "k")
    assert parse("https://b.s3.amazonaws.com/k?versionId=v1&x=y") == S3Location("b", "k", "v1")
    assert parse("https://b.s3.amazonaws.com") == S3Location("b", "")
    assert parse("s3://b") == S3Location("b", "")
    assert parse("https://b.s3.amazonaws.com/a%2Fb+c%3F") == S3Location("b", "a/b+c?")
