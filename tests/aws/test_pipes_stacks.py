"""Pipes, archives, connections and API destinations as CloudFormation templates make, change and delete them."""

from __future__ import annotations

import json
from typing import Any

from tests.aws.pipes import World, world

__all__ = ["world"]


TEMPLATE: dict[str, Any] = {
    "Resources": {
        "Source": {"Type": "AWS::SQS::Queue"},
        "Target": {"Type": "AWS::SQS::Queue"},
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {"Effect": "Allow", "Principal": {"Service": "pipes.amazonaws.com"}, "Action": "sts:AssumeRole"}
                    ],
                }
            },
        },
        "Pipe": {
            "Type": "AWS::Pipes::Pipe",
            "Properties": {
                "Source": {"Fn::GetAtt": ["Source", "Arn"]},
                "SourceParameters": {
                    "FilterCriteria": {"Filters": [{"Pattern": '{"body":{"k":[1]}}'}]},
                    "SqsQueueParameters": {"BatchSize": 5},
                },
                "Target": {"Fn::GetAtt": ["Target", "Arn"]},
                "TargetParameters": {"InputTemplate": "got <$.body.k>"},
                "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                "Tags": {"team": "t"},
            },
        },
        "Archive": {
            "Type": "AWS::Events::Archive",
            "Properties": {
                "SourceArn": {"Fn::Sub": "arn:aws:events:${AWS::Region}:${AWS::AccountId}:event-bus/default"},
                "EventPattern": {"source": ["mine"]},
                "RetentionDays": 3,
            },
        },
        "Connection": {
            "Type": "AWS::Events::Connection",
            "Properties": {
                "AuthorizationType": "BASIC",
                "AuthParameters": {"BasicAuthParameters": {"Username": "u", "Password": "p"}},
            },
        },
        "Destination": {
            "Type": "AWS::Events::ApiDestination",
            "Properties": {
                "ConnectionArn": {"Fn::GetAtt": ["Connection", "Arn"]},
                "InvocationEndpoint": "https://example.com/x",
                "HttpMethod": "POST",
                "InvocationRateLimitPerSecond": 7,
            },
        },
    },
    "Outputs": {
        "Pipe": {"Value": {"Ref": "Pipe"}},
        "Source": {"Value": {"Ref": "Source"}},
        "Target": {"Value": {"Ref": "Target"}},
        "Archive": {"Value": {"Ref": "Archive"}},
        "Destination": {"Value": {"Ref": "Destination"}},
    },
}


def test_a_stack_of_them_is_created_updated_and_deleted(world: World) -> None:
    stacks, events = world.aws("cloudformation"), world.aws("events")
    waiting = {"Delay": 1, "MaxAttempts": 60}
    stacks.create_stack(StackName="s", TemplateBody=json.dumps(TEMPLATE), Capabilities=["CAPABILITY_IAM"])
    stacks.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig=waiting)
    listed = stacks.describe_stacks(StackName="s")["Stacks"][0]["Outputs"]
    out = {each["OutputKey"]: each["OutputValue"] for each in listed}
    shown = world.pipes.describe_pipe(Name=out["Pipe"])
    assert shown["CurrentState"] == "RUNNING" and shown["Tags"]["team"] == "t"
    world.sqs.send_message(QueueUrl=out["Source"], MessageBody='{"k":1}')
    assert world.receive(out["Target"], 1) == ["got 1"]
    assert events.describe_archive(ArchiveName=out["Archive"])["RetentionDays"] == 3
    assert events.describe_api_destination(Name=out["Destination"])["InvocationRateLimitPerSecond"] == 7

    changed = json.loads(json.dumps(TEMPLATE))
    pipe = changed["Resources"]["Pipe"]["Properties"]
    del pipe["SourceParameters"], pipe["Tags"]
    pipe["TargetParameters"] = {"InputTemplate": "new <$.body.k>"}
    del changed["Resources"]["Archive"]["Properties"]["EventPattern"]
    del changed["Resources"]["Destination"]["Properties"]["InvocationRateLimitPerSecond"]
    stacks.update_stack(StackName="s", TemplateBody=json.dumps(changed), Capabilities=["CAPABILITY_IAM"])
    stacks.get_waiter("stack_update_complete").wait(StackName="s", WaiterConfig=waiting)
    world.sqs.send_message(QueueUrl=out["Source"], MessageBody='{"k":2}')
    assert world.receive(out["Target"], 1) == ["new 2"]
    shown = world.pipes.describe_pipe(Name=out["Pipe"])
    assert shown["SourceParameters"] == {} and "team" not in shown["Tags"]
    assert "EventPattern" not in events.describe_archive(ArchiveName=out["Archive"])
    assert events.describe_api_destination(Name=out["Destination"])["InvocationRateLimitPerSecond"] == 300

    stacks.delete_stack(StackName="s")
    stacks.get_waiter("stack_delete_complete").wait(StackName="s", WaiterConfig=waiting)
    assert world.pipes.list_pipes()["Pipes"] == []
    assert events.list_archives()["Archives"] == [] and events.list_connections()["Connections"] == []
