"""Events that services emit themselves, caught by rules of the default bus."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from typing import Any

from tests.aws.test_s3_notifications import Listener

Aws = Callable[..., Any]


def catch(aws: Aws, account: str, **pattern: Any) -> Listener:
    """A queue that hears what a rule catches."""
    queue, events = Listener(aws, account, open_to="events.amazonaws.com"), aws("events")
    events.put_rule(Name="r", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="r", Targets=[{"Id": "q", "Arn": queue.arn}])
    return queue


def test_parameter_store_tells_of_changes(aws: Aws, account: str) -> None:
    pattern = {"source": ["aws.ssm"], "detail-type": ["Parameter Store Change"], "detail": {"name": ["/app/key"]}}
    queue, ssm = catch(aws, account, **pattern), aws("ssm")
    ssm.put_parameter(Name="/app/key", Value="1", Type="String", Description="a key")
    ssm.put_parameter(Name="/app/other", Value="1", Type="String")
    ssm.put_parameter(Name="/app/key", Value="2", Overwrite=True)
    ssm.delete_parameter(Name="/app/key")
    found = queue.messages(3)
    assert sorted(one["detail"]["operation"] for one in found) == ["Create", "Delete", "Update"]
    assert {one["resources"][0] for one in found} == {f"arn:aws:ssm:us-east-1:{account}:parameter/app/key"}
    assert found[0]["detail"]["description"] == "a key"


def test_cloudformation_tells_of_stacks_and_resources(aws: Aws, account: str) -> None:
    pattern = {"source": ["aws.cloudformation"], "detail": {"status-details": {"status": [{"suffix": "_COMPLETE"}]}}}
    queue, cloudformation = catch(aws, account, **pattern), aws("cloudformation")
    template = {"Resources": {"P": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "1"}}}}
    made = cloudformation.create_stack(StackName="told", TemplateBody=json.dumps(template))["StackId"]
    cloudformation.get_waiter("stack_create_complete").wait(StackName="told", WaiterConfig={"Delay": 1})
    by_kind = {one["detail-type"]: one for one in queue.messages(2)}
    resource = by_kind["CloudFormation Resource Status Change"]["detail"]
    assert (resource["logical-resource-id"], resource["resource-type"]) == ("P", "AWS::SSM::Parameter")
    assert by_kind["CloudFormation Stack Status Change"]["detail"] == {
        "stack-id": made,
        "status-details": {"status": "CREATE_COMPLETE", "status-reason": ""},
        "client-request-token": "",
    }
    assert by_kind["CloudFormation Stack Status Change"]["resources"] == [made]


def test_topics_hear_of_a_stack_and_ask_for_custom_resources(aws: Aws, account: str) -> None:
    """NotificationARNs, and a ServiceToken that is a topic: who listens to it makes the resource."""
    sns, cloudformation = aws("sns"), aws("cloudformation")
    topic = sns.create_topic(Name="told")["TopicArn"]
    queue = Listener(aws, account, open_to="sns.amazonaws.com")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
    custom = {"Type": "Custom::Thing", "Properties": {"ServiceToken": topic, "Size": 3}}
    template = {"Resources": {"Thing": custom}, "Outputs": {"Made": {"Value": {"Fn::GetAtt": ["Thing", "Colour"]}}}}
    cloudformation.create_stack(StackName="told", TemplateBody=json.dumps(template), NotificationARNs=[topic])
    subjects: list[str] = []
    while "AWS CloudFormation custom resource request" not in subjects:
        for message in queue.messages():
            subjects.append(message["Subject"])
            if message["Subject"] == "AWS CloudFormation custom resource request":
                asked = json.loads(message["Message"])
                assert (asked["RequestType"], asked["ResourceProperties"]["Size"]) == ("Create", "3")
                answer = {"Status": "SUCCESS", "PhysicalResourceId": "t", "Data": {"Colour": "red"}}
                request = urllib.request.Request(asked["ResponseURL"], json.dumps(answer).encode(), method="PUT")
                assert urllib.request.urlopen(request).status == 200
    cloudformation.get_waiter("stack_create_complete").wait(StackName="told", WaiterConfig={"Delay": 1})
    stack = cloudformation.describe_stacks(StackName="told")["Stacks"][0]
    assert stack["Outputs"] == [{"OutputKey": "Made", "OutputValue": "red"}]
    assert stack["NotificationARNs"] == [topic]
    last = [message["Message"] for message in queue.messages()][-1]
    assert "StackName='told'" in last.splitlines()
