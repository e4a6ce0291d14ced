"""Real services: what boto3 sends is understood; what a handler answers, boto3 reads back."""

from __future__ import annotations

import datetime
import gzip
import hashlib
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.serialize import create_serializer

from freehold import wire
from freehold.kit.faults import Fault
from freehold.kit.http import Request
from freehold.wire.base import Match, WireFault
from freehold.wire.models import Service
from tests.wire.requests import SECRET, model, received, sent

NAMES = [
    *("sqs", "lambda", "sns", "events", "dynamodb", "dynamodbstreams", "s3", "iam", "sts", "logs", "ssm"),
    *("apigateway", "apigatewayv2", "cloudformation", "cloudwatch"),
]
SERVICES = [wire.load(name) for name in NAMES]
ID = "c6104cbe-af31-11e0-8154-cbc7ccf896c7"


def route(service: str, request: Request, *, signed: bool = True) -> Match:
    return wire.match(SERVICES, request, hint=wire.load(service).signing_name if signed else None)


SENT: list[tuple[str, str, dict[str, Any]]] = [
    (
        "sqs",
        "send_message",
        {
            "QueueUrl": "http://127.0.0.1:4566/000000000000/q",
            "MessageBody": "é<&>",
            "MessageAttributes": {
                "n": {"DataType": "Number", "StringValue": "1"},
                "b": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
            },
        },
    ),
    ("sqs", "receive_message", {"QueueUrl": "http://x/1/q", "MaxNumberOfMessages": 10, "AttributeNames": ["All"]}),
    (
        "dynamodb",
        "put_item",
        {
            "TableName": "orders",
            "Item": {
                "id": {"S": "1"},
                "n": {"N": "1.5"},
                "b": {"B": b"\x01\x02"},
                "l": {"L": [{"BOOL": True}, {"NULL": True}, {"M": {"x": {"SS": ["a", "b"]}}}, {"BS": [b"z"]}]},
            },
            "ConditionExpression": "attribute_not_exists(id)",
            "ReturnConsumedCapacity": "TOTAL",
        },
    ),
    (
        "lambda",
        "create_function",
        {
            "FunctionName": "f",
            "Role": "arn:aws:iam::000000000000:role/r",
            "Code": {"ZipFile": b"PK\x03\x04"},
            "Runtime": "python3.12",
            "Handler": "app.handler",
            "Environment": {"Variables": {"A1": "x"}},
        },
    ),
    (
        "lambda",
        "invoke",
        {
            "FunctionName": "arn:aws:lambda:us-east-1:000000000000:function:f",
            "InvocationType": "RequestResponse",
            "Qualifier": "live",
            "Payload": b'{"a": 1}',
        },
    ),
    ("lambda", "list_functions", {"Marker": "a b/c", "MaxItems": 5}),
    ("lambda", "tag_resource", {"Resource": "arn:aws:lambda:us-east-1:000000000000:function:f", "Tags": {"a": "b"}}),
    (
        "iam",
        "create_role",
        {
            "RoleName": "r",
            "AssumeRolePolicyDocument": '{"Version": "2012-10-17", "Statement": []}',
            "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}],
        },
    ),
    (
        "sts",
        "assume_role",
        {"RoleArn": "arn:aws:iam::000000000000:role/r", "RoleSessionName": "session", "DurationSeconds": 900},
    ),
    (
        "cloudformation",
        "create_change_set",
        {
            "StackName": "s",
            "ChangeSetName": "c",
            "TemplateURL": "http://x/y?a=b&c",
            "Parameters": [{"ParameterKey": f"p{i}", "ParameterValue": str(i)} for i in range(12)],
            "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        },
    ),
    (
        "logs",
        "put_log_events",
        {
            "logGroupName": "/aws/lambda/f",
            "logStreamName": "s",
            "logEvents": [{"timestamp": 1, "message": "a\n\t\u2028"}],
        },
    ),
    ("ssm", "put_parameter", {"Name": "/a/b", "Value": "v", "Type": "String", "Overwrite": True}),
    (
        "apigatewayv2",
        "create_route",
        {"ApiId": "abc", "RouteKey": "GET /x", "AuthorizationScopes": ["a"], "ApiKeyRequired": False},
    ),
    ("apigatewayv2", "get_apis", {"MaxResults": "3"}),
    ("apigateway", "get_rest_apis", {"limit": 3}),
    ("apigateway", "put_rest_api", {"restApiId": "x", "mode": "overwrite", "body": b"{}"}),
    ("cloudwatch", "put_metric_data", {"Namespace": "n", "MetricData": [{"MetricName": "m", "Value": 1.5}]}),
    (
        "s3",
        "put_object",
        {"Bucket": "b", "Key": "a/b c+é/", "Body": b"123", "Metadata": {"x": "y"}, "ContentType": "t/p"},
    ),
    ("s3", "list_objects_v2", {"Bucket": "b", "Prefix": "p/", "Delimiter": "/", "MaxKeys": 3, "StartAfter": "a&b"}),
    ("s3", "list_objects", {"Bucket": "b", "Marker": "m"}),
    ("s3", "copy_object", {"Bucket": "b", "Key": "k", "CopySource": "src/key"}),
    ("s3", "upload_part", {"Bucket": "b", "Key": "k", "UploadId": "u", "PartNumber": 3, "Body": b"ff"}),
    ("s3", "upload_part_copy", {"Bucket": "b", "Key": "k", "UploadId": "u", "PartNumber": 3, "CopySource": "s/k"}),
    ("s3", "create_multipart_upload", {"Bucket": "b", "Key": "k"}),
    ("s3", "abort_multipart_upload", {"Bucket": "b", "Key": "k", "UploadId": "u"}),
    ("s3", "list_parts", {"Bucket": "b", "Key": "k", "UploadId": "u"}),
    (
        "s3",
        "complete_multipart_upload",
        {"Bucket": "b", "Key": "k", "UploadId": "u", "MultipartUpload": {"Parts": [{"ETag": '"a"', "PartNumber": 1}]}},
    ),
    ("s3", "delete_objects", {"Bucket": "b", "Delete": {"Objects": [{"Key": "a&b"}, {"Key": "c"}], "Quiet": True}}),
    ("s3", "delete_object", {"Bucket": "b", "Key": "k", "VersionId": "v"}),
    ("s3", "get_object", {"Bucket": "b", "Key": "k", "Range": "bytes=0-3", "ChecksumMode": "ENABLED"}),
    ("s3", "get_object_tagging", {"Bucket": "b", "Key": "k"}),
    ("s3", "put_bucket_tagging", {"Bucket": "b", "Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}}),
    ("s3", "put_bucket_versioning", {"Bucket": "b", "VersioningConfiguration": {"Status": "Enabled"}}),
    ("s3", "get_bucket_versioning", {"Bucket": "b"}),
    ("s3", "get_bucket_location", {"Bucket": "b"}),
    ("s3", "put_bucket_policy", {"Bucket": "b", "Policy": '{"a": 1}'}),
    ("s3", "put_public_access_block", {"Bucket": "b", "PublicAccessBlockConfiguration": {"BlockPublicAcls": True}}),
    ("s3", "create_bucket", {"Bucket": "b", "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}),
    ("s3", "head_bucket", {"Bucket": "b"}),
    ("s3", "head_object", {"Bucket": "b", "Key": "k"}),
    ("s3", "list_buckets", {}),
    ("s3", "list_bucket_analytics_configurations", {"Bucket": "b"}),
    ("s3", "get_bucket_analytics_configuration", {"Bucket": "b", "Id": "i"}),
]
ADDED = {"ClientRequestToken", "ClientToken", "ChecksumAlgorithm", "ChecksumCRC32", "ContentLength", "ContentMD5"}


@pytest.mark.parametrize(("service", "operation", "params"), SENT, ids=[f"{s}.{o}" for s, o, _ in SENT])
def test_what_boto3_sends(service: str, operation: str, params: dict[str, Any]) -> None:
    request = sent(service, operation, **params)
    match = route(service, request)
    assert match.operation is not None
    assert (match.service.name, match.operation.snake_name) == (service, operation)
    parsed = wire.parse(match, request)
    extra = {name: parsed.pop(name) for name in ADDED & parsed.keys() - params.keys()}
    if service == "s3" and operation.startswith("list_objects"):
        assert parsed.pop("EncodingType") == "url"
    assert parsed == params
    wire.validate(match.operation, {**parsed, **extra})
    signature = wire.read_signature(request)
    assert signature is not None and signature.service == match.service.signing_name
    body_hash = hashlib.sha256(request.body).hexdigest()
    wire.verify(request, signature, SECRET, wall=signature.seconds, body_hash=body_hash)


@pytest.mark.parametrize("protocol", ["json", "query", "smithy-rpc-v2-cbor"])
def test_cloudwatch_in_all_its_protocols(protocol: str) -> None:
    params = {
        "Namespace": "n",
        "MetricData": [
            {
                "MetricName": "m",
                "Timestamp": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
                "Dimensions": [{"Name": "a", "Value": "b"}, {"Name": "c", "Value": "d"}],
                "StatisticValues": {"SampleCount": 2.0, "Sum": 1.5, "Minimum": -1.0, "Maximum": 2.5},
                "Unit": "Count",
            }
        ],
    }
    request = serialized("cloudwatch", "PutMetricData", params, protocol)
    match = route("cloudwatch", request)
    assert match.protocol == protocol
    expected = {**params, "MetricData": [{**params["MetricData"][0], "Timestamp": 1767225600}]}
    assert wire.parse(match, request) == expected
    answer = {"Datapoints": [{"Timestamp": 1767225600, "Average": 0.5, "Unit": "Count"}], "Label": "m"}
    read = wire.load("cloudwatch").operations["GetMetricStatistics"]
    response = wire.render(Match(match.service, protocol, read, "1.0"), answer, ID)
    parsed = received("cloudwatch", "GetMetricStatistics", response, protocol)
    assert parsed["Datapoints"][0]["Timestamp"].timestamp() == 1767225600
    assert parsed["Datapoints"][0]["Average"] == 0.5
    fault = wire.render_fault(match, Fault("ResourceNotFound", "no"), ID)
    assert received("cloudwatch", "PutMetricData", fault, protocol)["Error"]["Code"] == "ResourceNotFound"


def serialized(service: str, operation: str, params: dict[str, Any], protocol: str) -> Request:
    described = model(service)
    request = create_serializer(protocol).serialize_to_request(params, described.operation_model(operation))
    body = request["body"]
    raw = urlencode(body, doseq=True).encode() if isinstance(body, dict) else body
    headers = {name.lower(): value for name, value in request["headers"].items()}
    return Request(request["method"], request["url_path"], "", headers, raw if isinstance(raw, bytes) else raw.encode())


# --- SQS by query, as it was spoken before it moved to JSON


def form(path: str = "/", **fields: str) -> Request:
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8", "host": "127.0.0.1:4566"}
    return Request("POST", path, "", headers, urlencode(fields).encode())


def test_sqs_by_query() -> None:
    request = form(
        "/000000000000/q",
        **{
            "Action": "SendMessage",
            "Version": "2012-11-05",
            "MessageBody": "hi",
            "MessageAttribute.1.Name": "a",
            "MessageAttribute.1.Value.DataType": "String",
            "MessageAttribute.1.Value.StringValue": "x",
        },
    )
    match = route("sqs", request)
    assert match.protocol == "query"
    assert wire.parse(match, request) == {
        "QueueUrl": "http://127.0.0.1:4566/000000000000/q",
        "MessageBody": "hi",
        "MessageAttributes": {"a": {"DataType": "String", "StringValue": "x"}},
    }
    response = wire.render(match, {"MessageId": "m", "MD5OfMessageBody": "d"}, ID)
    assert isinstance(response.body, bytes)
    assert response.body.decode() == (
        '<SendMessageResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><SendMessageResult><MessageId>m'
        "</MessageId><MD5OfMessageBody>d</MD5OfMessageBody></SendMessageResult><ResponseMetadata><RequestId>"
        f"{ID}</RequestId></ResponseMetadata></SendMessageResponse>"
    )


def test_sqs_by_query_flattens_messages_and_attributes() -> None:
    request = form(
        Action="ReceiveMessage", QueueUrl="http://x/1/q", **{"AttributeName.1": "All", "MaxNumberOfMessages": "5"}
    )
    match = route("sqs", request)
    assert wire.parse(match, request) == {
        "QueueUrl": "http://x/1/q",
        "AttributeNames": ["All"],
        "MaxNumberOfMessages": 5,
    }
    message = {"MessageId": "m", "Body": "<b>", "Attributes": {"SentTimestamp": "1", "SenderId": "s"}}
    response = wire.render(match, {"Messages": [message, {**message, "MessageId": "n"}]}, ID)
    assert isinstance(response.body, bytes)
    text = response.body.decode()
    assert text.count("<Message><MessageId>") == 2
    assert "<Body>&lt;b&gt;</Body><Attribute><Name>SentTimestamp</Name><Value>1</Value></Attribute>" in text


def test_sqs_by_query_batches() -> None:
    fields = {"Action": "SendMessageBatch", "QueueUrl": "http://x/1/q"}
    for at in range(1, 12):
        fields[f"SendMessageBatchRequestEntry.{at}.Id"] = f"i{at}"
        fields[f"SendMessageBatchRequestEntry.{at}.MessageBody"] = "b"
    request = form(**fields)
    parsed = wire.parse(route("sqs", request), request)
    assert [entry["Id"] for entry in parsed["Entries"]] == [f"i{at}" for at in range(1, 12)]


def test_every_name_of_sqs_by_query_is_in_its_model() -> None:
    service = wire.load("sqs")
    names = service.patch.query_names
    assert all(member in service.shapes[shape]["members"] for shape, member in names.members)
    assert all(service.shapes[shape]["type"] == "map" for shape in names.keys)
    assert all(code in service.error_codes for code in service.patch.query_codes)


def test_sqs_errors_in_json_name_the_old_code_too() -> None:
    fault = Fault("QueueDoesNotExist", "The specified queue does not exist.")
    request = sent("sqs", "get_queue_url", QueueName="q")
    response = wire.render_fault(route("sqs", request), fault, ID)
    assert response.status == 400
    assert dict(response.headers)["x-amzn-query-error"] == "AWS.SimpleQueueService.NonExistentQueue;Sender"
    assert (
        response.body
        == b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}'
    )
    asked = form(Action="GetQueueUrl", QueueName="q")
    by_query = wire.render_fault(route("sqs", asked), fault, ID)
    assert b"<Code>AWS.SimpleQueueService.NonExistentQueue</Code>" in by_query.body  # type: ignore[operator]


# --- what nobody answers


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
    for service in SERVICES:
        if service.protocols[0] not in ("rest-json", "rest-xml"):
            continue
        for operation in service.operations.values():
            if operation.name in service.patch.hidden:
                continue
            request = example(service, operation.name)
            found = wire.match([service], request, hint=service.signing_name)
            assert found.operation is not None
            assert found.operation.name == operation.name, (service.name, request)


def example(service: Service, name: str) -> Request:
    import re

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
    assert (
        wire.match(SERVICES, Request("GET", "/bucket/"), hint="s3").operation
        is wire.load("s3").operations["ListObjects"]
    )
    for path, key in (("/b//k", "/k"), ("/b/k/", "k/"), ("/b/a%2Fb%20c", "a/b c"), ("/b/../x", "../x")):
        match = wire.match(SERVICES, Request("GET", path), hint="s3")
        assert match.path_params == {"Bucket": "b", "Key": key}


def test_a_path_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(WireFault) as refused:
        wire.match(SERVICES, Request("GET", "/b/%ff"), hint="s3")
    assert refused.value.code == "InvalidURI"


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
        with pytest.raises(Fault) as refused:
            wire.parse(match, request)
        assert refused.value.code == code


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
