"""Signatures: AWS's whole test suite, botocore's real ones, and every way in which one can be wrong."""

from __future__ import annotations

import datetime
import hashlib
import hmac
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from freehold.kit.http import Request
from freehold.wire import sigv4
from freehold.wire.auth import auth_fault
from freehold.wire.signingkeys import Keyed
from freehold.wire.sigv4 import AuthFailure, read_signature, verify
from tests.wire.vectors import SHARED

SUITE = SHARED / "sigv4"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
WALL = sigv4._seconds("20150830T123600Z")
CASES = sorted(path.parent for path in SUITE.rglob("*.req")) if SUITE.exists() else []


def read_case(folder: Path, kind: str) -> str:
    return (folder / f"{folder.name}.{kind}").read_text(encoding="utf-8").replace("\r\n", "\n")


def request_of(folder: Path) -> Request:
    """The suite's request, as an HTTP server would hand it over: headers joined, folded lines unfolded."""
    head, _, body = read_case(folder, "sreq").partition("\n\n")
    first, *lines = head.split("\n")
    method, _, rest = first.partition(" ")
    uri = rest.rpartition(" ")[0]
    headers: dict[str, str] = {}
    last = ""
    for line in lines:
        if line[:1] in (" ", "\t"):
            headers[last] += " " + line.strip()
            continue
        name, _, value = line.partition(":")
        last = name.lower()
        headers[last] = f"{headers[last]},{value.strip()}" if last in headers else value.strip()
    headers["authorization"] = read_case(folder, "authz").strip()
    path, _, query = uri.partition("?")
    return Request(method, path, query, headers, body.encode())


@pytest.mark.skipif(not SUITE.exists(), reason=f"the SigV4 suite is not at {SUITE}")
@pytest.mark.parametrize("folder", CASES, ids=[folder.name for folder in CASES])
def test_suite(folder: Path) -> None:
    request = request_of(folder)
    signature = read_signature(request)
    assert signature is not None
    payload = sigv4.payload_of(request, signature, None)
    assert sigv4.canonical_request(request, signature, payload) == read_case(folder, "creq")
    assert sigv4.string_to_sign(request, signature, payload) == read_case(folder, "sts")
    verify(request, signature, SECRET, wall=WALL)


def test_suite_is_whole() -> None:
    if not SUITE.exists():
        pytest.skip(f"the SigV4 suite is not at {SUITE}")
    assert len(CASES) == len(list(SUITE.rglob("*.authz"))) >= 31


# --- botocore's own

CREDENTIALS = Credentials("AKIDEXAMPLE", SECRET)
NOW = datetime.datetime(2026, 1, 1, 12, 0, 0)
NOW_SECONDS = NOW.replace(tzinfo=datetime.UTC).timestamp()


def signed(
    signer: Any, method: str = "POST", url: str = "http://host:4566/", body: bytes = b"", **headers: str
) -> Request:
    request = AWSRequest(method, url, data=body, headers={name.replace("_", "-"): v for name, v in headers.items()})
    with mock.patch.object(botocore.auth, "get_current_datetime", lambda *_, **__: NOW):
        signer.add_auth(request)
    parts = urlsplit(request.prepare().url)
    names = {name.lower(): str(value) for name, value in request.prepare().headers.items()}
    names = {name: value.removeprefix("b'").removesuffix("'") for name, value in names.items()}
    names.setdefault("host", "host:4566")
    return Request(method, parts.path or "/", parts.query, names, body)


def check(request: Request, wall: float = NOW_SECONDS, secret: str = SECRET) -> sigv4.Signature:
    signature = read_signature(request)
    assert signature is not None
    body_hash = hashlib.sha256(request.body).hexdigest() if request.stream is None else None
    verify(request, signature, secret, wall=wall, body_hash=body_hash)
    return signature


def v4(service: str = "dynamodb", **kwargs: Any) -> Any:
    return botocore.auth.SigV4Auth(kwargs.get("credentials", CREDENTIALS), service, "us-east-1")


