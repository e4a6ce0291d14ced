"""EventBridge Scheduler and scheduled rules over the wire: a day in seconds on a manual clock; SAM's schedules."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.aws.conftest import Server
from tests.aws.manual_clock import advance, manual, on, queue

__all__ = ["manual", "on"]

Aws = Callable[[str], Any]
OFF = {"Mode": "OFF"}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
QUICK = {"Delay": 0.1, "MaxAttempts": 200}


def role(on: Aws) -> str:
    arn: str = on("iam").create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    return arn


def drain(on: Aws, url: str) -> list[Any]:
    found: list[Any] = []
    while True:
        got = on("sqs").receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=3600
        )
        if not got.get("Messages"):
            return found
        found += got["Messages"]


def test_a_day_of_a_schedule_arrives_in_a_queue(on: Aws, manual: Server) -> None:
    url, arn = queue(on)
    target = {"Arn": arn, "RoleArn": role(on), "Input": "<aws.scheduler.scheduled-time>"}
    on("scheduler").create_schedule(
        Name="hourly", ScheduleExpression="cron(0 * * * ? *)", FlexibleTimeWindow=OFF, Target=target
    )
    advance(manual, "1d")
    times = [message["Body"] for message in drain(on, url)]
    assert len(times) == 24 and sorted(times) == sorted(set(times))


def once(on: Aws, manual: Server, **target: Any) -> None:
    """A schedule that fires now."""
    on("scheduler").create_schedule(
        Name="s", ScheduleExpression="rate(365 days)", FlexibleTimeWindow=OFF, Target={"RoleArn": role(on), **target}
    )
    advance(manual, "1m")


def test_a_fifo_queue_as_target(on: Aws, manual: Server) -> None:
    url, arn = queue(on, "f.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    once(on, manual, Arn=arn, SqsParameters={"MessageGroupId": "g"}, Input="one")
    assert [message["Body"] for message in drain(on, url)] == ["one"]


def test_a_topic_as_target(on: Aws, manual: Server) -> None:
    url, arn = queue(on)
    policy = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}]}
    on("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    topic = on("sns").create_topic(Name="t")["TopicArn"]
    on("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    once(on, manual, Arn=topic, Input="two")
    assert [message["Body"] for message in drain(on, url)] == ["two"]


def test_a_bus_as_target(on: Aws, manual: Server) -> None:
    url, arn = queue(on)
    policy = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}]}
    on("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    on("events").put_rule(Name="r", EventPattern='{"source": ["my.clock"], "detail-type": ["tick"]}')
    on("events").put_targets(Rule="r", Targets=[{"Id": "q", "Arn": arn, "InputPath": "$.detail"}])
    bus = on("events").describe_event_bus()["Arn"]
    parameters = {"DetailType": "tick", "Source": "my.clock"}
    once(on, manual, Arn=bus, EventBridgeParameters=parameters, Input='{"n": 3}')
    assert [json.loads(message["Body"]) for message in drain(on, url)] == [{"n": 3}]


def test_an_operation_as_universal_target(on: Aws, manual: Server) -> None:
    url, _ = queue(on)
    text = json.dumps({"QueueUrl": url, "MessageBody": "four"})
    once(on, manual, Arn="arn:aws:scheduler:::aws-sdk:sqs:sendMessage", Input=text)
    assert [message["Body"] for message in drain(on, url)] == ["four"]


def test_what_fails_ends_in_the_dead_letter_queue(on: Aws, manual: Server) -> None:
    url, dead = queue(on, "dead")
    on("scheduler").create_schedule(
        Name="s",
        ScheduleExpression="rate(365 days)",
        FlexibleTimeWindow=OFF,
        Target={
            "Arn": dead.replace(":dead", ":missing"),
            "RoleArn": role(on),
            "Input": "work",
            "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 3600},
            "DeadLetterConfig": {"Arn": dead},
        },
    )
    advance(manual, "1h")
    (message,) = drain(on, url)
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert message["Body"] == "work"
    assert attributes["RETRY_ATTEMPTS"] == "3" and attributes["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"
    assert attributes["SCHEDULE_ARN"].endswith(":schedule/default/s") and attributes["ERROR_CODE"]


def test_groups_and_paging_through_boto3(on: Aws, manual: Server) -> None:
    scheduler, arn_of_role = on("scheduler"), role(on)
    group = scheduler.create_schedule_group(Name="g", Tags=[{"Key": "team", "Value": "a"}])["ScheduleGroupArn"]
    assert scheduler.list_tags_for_resource(ResourceArn=group)["Tags"] == [{"Key": "team", "Value": "a"}]
    scheduler.untag_resource(ResourceArn=group, TagKeys=["team"])
    assert scheduler.list_tags_for_resource(ResourceArn=group)["Tags"] == []
    _, arn = queue(on)
    for n in range(7):
        scheduler.create_schedule(
            Name=f"s{n}",
            GroupName="g",
            ScheduleExpression="rate(1 day)",
            State="DISABLED",
            FlexibleTimeWindow=OFF,
            Target={"Arn": arn, "RoleArn": arn_of_role},
        )
    pages = scheduler.get_paginator("list_schedules").paginate(GroupName="g", PaginationConfig={"PageSize": 3})
    assert [each["Name"] for page in pages for each in page["Schedules"]] == [f"s{n}" for n in range(7)]
    scheduler.delete_schedule_group(Name="g")
    advance(manual, "1s")
    with pytest.raises(scheduler.exceptions.ResourceNotFoundException):
        scheduler.get_schedule_group(Name="g")
    with pytest.raises(ClientError, match="must allow AWS EventBridge Scheduler to assume the role"):
        scheduler.create_schedule(
            Name="s",
            ScheduleExpression="rate(1 day)",
            FlexibleTimeWindow=OFF,
            Target={"Arn": arn, "RoleArn": arn_of_role + "x"},
        )


CODE = """
import boto3, json, os
def handler(event, context):
    item = {"id": {"S": context.aws_request_id}, "event": {"S": json.dumps(event)}}
    boto3.client("dynamodb").put_item(TableName=os.environ["TABLE"], Item=item)
