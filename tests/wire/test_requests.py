"""Requests: what boto3 sends is understood, operation by operation and in every protocol of a service."""

from __future__ import annotations

import datetime
import hashlib
from typing import Any

import pytest

from freehold import wire
from freehold.kit.faults import Fault
from freehold.wire.base import Match
from tests.wire.requests import SECRET, received, sent, serialized
from tests.wire.services import ID, route

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
    params: dict[str, Any] = {
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