def s3(kind: str = "S3SigV4Auth", *args: Any) -> Any:
    return getattr(botocore.auth, kind)(CREDENTIALS, "s3", "us-east-1", *args)


PATHS = ["/", "/a%20b/c", "/a/../b//c", "/functions/arn%3Aaws%3Alambda/x", "/~user/-._", "/%C3%BC", "/a%2Fb", "/x%2By"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("query", ["", "?a=b&a=a&B=1", "?x=%20y&z", "?a=1%2B1&b=%2F"])
def test_botocore_header_signatures(path: str, query: str) -> None:
    check(signed(v4("lambda"), "GET", f"http://host:4566{path}{query}"))
    check(signed(s3(), "GET", f"http://host:4566{path}{query}"))


def test_body_is_part_of_the_signature() -> None:
    request = signed(v4(), body=b'{"a": 1}', X_Amz_Target="DynamoDB_20120810.GetItem")
    check(request)
    request.body = b'{"a": 2}'
    with pytest.raises(AuthFailure) as refused:
        check(request)
    assert refused.value.kind == "mismatch"


def test_s3_names_its_body_and_a_wrong_one_is_refused() -> None:
    request = signed(s3(), "PUT", "http://host:4566/b/k", b"data")
    check(request)
    request.body = b"date"
    with pytest.raises(AuthFailure) as refused:
        check(request)
    assert refused.value.kind == "bad-payload"


def test_presigned_until_it_expires() -> None:
    request = signed(s3("S3SigV4QueryAuth", 600), "GET", "http://host:4566/b/a%20key")
    signature = check(request)
    assert signature.presigned and signature.expires == 600
    check(request, NOW_SECONDS + 599)
    with pytest.raises(AuthFailure) as refused:
        check(request, NOW_SECONDS + 601)
    assert refused.value.kind == "expired"
    fault = auth_fault("expired", "rest-xml", "s3", **refused.value.details)
    assert (fault.code, fault.message, fault.status) == ("AccessDenied", "Request has expired", 403)


def test_presigned_for_more_than_a_week_is_refused() -> None:
    request = signed(s3("S3SigV4QueryAuth", 604_801), "GET", "http://host:4566/b/k")
    with pytest.raises(AuthFailure) as refused:
        read_signature(request)
    fault = auth_fault(refused.value.kind, "rest-xml", "s3", **refused.value.details)
    assert fault.code == "AuthorizationQueryParametersError"
    assert "604800" in fault.message


def test_session_token_travels_in_header_and_query() -> None:
    credentials = Credentials("ASIA", SECRET, "token==")
    assert check(signed(v4(credentials=credentials))).token == "token=="
    signer = botocore.auth.S3SigV4QueryAuth(credentials, "s3", "us-east-1", 60)
    assert check(signed(signer, "GET", "http://host:4566/b/k")).token == "token=="


@pytest.mark.parametrize(("service", "minutes"), [("dynamodb", 5), ("s3", 15)])
def test_clocks_may_differ_by_five_minutes_and_fifteen_at_s3(service: str, minutes: int) -> None:
    request = signed(v4(service) if service != "s3" else s3())
    check(request, NOW_SECONDS + minutes * 60)
    check(request, NOW_SECONDS - minutes * 60)
    for wall in (NOW_SECONDS + minutes * 60 + 1, NOW_SECONDS - minutes * 60 - 1):
        with pytest.raises(AuthFailure) as refused:
            check(request, wall)
        assert refused.value.kind == "skewed"


def test_wrong_secret_in_every_protocol() -> None:
    request = signed(v4())
    with pytest.raises(AuthFailure) as refused:
        check(request, secret="other")
    details = refused.value.details
    found = [
        (fault.code, fault.status)
        for protocol, service in (
            ("json", "dynamodb"),
            ("rest-json", "lambda"),
            ("query", "iam"),
            ("rest-xml", "s3"),
            ("ec2", "ec2"),
        )
        for fault in [auth_fault("mismatch", protocol, service, **details)]
    ]
    assert found == [
        ("InvalidSignatureException", 400),
        ("InvalidSignatureException", 403),
        ("SignatureDoesNotMatch", 403),
        ("SignatureDoesNotMatch", 403),
        ("AuthFailure", 401),
    ]


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("AWS AKID:sig", "unsupported"),
        ("AWS4-ECDSA-P256-SHA256 Credential=a", "unsupported"),
        ("Bearer x", "malformed"),
        ("AWS4-HMAC-SHA256 Credential=a/20260101/r/s/aws4_request", "incomplete"),
        ("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=x", "malformed"),
        ("AWS4-HMAC-SHA256 Credential=a/today/r/s/aws4_request, SignedHeaders=host, Signature=x", "malformed"),
    ],
)
def test_unreadable_authorization(header: str, kind: str) -> None:
    with pytest.raises(AuthFailure) as refused:
        read_signature(Request("GET", "/", headers={"authorization": header, "x-amz-date": "20260101T000000Z"}))
    assert refused.value.kind == kind
    for protocol, service in (("json", "dynamodb"), ("query", "sts"), ("rest-json", "lambda"), ("rest-xml", "s3")):
        assert auth_fault(kind, protocol, service, **refused.value.details).code


