"""Whatever a client sends, the wire answers with a Fault or with input of the model's types: never with anything else."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import cbor2
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold import wire
from freehold.kit.faults import Fault
from freehold.kit.http import Request
from freehold.wire.base import Match
from freehold.wire.protocols import cborvalues
from freehold.wire.protocols.malformed import Malformed
from freehold.wire.shapes import Shape
from freehold.wire.sigv4 import AuthFailure, read_signature

SERVICES = [
    wire.load(name) for name in ("dynamodb", "sqs", "lambda", "s3", "iam", "cloudwatch", "apigatewayv2", "logs")
]
OPERATIONS = [
    ("dynamodb", "json", "PutItem"),
    ("dynamodb", "json", "TransactWriteItems"),
    ("sqs", "json", "SendMessageBatch"),
    ("sqs", "query", "SendMessageBatch"),
    ("sqs", "query", "SetQueueAttributes"),
    ("lambda", "rest-json", "CreateFunction"),
    ("iam", "query", "CreateRole"),
    ("s3", "rest-xml", "DeleteObjects"),
    ("s3", "rest-xml", "PutBucketLifecycleConfiguration"),
    ("s3", "rest-xml", "SelectObjectContent"),
    ("cloudwatch", "json", "PutMetricData"),
    ("cloudwatch", "query", "PutMetricData"),
    ("cloudwatch", "smithy-rpc-v2-cbor", "PutMetricData"),
    ("apigatewayv2", "rest-json", "CreateApi"),
]
IDS = [".".join(names) for names in OPERATIONS]
KNOWN = ["Item", "TableName", "S", "M", "L", "B", "NULL", "Entries", "Id", "Code", "ZipFile", "MetricData", "Timestamp"]
KNOWN += ["Value", "Dimensions", "Namespace", "Tags", "member", "1", "2", "Key", "Environment", "Variables", "Timeout"]

KEYS = st.sampled_from(KNOWN) | st.text(max_size=5)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSONS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
)


def answer(service: str, protocol: str, operation: str, request: Request) -> None:
    """Parse and validate; check what came out, or render what was refused."""
    loaded = wire.load(service)
    match = Match(loaded, protocol, loaded.operations[operation])
    assert match.operation is not None
    try:
        params = wire.parse(match, request)
        conforms(params, match.operation.input)
        wire.validate(match.operation, params)
    except Fault as fault:
        assert wire.render_fault(match, fault, "id").status in (400, 501)


TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (float, int),
    "double": (float, int),
    "boolean": (bool,),
    "blob": (bytes,),
    "timestamp": (float, int),
}


def conforms(value: Any, shape: Shape) -> None:
    if shape.type == "structure" and not shape.document:
        assert type(value) is dict
        for name, item in value.items():
            conforms(item, shape.members[name])
    elif shape.type == "list":
        assert type(value) is list
        for item in value:
            conforms(item, shape.element)
    elif shape.type == "map":
        assert type(value) is dict
        for key, item in value.items():
            assert type(key) is str
            conforms(item, shape.value)
    elif shape.type in TYPES:
        assert type(value) in TYPES[shape.type]


def body(raw: bytes) -> Request:
    return Request("POST", "/", "", {"host": "h"}, raw)


@pytest.mark.parametrize(("service", "protocol", "operation"), OPERATIONS, ids=IDS)
@settings(max_examples=40, deadline=None)
@given(raw=st.binary(max_size=200))
def test_any_bytes(service: str, protocol: str, operation: str, raw: bytes) -> None:
    answer(service, protocol, operation, body(raw))


@pytest.mark.parametrize(("service", "protocol", "operation"), [o for o in OPERATIONS if "json" in o[1]])
@settings(max_examples=80, deadline=None)
@given(value=JSONS)
def test_any_json(service: str, protocol: str, operation: str, value: Any) -> None:
    try:
        raw = orjson.dumps(value)
    except TypeError:  # integers beyond 64 bits
        return
    answer(service, protocol, operation, body(raw))


@settings(max_examples=150, deadline=None)
@given(value=JSONS)
def test_any_cbor(value: Any) -> None:
    answer("cloudwatch", "smithy-rpc-v2-cbor", "PutMetricData", body(cbor2.dumps(value)))


@settings(max_examples=150, deadline=None)
@given(value=JSONS)
def test_cbor_agrees_with_another_implementation(value: Any) -> None:
    # repr tells NaN from NaN and 1 from 1.0
    assert repr(cborvalues.loads(cbor2.dumps(value))) == repr(value)
    assert repr(cbor2.loads(cborvalues.dumps(value))) == repr(value)


NAMES = st.lists(KEYS, min_size=1, max_size=5).map(".".join)


@pytest.mark.parametrize(("service", "protocol", "operation"), [o for o in OPERATIONS if o[1] == "query"])
@settings(max_examples=100, deadline=None)
@given(fields=st.lists(st.tuples(NAMES, st.text(max_size=10)), max_size=10))
def test_any_form(service: str, protocol: str, operation: str, fields: list[tuple[str, str]]) -> None:
    raw = "&".join(f"{quote(name)}={quote(value)}" for name, value in fields)
    answer(service, protocol, operation, body(raw.encode()))


TAGS = st.sampled_from(
    ["Delete", "Object", "Key", "Quiet", "Rule", "ID", "Filter", "And", "Tag", "x", "Status", "Date"]
)
XMLS = st.recursive(
    st.text(st.characters(blacklist_characters="<>&\r", min_codepoint=32, blacklist_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(
        st.tuples(TAGS, inner).map(lambda pair: f"<{pair[0]}>{pair[1]}</{pair[0]}>"), max_size=4
    ).map("".join),
    max_leaves=15,
)


@pytest.mark.parametrize("operation", ["DeleteObjects", "PutBucketLifecycleConfiguration"])
@settings(max_examples=100, deadline=None)
@given(inner=XMLS)
def test_any_xml(operation: str, inner: str) -> None:
    answer("s3", "rest-xml", operation, body(f"<R>{inner}</R>".encode()))


DEEP = 100_000


@pytest.mark.parametrize(
    ("service", "protocol", "operation", "raw"),
    [
        ("dynamodb", "json", "PutItem", b'{"Item":{"a":' + b'{"L":[' * DEEP + b"]}" * DEEP + b"}}"),
        ("dynamodb", "json", "PutItem", b'{"Item":{"a":' + b'{"L":[' * 400 + b"]}" * 400 + b"}}"),
        ("dynamodb", "json", "PutItem", b'{"Item":{"a":' + b'{"M":{"a":' * 500 + b"{}" + b"}}" * 500 + b"}}"),
        ("lambda", "rest-json", "CreateFunction", b"[" * DEEP),
        ("s3", "rest-xml", "DeleteObjects", b"<a>" * DEEP),
        ("s3", "rest-xml", "DeleteObjects", b"<a>" + b"<b/>" * 300_000 + b"</a>"),
        ("iam", "query", "CreateRole", b"a=&" * 300_000),
        ("iam", "query", "CreateRole", b"Tags." + b"a." * DEEP + b"=1"),
        ("cloudwatch", "smithy-rpc-v2-cbor", "PutMetricData", b"\x81" * DEEP),
        ("cloudwatch", "smithy-rpc-v2-cbor", "PutMetricData", b"\x9b" + b"\xff" * 8),
        ("cloudwatch", "smithy-rpc-v2-cbor", "PutMetricData", b"\xbb" + b"\xff" * 8),
        ("cloudwatch", "smithy-rpc-v2-cbor", "PutMetricData", b"\x5b" + b"\xff" * 8),
    ],
)
def test_bombs(service: str, protocol: str, operation: str, raw: bytes) -> None:
    loaded = wire.load(service)
    with pytest.raises(Fault) as refused:
        wire.parse(Match(loaded, protocol, loaded.operations[operation]), body(raw))
    assert refused.value.code in (
        *("SerializationException", "MalformedXML", "MalformedQueryString"),
        "InvalidRequestContentException",
    )


@pytest.mark.parametrize(
    "document",
    [
        '<!DOCTYPE a [<!ENTITY b "c">]><Delete><Object><Key>&b;</Key></Object></Delete>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><Delete/>',
        "<Delete>&undefined;</Delete>",
        "<Delete><Object></Delete>",
        "<Delete/><Delete/>",
        "",
    ],
)
def test_xml_without_entities_or_types(document: str) -> None:
    loaded = wire.load("s3")
    match = Match(loaded, "rest-xml", loaded.operations["DeleteObjects"])
    if not document:
        assert wire.parse(match, body(b"")) == {}
        return
    with pytest.raises(Fault) as refused:
        wire.parse(match, body(document.encode()))
    assert refused.value.code == "MalformedXML"


PATHS = st.text(max_size=30).map(lambda text: "/" + quote(text, safe="/")) | st.text(
    st.characters(min_codepoint=32, max_codepoint=126), max_size=30
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["authorization", "x-amz-target", "content-type", "smithy-protocol", "x-amz-date", "date", "x-amz-copy-source"]
    ),
    st.sampled_from(
        [
            "application/x-www-form-urlencoded",
            "rpc-v2-cbor",
            "20260101T000000Z",
            "DynamoDB_20120810.GetItem",
            "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x",
        ]
    )
    | st.text(max_size=40),
)


@settings(max_examples=400, deadline=None)
@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS"]),
    path=PATHS,
    query=st.text(max_size=40)
    | st.sampled_from(["uploads", "X-Amz-Algorithm=x", "Action=A", "X-Amz-Algorithm=&X-Amz-"]),
    headers=HEADERS,
    raw=st.binary(max_size=30),
    hint=st.none() | st.sampled_from(["s3", "dynamodb", "apigateway", "monitoring", "iam", "nope", ""]),
)
def test_any_request(method: str, path: str, query: str, headers: dict[str, str], raw: bytes, hint: str | None) -> None:
    request = Request(method, path, query, headers, raw)
    try:
        read_signature(request)
    except AuthFailure as failure:
        assert wire.auth_fault(failure.kind, "rest-xml", "s3", **failure.details).code
        assert wire.auth_fault(failure.kind, "json", "dynamodb", **failure.details).code
    try:
        match = wire.match(SERVICES, request, hint=hint)
        wire.parse(match, request)
    except wire.WireFault as fault:
        assert wire.render_fault(fault.match, fault, "id").status in (400, 403, 404, 405, 501)
    except Fault:
        pass


@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=60))
def test_any_cbor_bytes(raw: bytes) -> None:
    try:
        cborvalues.loads(raw)
    except Malformed:
        pass
