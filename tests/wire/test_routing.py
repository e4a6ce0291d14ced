"""Which operation a request means, and how what means none is refused."""

from __future__ import annotations

import re

import pytest

from freehold import wire
from freehold.kit.http import Request
from freehold.wire.base import WireFault
from freehold.wire.models import Service
from tests.wire.requests import form
from tests.wire.services import ID, SERVICES, route


def test_a_json_client_is_answered_in_its_own_version() -> None:
    for version in ("1.0", "1.1"):
        headers = {"x-amz-target": "DynamoDB_20120810.ListTables", "content-type": f"application/x-amz-json-{version}"}
        assert route("dynamodb", Request("POST", "/", headers=headers, body=b"{}")).json_version == version


def test_what_the_query_names_is_meant_though_a_header_is_missing() -> None:
    for query, name in (("attributes", "GetObjectAttributes"), ("", "GetObject"), ("uploadId=1", "ListParts")):
        found = route("s3", Request("GET", "/bucket/key", query, headers={}))
        assert found.operation is not None and found.operation.name == name


def target(name: str) -> Request:
    return Request("POST", "/", "", {"x-amz-target": name})


def cbor(path: str) -> Request:
    return Request("POST", path, "", {"smithy-protocol": "rpc-v2-cbor"})


@pytest.mark.parametrize(
    ("request_", "hint", "code", "status", "protocol"),
    [
        (target("DynamoDB_20120810.Fly"), "dynamodb", "UnknownOperationException", 400, "json"),
        (target("Nope.Fly"), "dynamodb", "UnknownOperationException", 400, "json"),
        (target("Nope.Fly"), "nope", "NotImplemented", 501, "json"),
        (form(Action="Fly", Version="2010-05-08"), "iam", "InvalidAction", 400, "query"),
        (form(Version="2010-05-08"), "iam", "MissingAction", 400, "query"),
        (form(Action="Fly"), "redshift", "NotImplemented", 501, "query"),
        (Request("GET", "/2099-01-01/functions"), "lambda", "UnknownOperationException", 404, "rest-json"),
        (Request("PATCH", "/b/k"), "s3", "MethodNotAllowed", 405, "rest-xml"),
        (Request("POST", "/b/k"), "s3", "MethodNotAllowed", 405, "rest-xml"),
        (cbor("/service/X/operation/Y"), None, "NotImplemented", 501, "smithy-rpc-v2-cbor"),
        (
            cbor("/service/GraniteServiceVersion20100801/operation/Fly"),
            "monitoring",
            "UnknownOperationException",
            404,
            "smithy-rpc-v2-cbor",
        ),
    ],
)  # fmt: skip
def test_unknown(request_: Request, hint: str | None, code: str, status: int, protocol: str) -> None:
    with pytest.raises(WireFault) as refused:
        wire.match(SERVICES, request_, hint=hint)
    fault = refused.value
    assert (fault.code, fault.match.protocol) == (code, protocol)
    response = wire.render_fault(fault.match, fault, ID)
    assert response.status == status
    assert isinstance(response.body, bytes)
    assert code.encode() in response.body or dict(response.headers)["x-amzn-errortype"] == code


def test_unsigned_requests_find_their_service() -> None:
    cases = [
        (form(Action="AssumeRoleWithWebIdentity", Version="2011-06-15"), "sts", "AssumeRoleWithWebIdentity"),
        (Request("GET", "/", "Action=ListQueues"), "sqs", "ListQueues"),
        (Request("POST", "/", "", {"x-amz-target": "Logs_20140328.PutLogEvents"}), "logs", "PutLogEvents"),
        (Request("POST", "/2015-03-31/functions/f/invocations"), "lambda", "Invoke"),
        (Request("GET", "/v1/pipes/p"), "pipes", "DescribePipe"),
        (Request("GET", "/restapis/x"), "apigateway", "GetRestApi"),
        (Request("GET", "/bucket/some/key"), "s3", "GetObject"),
        (Request("GET", "/"), "s3", "ListBuckets"),
    ]
    for request, service, operation in cases:
        match = wire.match(SERVICES, request)
        assert match.operation is not None
        assert (match.service.name, match.operation.name) == (service, operation)


def test_services_that_share_a_signing_name_are_told_apart() -> None:
    assert wire.match(SERVICES, Request("GET", "/v2/apis"), hint="apigateway").service.name == "apigatewayv2"
    assert wire.match(SERVICES, Request("GET", "/restapis"), hint="apigateway").service.name == "apigateway"
    stream = Request("POST", "/", "", {"x-amz-target": "DynamoDBStreams_20120810.ListStreams"})
    assert wire.match(SERVICES, stream, hint="dynamodb").service.name == "dynamodbstreams"


def test_every_operation_of_every_rest_service_is_found() -> None:
    """Each path of the model, with labels filled in and required members sent, leads to its own operation."""
    rest = [service for service in SERVICES if service.protocols[0] in ("rest-json", "rest-xml")]
    assert {service.name for service in rest} == {"lambda", "pipes", "scheduler", "apigateway", "apigatewayv2", "s3"}
    for service in rest:
        for operation in service.operations.values():
            if operation.name in service.patch.hidden:
                continue
            request = example(service, operation.name)
            found = route(service.name, request)
            assert found.operation is not None
            assert (found.service, found.operation.name) == (service, operation.name), request


def example(service: Service, name: str) -> Request:

    operation = service.operations[name]
    path, _, query = operation.http_path.partition("?")
    headers, pairs = {}, [query] if query else []
    shape = operation.input
    for member_name in shape.required if shape is not None else ():
        assert shape is not None
        member = shape.members[member_name]
        if member.location == "querystring":
            pairs.append(f"{member.wire_name}=1")
        elif member.location == "header":
            headers[(member.wire_name or "").lower()] = "1"
    return Request(operation.http_method, re.sub(r"\{[^}]+\}", "x", path), "&".join(pairs), headers)


def test_a_path_that_ends_in_a_slash_is_the_bucket_and_keys_keep_theirs() -> None:
    assert route("s3", Request("GET", "/bucket/")).operation is wire.load("s3").operations["ListObjects"]
    for path, key in (("/b//k", "/k"), ("/b/k/", "k/"), ("/b/a%2Fb%20c", "a/b c"), ("/b/../x", "../x")):
        match = route("s3", Request("GET", path))
        assert match.path_params == {"Bucket": "b", "Key": key}


def test_a_path_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(WireFault) as refused:
        route("s3", Request("GET", "/b/%ff"))
    assert refused.value.code == "InvalidURI"