def test_host_must_be_signed() -> None:
    request = signed(v4())
    signature = read_signature(request)
    assert signature is not None
    signature.claims = replace(signature.claims, signed_headers=("x-amz-date",))
    with pytest.raises(AuthFailure):
        verify(request, signature, SECRET, wall=NOW_SECONDS)


def test_s3_refuses_amz_headers_that_were_not_signed() -> None:
    request = signed(s3(), "PUT", "http://host:4566/b/k")
    request.headers["x-amz-acl"] = "public-read"
    with pytest.raises(AuthFailure) as refused:
        check(request)
    assert refused.value.details["unsigned"] == "x-amz-acl"


def test_scope_must_be_of_the_day_it_was_signed() -> None:
    request = signed(v4())
    signature = read_signature(request)
    assert signature is not None
    signature.claims = replace(signature.claims, date="20251231")
    with pytest.raises(AuthFailure) as refused:
        verify(request, signature, SECRET, wall=NOW_SECONDS)
    assert refused.value.kind == "scope-date"


def test_the_path_as_signed_counts_where_front_rewrote_it() -> None:
    request = signed(s3(), "GET", "http://host:4566/key")
    request.path, request.raw_path = "/bucket/key", "/key"
    check(request)


def test_no_signature_at_all() -> None:
    assert read_signature(Request("GET", "/b/k")) is None
    assert auth_fault("missing", "json", "dynamodb").code == "MissingAuthenticationTokenException"
    assert auth_fault("missing", "query", "sts").code == "MissingAuthenticationToken"
    assert auth_fault("missing", "rest-xml", "s3").code == "AccessDenied"


def test_s3_wants_a_hash_or_a_word_it_knows_for_the_body() -> None:
    request = signed(s3(), "PUT", "http://host:4566/b/k")
    request.headers["x-amz-content-sha256"] = "nonsense"
    with pytest.raises(AuthFailure) as refused:
        check(request)
    fault = auth_fault(refused.value.kind, "rest-xml", "s3", **refused.value.details)
    assert (fault.code, fault.fields["ArgumentValue"]) == ("InvalidArgument", "nonsense")


@pytest.mark.parametrize(
    "query", ["xX-Amz-Algorithm=1", "X-Amz-Algorithm=AWS4-HMAC-SHA256", "xAWSAccessKeyId=&xSignature=&xExpires="]
)
def test_queries_that_only_look_signed(query: str) -> None:
    try:
        assert read_signature(Request("GET", "/b/k", query)) is None
    except AuthFailure as failure:
        assert failure.kind in ("malformed", "incomplete")


@pytest.mark.parametrize("length", [0, 1, 32, 63, 64, 65, 200])
def test_a_keyed_hash_is_the_hmac(length: int) -> None:
    key, message = bytes(range(256))[:length], b"message" * length
    assert Keyed(key).hexdigest(message) == hmac.digest(key, message, "sha256").hex()