"""
SAM = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Heard: {Type: AWS::Serverless::SimpleTable}
  Ticker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      InlineCode: %s
      Environment: {Variables: {TABLE: !Ref Heard}}
      Policies: [{DynamoDBWritePolicy: {TableName: !Ref Heard}}]
      Events:
%s
Outputs:
  Heard: {Value: !Ref Heard}
"""
SCHEDULE_V2 = """
        Tick:
          Type: ScheduleV2
          Properties:
            ScheduleExpression: rate(6 hours)
            Name: ticks
            Description: four times a day
            ScheduleExpressionTimezone: Europe/Berlin
            FlexibleTimeWindow: {Mode: 'OFF'}
            Input: '{"v": 2}'
            RetryPolicy: {MaximumRetryAttempts: 5}
"""
SCHEDULE = """
        Tick: {Type: Schedule, Properties: {Schedule: "rate(6 hours)", Input: '{"v": 1}'}}
        Off: {Type: Schedule, Properties: {Schedule: "rate(1 hour)", Enabled: false}}
"""


def deploy(on: Aws, events: str) -> str:
    """The name of the table in which the function keeps what it got."""
    cloudformation = on("cloudformation")
    cloudformation.create_change_set(
        StackName="ticks",
        ChangeSetName="first",
        ChangeSetType="CREATE",
        TemplateBody=SAM % (json.dumps(CODE), events),
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    cloudformation.get_waiter("change_set_create_complete").wait(
        StackName="ticks", ChangeSetName="first", WaiterConfig=QUICK
    )
    cloudformation.execute_change_set(StackName="ticks", ChangeSetName="first")
    cloudformation.get_waiter("stack_create_complete").wait(StackName="ticks", WaiterConfig=QUICK)
    (output,) = cloudformation.describe_stacks(StackName="ticks")["Stacks"][0]["Outputs"]
    table: str = output["OutputValue"]
    return table


def heard(on: Aws, table: str) -> list[Any]:
    return [json.loads(item["event"]["S"]) for item in on("dynamodb").scan(TableName=table)["Items"]]


def remove(on: Aws) -> None:
    on("cloudformation").delete_stack(StackName="ticks")
    on("cloudformation").get_waiter("stack_delete_complete").wait(StackName="ticks", WaiterConfig=QUICK)


def test_schedule_v2_of_a_serverless_function(on: Aws, manual: Server) -> None:
    table = deploy(on, SCHEDULE_V2)
    shown = on("scheduler").get_schedule(Name="ticks")
    assert shown["ScheduleExpressionTimezone"] == "Europe/Berlin" and shown["Description"] == "four times a day"
    advance(manual, "23h")
    assert heard(on, table) == [{"v": 2}] * 4
    remove(on)
    assert on("scheduler").list_schedules()["Schedules"] == []


def test_schedule_of_a_serverless_function(on: Aws, manual: Server) -> None:
    table = deploy(on, SCHEDULE)
    advance(manual, "1d")
    assert heard(on, table) == [{"v": 1}] * 4
    remove(on)
    assert on("events").list_rules()["Rules"] == []


STACK = {
    "Resources": {
        "Group": {"Type": "AWS::Scheduler::ScheduleGroup", "Properties": {"Tags": [{"Key": "a", "Value": "b"}]}},
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}},
        "Daily": {
            "Type": "AWS::Scheduler::Schedule",
            "Properties": {
                "GroupName": {"Ref": "Group"},
                "ScheduleExpression": "rate(1 day)",
                "StartDate": "2999-01-01T00:00:00Z",
                "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": "15"},
                "Target": {
                    "Arn": "arn:aws:scheduler:::aws-sdk:ssm:putParameter",
                    "Input": json.dumps({"Name": "/x", "Value": "y", "Type": "String"}),
                    "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                    "DeadLetterConfig": {"Arn": {"Fn::Sub": "arn:aws:sqs:us-east-1:${AWS::AccountId}:dead"}},
                    "RetryPolicy": {"MaximumRetryAttempts": "2"},
                },
            },
        },
    },
    "Outputs": {
        "Name": {"Value": {"Ref": "Daily"}},
        "Arn": {"Value": {"Fn::GetAtt": ["Daily", "Arn"]}},
        "Group": {"Value": {"Fn::GetAtt": ["Group", "Arn"]}},
        "State": {"Value": {"Fn::GetAtt": ["Group", "State"]}},
    },
}


