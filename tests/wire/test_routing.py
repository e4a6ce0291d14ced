"""Which operation a request means."""

from __future__ import annotations

from freehold.kit.http import Request
from freehold.wire import load, match


def test_a_json_client_is_answered_in_its_own_version() -> None:
    for version in ("1.0", "1.1"):
        headers = {"x-amz-target": "DynamoDB_20120810.ListTables", "content-type": f"application/x-amz-json-{version}"}
        assert match([load("dynamodb")], Request("POST", "/", headers=headers, body=b"{}")).json_version == version


def test_what_the_query_names_is_meant_though_a_header_is_missing() -> None:
    for query, name in (("attributes", "GetObjectAttributes"), ("", "GetObject"), ("uploadId=1", "ListParts")):
        found = match([load("s3")], Request("GET", "/bucket/key", query, headers={}))
        assert found.operation is not None and found.operation.name == name
