"""CloudFormation over the wire."""

from __future__ import annotations

import json
import signal
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from tests.aws.conftest import start, stop

Aws = Callable[..., Any]


def parameters(count: int, **more: Any) -> str:
    """A template of SSM parameters."""
    resources = {
        f"P{number}": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Ref": "Value"}}}
        for number in range(count)
    }
    return json.dumps(
        {
            "Parameters": {"Value": {"Type": "String", "Default": "one"}},
            "Resources": resources,
            "Outputs": {"First": {"Value": {"Ref": "P0"}}},
            **more,
        }
    )


def refused(call: Callable[[], Any]) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response
    return error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Message"]


def test_every_waiter_ends_at_its_first_look(aws: Aws) -> None:
    cloudformation, began = aws("cloudformation"), time.monotonic()
    stack_id = cloudformation.create_stack(StackName="s", TemplateBody=parameters(10))["StackId"]
    cloudformation.get_waiter("stack_exists").wait(StackName="s")
    cloudformation.get_waiter("stack_create_complete").wait(StackName="s")
    stack = cloudformation.describe_stacks(StackName="s")["Stacks"][0]
    name = stack["Outputs"][0]["OutputValue"]
    assert aws("ssm").get_parameter(Name=name)["Parameter"]["Value"] == "one"
    changed = [{"ParameterKey": "Value", "ParameterValue": "two"}]
    cloudformation.update_stack(StackName="s", UsePreviousTemplate=True, Parameters=changed)
    cloudformation.get_waiter("stack_update_complete").wait(StackName="s")
    assert aws("ssm").get_parameter(Name=name)["Parameter"]["Value"] == "two"
    changed[0]["ParameterValue"] = "three"
    cloudformation.create_change_set(StackName="s", ChangeSetName="c", UsePreviousTemplate=True, Parameters=changed)
    cloudformation.get_waiter("change_set_create_complete").wait(StackName="s", ChangeSetName="c")
    assert len(cloudformation.describe_change_set(StackName="s", ChangeSetName="c")["Changes"]) == 10
    cloudformation.execute_change_set(StackName="s", ChangeSetName="c")
    cloudformation.get_waiter("stack_update_complete").wait(StackName="s")
    cloudformation.delete_stack(StackName="s")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack_id)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="s")
    assert aws("ssm").describe_parameters()["Parameters"] == []
    assert time.monotonic() - began < 5, "a waiter's pause is 5 to 30 seconds"


def test_errors_are_those_of_aws(aws: Aws) -> None:
    cloudformation = aws("cloudformation")
    assert refused(lambda: cloudformation.describe_stacks(StackName="nope")) == (
        "ValidationError",
        400,
        "Stack with id nope does not exist",
    )
    assert refused(lambda: cloudformation.describe_change_set(ChangeSetName="c", StackName="nope"))[2] == (
        "Stack [nope] does not exist"
    )
    cloudformation.create_stack(StackName="s", TemplateBody=parameters(1))
    assert refused(lambda: cloudformation.create_stack(StackName="s", TemplateBody=parameters(1)))[:2] == (
        "AlreadyExistsException",
        400,
    )
    assert refused(lambda: cloudformation.update_stack(StackName="s", TemplateBody=parameters(1)))[2] == (
        "No updates are to be performed."
    )
    assert refused(lambda: cloudformation.describe_change_set(ChangeSetName="c", StackName="s"))[:2] == (
        "ChangeSetNotFound",
        404,
    )
    role = json.dumps({"Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": {}}}})
    assert refused(lambda: cloudformation.create_stack(StackName="t", TemplateBody=role))[0] == (
        "InsufficientCapabilitiesException"
    )
    code, status, message = refused(lambda: cloudformation.create_stack_set(StackSetName="x"))
    assert (code, status) == ("NotImplemented", 501)
    assert "CreateStackSet" in message
    broken = json.dumps(
        {
            "Resources": {
                "P": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "v", "Policies": "[]"}}
            }
        }
    )
    code, status, message = refused(lambda: cloudformation.create_stack(StackName="t", TemplateBody=broken))
    assert (code, status) == ("NotImplemented", 501)
    assert "property Policies of AWS::SSM::Parameter (logical id P)" in message


def test_a_failed_stack_rolls_back_and_its_waiter_says_so(aws: Aws) -> None:
    cloudformation = aws("cloudformation")
    template = {
        "Resources": {
            "Good": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "v"}},
            "Bad": {
                "Type": "AWS::SSM::Parameter",
                "DependsOn": "Good",
                "Properties": {"Type": "String", "Value": "v", "AllowedPattern": "[0-9]+"},
            },
        }
    }
    cloudformation.create_stack(StackName="s", TemplateBody=json.dumps(template))
    with pytest.raises(WaiterError):
        cloudformation.get_waiter("stack_create_complete").wait(StackName="s")
    assert cloudformation.describe_stacks(StackName="s")["Stacks"][0]["StackStatus"] == "ROLLBACK_COMPLETE"
    assert aws("ssm").describe_parameters()["Parameters"] == []
    events = cloudformation.describe_stack_events(StackName="s")["StackEvents"]
    failed = next(event for event in events if event["ResourceStatus"] == "CREATE_FAILED")
    assert failed["LogicalResourceId"] == "Bad"
    assert failed["ResourceStatusReason"].startswith('Resource handler returned message: "')


