"""Stacks that are created, updated and deleted."""

from __future__ import annotations

import json
import random
from typing import Any

from soak.churn.base import Churn


class Stacks(Churn):
    """A stack of a function with its role, a queue, a table, a topic, a rule and a parameter; changed once, then deleted."""

    name = "stacks"
    alive = 1

    def make(self, name: str, rng: random.Random) -> None:
        client = self.cloud.client("cloudformation")
        capabilities = ["CAPABILITY_IAM"]
        client.create_stack(StackName=name, TemplateBody=_template(1), Capabilities=capabilities)
        client.wait("stack_create_complete", StackName=name)
        client.update_stack(StackName=name, TemplateBody=_template(2), Capabilities=capabilities)
        client.wait("stack_update_complete", StackName=name)
        client.describe_stack_events(StackName=name)

    def drop(self, name: str) -> None:
        client = self.cloud.client("cloudformation")
        client.delete_stack(StackName=name)
        client.wait("stack_delete_complete", StackName=name)


def _template(version: int) -> str:
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    code = f"def handler(event, context):\n    return {version}\n"
    resources: dict[str, Any] = {
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 30 * version}},
        "Topic": {"Type": "AWS::SNS::Topic"},
        "Subscription": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": {"Ref": "Topic"},
                "Protocol": "sqs",
                "Endpoint": {"Fn::GetAtt": ["Queue", "Arn"]},
            },
        },
        "Parameter": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Type": "String", "Value": {"Fn::Sub": f"{version} ${{Queue}}"}},
        },
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            },
        },
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]}},
        },
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "python3.11",
                "Handler": "index.handler",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Code": {"ZipFile": code},
            },
        },
        "Mapping": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "FunctionName": {"Ref": "Function"},
                "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]},
                "BatchSize": 5,
            },
        },
    }
    return json.dumps({"Resources": resources})