def test_cloudformation_types(on: Aws) -> None:
    cloudformation, scheduler = on("cloudformation"), on("scheduler")
    more: dict[str, Any] = {"StackName": "s", "Capabilities": ["CAPABILITY_IAM"]}
    cloudformation.create_stack(TemplateBody=json.dumps(STACK), **more)
    cloudformation.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig=QUICK)
    listed = cloudformation.describe_stacks(StackName="s")["Stacks"][0]["Outputs"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in listed}
    assert outputs["State"] == "ACTIVE" and outputs["Name"].startswith("s-Daily-")
    group = outputs["Group"].rpartition("/")[2]
    shown = scheduler.get_schedule(Name=outputs["Name"], GroupName=group)
    assert shown["Arn"] == outputs["Arn"] and shown["StartDate"].year == 2999
    assert shown["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}
    tags = scheduler.list_tags_for_resource(ResourceArn=outputs["Group"])["Tags"]
    assert {"Key": "a", "Value": "b"} in tags
    changed = json.loads(json.dumps(STACK))
    changed["Resources"]["Daily"]["Properties"] |= {"ScheduleExpression": "rate(2 days)", "Description": "new"}
    changed["Resources"]["Group"]["Properties"]["Tags"] = [{"Key": "c", "Value": "d"}]
    cloudformation.update_stack(TemplateBody=json.dumps(changed), **more)
    cloudformation.get_waiter("stack_update_complete").wait(StackName="s", WaiterConfig=QUICK)
    shown = scheduler.get_schedule(Name=outputs["Name"], GroupName=group)
    assert (shown["ScheduleExpression"], shown["Description"]) == ("rate(2 days)", "new")
    tags = scheduler.list_tags_for_resource(ResourceArn=outputs["Group"])["Tags"]
    assert {"Key": "c", "Value": "d"} in tags and {"Key": "a", "Value": "b"} not in tags
    cloudformation.delete_stack(StackName="s")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="s", WaiterConfig=QUICK)
    assert [
        each["Name"] for each in scheduler.list_schedule_groups()["ScheduleGroups"] if each["State"] == "ACTIVE"
    ] == ["default"]
