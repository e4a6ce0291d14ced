"""Lambda's CloudFormation types, through stacks."""

from __future__ import annotations

import io
import json
import urllib.request
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

Client = Callable[..., Any]


def template(body: str, **settings: Any) -> str:
    """A function with inline code, a published version behind an alias, its URL and permissions, and a layer."""
    return json.dumps(
        {
            "Parameters": {"Bucket": {"Type": "String"}, "Release": {"Type": "String", "Default": "One"}},
            "Resources": {
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
                },
                "Layer": {
                    "Type": "AWS::Lambda::LayerVersion",
                    "Properties": {
                        "LayerName": "lib",
                        "Content": {"S3Bucket": {"Ref": "Bucket"}, "S3Key": "layer.zip"},
                        "CompatibleRuntimes": ["python3.12"],
                    },
                },
                "LayerUse": {
                    "Type": "AWS::Lambda::LayerVersionPermission",
                    "Properties": {
                        "Action": "lambda:GetLayerVersion",
                        "LayerVersionArn": {"Ref": "Layer"},
                        "Principal": "*",
                    },
                },
                "Function": {
                    "Type": "AWS::Lambda::Function",
                    "Properties": {
                        "Runtime": "python3.12",
                        "Handler": "index.handler",
                        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                        "Code": {"ZipFile": f"import mine, cfnresponse\ndef handler(event, context):\n    {body}\n"},
                        "Layers": [{"Ref": "Layer"}],
                        "Tags": [{"Key": "team", "Value": "a"}],
                        **settings,
                    },
                },
                f"Version{len(body)}": {
                    "Type": "AWS::Lambda::Version",
                    "DeletionPolicy": "Retain",
                    "Properties": {"FunctionName": {"Ref": "Function"}},
                },
                "Live": {
                    "Type": "AWS::Lambda::Alias",
                    "Properties": {
                        "Name": "live",
                        "FunctionName": {"Ref": "Function"},
                        "FunctionVersion": {"Fn::GetAtt": [f"Version{len(body)}", "Version"]},
                    },
                },
                "Url": {
                    "Type": "AWS::Lambda::Url",
                    "Properties": {"TargetFunctionArn": {"Ref": "Live"}, "AuthType": "NONE"},
                },
                "UrlUse": {
                    "Type": "AWS::Lambda::Permission",
                    "Properties": {
                        "Action": "lambda:InvokeFunctionUrl",
                        "FunctionName": {"Ref": "Live"},
                        "FunctionUrlAuthType": "NONE",
                        "Principal": "*",
                    },
                },
            },
            "Outputs": {
                "Url": {"Value": {"Fn::GetAtt": ["Url", "FunctionUrl"]}},
                "Arn": {"Value": {"Fn::GetAtt": ["Function", "Arn"]}},
                "Name": {"Value": {"Ref": "Function"}},
            },
        }
    )


@pytest.fixture
def bucket(aws: Client, account: str) -> str:
    s3 = aws("s3")
    name = f"layers-{account}"
    s3.create_bucket(Bucket=name)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        opened.writestr("python/mine.py", "VALUE = 42")
    s3.put_object(Bucket=name, Key="layer.zip", Body=packed.getvalue())
    return name


def outputs(client: Any, stack: str) -> dict[str, str]:
    found = client.describe_stacks(StackName=stack)["Stacks"][0]
    assert found["StackStatus"].endswith("_COMPLETE") and "ROLLBACK" not in found["StackStatus"], [
        event.get("ResourceStatusReason") for event in client.describe_stack_events(StackName=stack)["StackEvents"]
    ]
    return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}


def fetch(url: str) -> Any:
    with urllib.request.urlopen(url) as answer:
        return json.loads(answer.read())


def test_a_stack_of_lambda_types_lives_and_changes(aws: Client, account: str, bucket: str) -> None:
    stacks, client = aws("cloudformation"), aws("lambda")
    parameters = [{"ParameterKey": "Bucket", "ParameterValue": bucket}]
    common = {"StackName": "s", "Parameters": parameters, "Capabilities": ["CAPABILITY_IAM"]}
    stacks.create_stack(**common, TemplateBody=template("return [1, mine.VALUE]", MemorySize=256))
    stacks.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    made = outputs(stacks, "s")
    assert fetch(made["Url"]) == [1, 42]
    shown = client.get_function(FunctionName=made["Name"])
    assert shown["Configuration"]["MemorySize"] == 256 and shown["Tags"]["team"] == "a"
    assert shown["Tags"]["aws:cloudformation:logical-id"] == "Function"
    policy = json.loads(client.get_policy(FunctionName=made["Name"], Qualifier="live")["Policy"])
    assert policy["Statement"][0]["Principal"] == "*"

    changed = template("return [2, mine.VALUE, 'b']", Environment={"Variables": {"A1": "b"}})
    stacks.update_stack(**common, TemplateBody=changed)
    stacks.get_waiter("stack_update_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    assert outputs(stacks, "s") == made, "nothing was replaced"
    assert fetch(made["Url"]) == [2, 42, "b"]
    shown = client.get_function_configuration(FunctionName=made["Name"])
    assert shown["MemorySize"] == 128 and shown["Environment"]["Variables"] == {"A1": "b"}
    listed = client.list_versions_by_function(FunctionName=made["Name"])["Versions"]
    assert [version["Version"] for version in listed] == ["$LATEST", "1", "2"], "the old version is retained"

    stacks.delete_stack(StackName="s")
    stacks.get_waiter("stack_delete_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function(FunctionName=made["Name"])
    assert client.list_layer_versions(LayerName="lib")["LayerVersions"] == []


def test_properties_that_do_not_act_fail_by_name(aws: Client, account: str, bucket: str) -> None:
    stacks = aws("cloudformation")
    body = template("return 1", VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]})
    with pytest.raises(stacks.exceptions.ClientError, match="VpcConfig"):
        stacks.create_stack(
            StackName="s",
            TemplateBody=body,
            Parameters=[{"ParameterKey": "Bucket", "ParameterValue": bucket}],
            Capabilities=["CAPABILITY_IAM"],
        )
