"""Presigned URLs by Signature Version 2, as botocore makes them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import botocore.session
import pytest
from botocore.config import Config

from freehold.kit.http import Request
from freehold.wire import sigv4
from freehold.wire.sigv4 import AuthFailure

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def presigned(operation: str, params: dict[str, Any], token: str | None = None) -> Request:
    session = botocore.session.Session()
    session.set_credentials("AKIDEXAMPLE", SECRET, token)
    client: Any = session.create_client(
        "s3", "us-east-1", endpoint_url="http://127.0.0.1:4566", config=Config(signature_version="s3")
    )
    parts = urlsplit(client.generate_presigned_url(operation, Params=params, ExpiresIn=600))
    method = {"get_object": "GET", "put_object": "PUT", "upload_part": "PUT", "delete_object": "DELETE"}[operation]
    return Request(method, parts.path, parts.query, {"host": "127.0.0.1:4566"})


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("get_object", {"Bucket": "b", "Key": "a b+c%/é"}),
        ("get_object", {"Bucket": "b", "Key": "k", "ResponseContentType": "text/csv; charset=utf-8", "VersionId": "1"}),
        ("put_object", {"Bucket": "b", "Key": "k", "Metadata": {"a": "b c"}, "ContentType": "text/plain"}),
        ("upload_part", {"Bucket": "b", "Key": "k", "UploadId": "u+/1", "PartNumber": 3}),
        ("delete_object", {"Bucket": "b", "Key": "k"}),
    ],
)
@pytest.mark.parametrize("token", [None, "session/token=="])
def test_what_botocore_signs_is_verified(operation: str, params: dict[str, Any], token: str | None) -> None:
    request = presigned(operation, params, token)
    signature = sigv4.read_signature(request)
    assert signature is not None and signature.access_key == "AKIDEXAMPLE" and signature.token == token
    assert signature.ends is not None and signature.presigned
    sigv4.verify(request, signature, SECRET, wall=signature.ends - 1)
    for change, kind in ((lambda: request.headers.update({"x-amz-acl": "private"}), "mismatch"),):
        change()
        with pytest.raises(AuthFailure) as caught:
            sigv4.verify(request, signature, SECRET, wall=signature.ends - 1)
        assert caught.value.kind == kind
    with pytest.raises(AuthFailure) as caught:
        sigv4.verify(request, signature, SECRET, wall=signature.ends + 1)
    assert caught.value.kind == "expired"


def test_another_secret_path_or_method_does_not_match() -> None:
    request = presigned("get_object", {"Bucket": "b", "Key": "k"})
    signature = sigv4.read_signature(request)
    assert signature is not None and signature.ends is not None
    with pytest.raises(AuthFailure):
        sigv4.verify(request, signature, "other", wall=0)
    for wrong in (Request("PUT", request.path, request.query), Request("GET", "/b/other", request.query)):
        with pytest.raises(AuthFailure) as caught:
            sigv4.verify(wrong, signature, SECRET, wall=0)
        assert caught.value.kind == "mismatch"


def test_signed_headers_become_headers_again() -> None:
    request = presigned("put_object", {"Bucket": "b", "Key": "k", "Metadata": {"a": "b c"}})
    sigv4.read_signature(request)
    assert request.headers["x-amz-meta-a"] == "b c"


def test_a_time_that_is_no_number_is_refused() -> None:
    with pytest.raises(AuthFailure) as caught:
        sigv4.read_signature(Request("GET", "/b/k", "AWSAccessKeyId=a&Signature=b&Expires=soon"))
    assert caught.value.kind == "malformed"