def test_events_come_in_pages(aws: Aws) -> None:
    cloudformation = aws("cloudformation")
    cloudformation.create_stack(StackName="s", TemplateBody=parameters(70))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="s")
    pages = list(cloudformation.get_paginator("describe_stack_events").paginate(StackName="s"))
    assert [len(page["StackEvents"]) for page in pages] == [100, 100, 12]
    resources = cloudformation.get_paginator("list_stack_resources").paginate(StackName="s")
    assert sum(len(page["StackResourceSummaries"]) for page in resources) == 70


HANDLER = """
import json, urllib.request

def handler(event, context):
    number = int(event["ResourceProperties"]["Number"])
    answer = {
        "Status": "SUCCESS" if number < 100 else "FAILED",
        "Reason": "too large",
        "PhysicalResourceId": "twice",
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Data": {"Twice": str(2 * number), "Kind": event["ResourceType"]},
    }
    request = urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), {"content-type": ""}, method="PUT")
    urllib.request.urlopen(request)
"""


def serverless(number: int) -> str:
    return json.dumps(
        {
            "Transform": "AWS::Serverless-2016-10-31",
            "Resources": {
                "Table": {"Type": "AWS::Serverless::SimpleTable"},
                "Function": {
                    "Type": "AWS::Serverless::Function",
                    "Properties": {
                        "InlineCode": HANDLER,
                        "Handler": "index.handler",
                        "Runtime": "python3.11",
                        "Policies": [
                            "AmazonDynamoDBReadOnlyAccess",
                            {"DynamoDBCrudPolicy": {"TableName": {"Ref": "Table"}}},
                        ],
                        "Environment": {"Variables": {"TABLE": {"Ref": "Table"}}},
                    },
                },
                "Twice": {
                    "Type": "Custom::Twice",
                    "Properties": {"ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]}, "Number": number},
                },
            },
            "Outputs": {
                "Twice": {"Value": {"Fn::Sub": "${Twice.Twice} ${Twice.Kind} ${Twice}"}},
                "Table": {"Value": {"Ref": "Table"}},
            },
        }
    )


def test_a_serverless_stack_with_a_custom_resource(aws: Aws) -> None:
    cloudformation = aws("cloudformation")
    capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
    fast = {"Delay": 1, "MaxAttempts": 30}
    stack = cloudformation.create_stack(StackName="s", TemplateBody=serverless(21), Capabilities=capabilities)[
        "StackId"
    ]
    cloudformation.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig=fast)
    outputs = {
        item["OutputKey"]: item["OutputValue"]
        for item in cloudformation.describe_stacks(StackName="s")["Stacks"][0]["Outputs"]
    }
    assert outputs["Twice"] == "42 Custom::Twice twice"
    assert aws("dynamodb").describe_table(TableName=outputs["Table"])["Table"]["TableStatus"] == "ACTIVE"
    cloudformation.update_stack(StackName="s", TemplateBody=serverless(500), Capabilities=capabilities)
    cloudformation.get_waiter("stack_rollback_complete").wait(StackName="s", WaiterConfig=fast)
    events = cloudformation.describe_stack_events(StackName="s")["StackEvents"]
    failed = next(event for event in events if event["ResourceStatus"] == "UPDATE_FAILED")
    assert failed["ResourceStatusReason"] == (
        "Received response status [FAILED] from custom resource. Message returned: too large"
    )
    cloudformation.delete_stack(StackName="s")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig=fast)
    assert aws("dynamodb").list_tables()["TableNames"] == []


def test_an_unknown_response_url_is_refused(server: Any) -> None:
    request = urllib.request.Request(f"{server.url}/_cloudformation/nothing/response", b"{}", method="PUT")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 403


def test_templates_are_read_from_this_servers_own_s3(aws: Aws, server: Any) -> None:
    s3, cloudformation = aws("s3"), aws("cloudformation")
    s3.create_bucket(Bucket="cfn-templates-of-test")
    s3.put_object(Bucket="cfn-templates-of-test", Key="a/t.json", Body=parameters(1).encode())
    url = f"{server.url}/cfn-templates-of-test/a/t.json"
    cloudformation.create_stack(StackName="s", TemplateURL=url)
    cloudformation.get_waiter("stack_create_complete").wait(StackName="s")
    summary = cloudformation.get_template_summary(TemplateURL="https://cfn-templates-of-test.s3.amazonaws.com/a/t.json")
    assert summary["ResourceTypes"] == ["AWS::SSM::Parameter"]


def test_a_stack_under_creation_survives_a_kill(tmp_path: Path) -> None:
    first = start(tmp_path / "data")
    client = first.client("cloudformation")

    def create() -> None:
        with pytest.raises(Exception):  # noqa: B017 - the server goes away under the call
            client.create_stack(StackName="s", TemplateBody=parameters(200))
            raise RuntimeError("it was done before the kill")

    creating = threading.Thread(target=create)
    creating.start()
    ssm, deadline = first.client("ssm"), time.monotonic() + 10
    while not ssm.describe_parameters()["Parameters"] and time.monotonic() < deadline:
        time.sleep(0.002)
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    creating.join()
    second = start(tmp_path / "data")
    try:
        client = second.client("cloudformation")
        client.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 1, "MaxAttempts": 20})
        pages = second.client("ssm").get_paginator("describe_parameters").paginate()
        assert sum(len(page["Parameters"]) for page in pages) == 200
    finally:
        stop(second)
