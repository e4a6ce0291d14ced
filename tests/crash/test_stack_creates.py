"""`kill -9` of the server at the moment when a create of a stack has happened and its answer is not yet written down."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

from botocore.exceptions import HTTPClientError

from freehold.testing import Freehold
from tests.aws.conftest import Server, start, stop

KILLED = """
import os, signal, sys
from freehold.node.cli import main
from freehold.services.cloudformation.context import Context

record = Context._record

async def dying(self, number, label, answer):
    if label == {label!r}:
        os.kill(os.getpid(), signal.SIGKILL)
    await record(self, number, label, answer)

Context._record = dying
main(sys.argv[1:])
"""
MOMENTS = (
    "apigatewayv2.CreateApi",
    "apigatewayv2.CreateIntegration",
    "apigateway.CreateRestApi",
    "lambda.PublishLayerVersion",
    "lambda.CreateEventSourceMapping",
    "lambda.CreateFunctionUrlConfig",
)
SOURCE = "def handler(event, context): return event"
TEMPLATE: dict[str, Any] = {
    "Resources": {
        "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": "a", "ProtocolType": "HTTP"}},
        "Integration": {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {
                "ApiId": {"Ref": "Api"},
                "IntegrationType": "HTTP_PROXY",
                "IntegrationUri": "http://x.test",
                "IntegrationMethod": "GET",
                "PayloadFormatVersion": "1.0",
            },
        },
        "Rest": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "r"}, "DependsOn": "Integration"},
        "Layer": {
            "Type": "AWS::Lambda::LayerVersion",
            "Properties": {"LayerName": "layer", "Content": {"S3Bucket": "bucket", "S3Key": "layer.zip"}},
            "DependsOn": "Rest",
        },
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "lambda.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                }
            },
            "DependsOn": "Layer",
        },
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "python3.11",
                "Handler": "index.handler",
                "Code": {"ZipFile": SOURCE},
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            },
        },
        "Queue": {"Type": "AWS::SQS::Queue"},
        "Mapping": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "FunctionName": {"Ref": "Function"},
                "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]},
            },
        },
        "Url": {
            "Type": "AWS::Lambda::Url",
            "Properties": {"TargetFunctionArn": {"Ref": "Function"}, "AuthType": "NONE"},
            "DependsOn": "Mapping",
        },
    }
}


class Dying(Freehold):
    """A server that kills itself between a call and the row of the journal that remembers its answer."""

    def __init__(self, data: Path, label: str) -> None:
        super().__init__(data=data)
        assert self._command[:3] == [sys.executable, "-m", "freehold"]
        self._command[1:3] = ["-c", KILLED.format(label=label)]


def archive() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        opened.writestr("a.txt", "a")
    return packed.getvalue()


def begin(server: Server) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="layer.zip", Body=archive())


def test_a_create_that_a_kill_cut_off_is_made_once(tmp_path: Path) -> None:
    server = start(tmp_path)
    begin(server)
    stop(server)
    for place, label in enumerate(MOMENTS):
        dying = Dying(tmp_path, label).start()
        if place == 0:
            client = Server(dying, tmp_path).client("cloudformation")
            with contextlib.suppress(HTTPClientError):  # it may die before it answers
                client.create_stack(StackName="s", TemplateBody=json.dumps(TEMPLATE), Capabilities=["CAPABILITY_IAM"])
        assert dying.process.wait(60) == -9, label
    server = start(tmp_path)
    try:
        server.client("cloudformation").get_waiter("stack_create_complete").wait(
            StackName="s", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        (api,) = server.client("apigatewayv2").get_apis()["Items"]
        assert len(server.client("apigatewayv2").get_integrations(ApiId=api["ApiId"])["Items"]) == 1
        assert len(server.client("apigateway").get_rest_apis()["items"]) == 1
        functions = server.client("lambda")
        assert [each["Version"] for each in functions.list_layer_versions(LayerName="layer")["LayerVersions"]] == [1]
        assert len(functions.list_event_source_mappings()["EventSourceMappings"]) == 1
        (function,) = functions.list_functions()["Functions"]
        listed = functions.list_function_url_configs(FunctionName=function["FunctionName"])
        assert len(listed["FunctionUrlConfigs"]) == 1
    finally:
        stop(server)
