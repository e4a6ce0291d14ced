"""What tests of SAM templates share: a fresh account on a manual clock with one stack in it, deployed by change sets, whose
functions write what they get into a table."""

from __future__ import annotations

import json
from typing import Any

import yaml

from freehold.testing import Freehold

RECORDS = """
import boto3, json, os
table = boto3.client("dynamodb")
def handler(event, context):
    item = {"id": {"S": context.aws_request_id}, "event": {"S": json.dumps(event)},
            "by": {"S": os.environ["AWS_LAMBDA_FUNCTION_NAME"]}}
    table.put_item(TableName=os.environ["TABLE"], Item=item)
    return {"seen": event}
"""


class Cloud:
    """A fresh account, and one stack in it."""

    def __init__(self, freehold: Freehold) -> None:
        self.account, self.clock = freehold.account(), freehold.clock
        self.client = self.account.client
        self.cloudformation = self.client("cloudformation")
        self.outputs: dict[str, str] = {}
        self.deployments = 0

    def deploy(self, *parts: str, name: str = "s") -> None:
        """Create or update the stack as `sam deploy` does."""
        template = json.dumps(document(*parts))
        exists = name in {one["StackName"] for one in self.cloudformation.describe_stacks()["Stacks"]}
        kind, waiter = ("UPDATE", "stack_update_complete") if exists else ("CREATE", "stack_create_complete")
        self.deployments += 1
        change_set = f"c{self.deployments}"
        self.cloudformation.create_change_set(
            StackName=name, ChangeSetName=change_set, ChangeSetType=kind, TemplateBody=template,
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )  # fmt: skip
        self.cloudformation.execute_change_set(StackName=name, ChangeSetName=change_set)
        self.cloudformation.get_waiter(waiter).wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        found = self.cloudformation.describe_stacks(StackName=name)["Stacks"][0].get("Outputs", [])
        self.outputs = {one["OutputKey"]: one["OutputValue"] for one in found}

    def delete(self, name: str = "s") -> None:
        self.cloudformation.delete_stack(StackName=name)
        self.cloudformation.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})

    def settle(self, by: str = "1s") -> None:
        """Let everything happen that is due."""
        self.clock.advance(by)

    def seen(self, by: str = "Fn") -> list[Any]:
        """Events that a recording function got, and forgets: the stack's function whose logical id is `by`."""
        table, dynamodb = self.outputs["Table"], self.client("dynamodb")
        found = []
        for item in dynamodb.scan(TableName=table, ConsistentRead=True)["Items"]:
            if f"-{by}-" in item["by"]["S"]:
                found.append(json.loads(item["event"]["S"]))
                dynamodb.delete_item(TableName=table, Key={"id": item["id"]})
        return found

    def received(self, output: str) -> list[Any]:
        """Messages of the queue whose URL is an output, as JSON; they are deleted."""
        sqs, url, found = self.client("sqs"), self.outputs[output], []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"]))
        return found


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms."""


def _short(loader: Any, tag: str, node: Any) -> Any:
    if tag == "GetAtt":
        return {"Fn::GetAtt": node.value.split(".", 1)}
    value = loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else loader.construct_sequence(node)
    return {"Ref" if tag == "Ref" else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _short)


def document(*parts: str) -> dict[str, Any]:
    """A SAM template of resources, given as YAML, beside the table that functions write to. Every resource whose Ref is
    of use is an output."""
    resources: dict[str, Any] = {"Table": {"Type": "AWS::Serverless::SimpleTable"}}
    for part in parts:
        resources |= yaml.load(part, _Loader)
    for body in resources.values():
        if body["Type"] == "AWS::Serverless::Function":
            body["Properties"].setdefault("InlineCode", RECORDS)
    told = [name for name, body in resources.items() if body["Type"] != "AWS::Serverless::Connector"]
    policy = {"DynamoDBCrudPolicy": {"TableName": {"Ref": "Table"}}}
    return {
        "Transform": "AWS::Serverless-2016-10-31",
        "Globals": {
            "Function": {
                "Runtime": "python3.12", "Handler": "index.handler", "Timeout": 10,
                "Environment": {"Variables": {"TABLE": {"Ref": "Table"}}},
            }
        },
        "Resources": {
            name: body | {"Properties": {"Policies": [policy], **body["Properties"]}}
            if body["Type"] == "AWS::Serverless::Function"
            else body
            for name, body in resources.items()
        },
        "Outputs": {name: {"Value": {"Ref": name}} for name in told if "Subscription" not in name},
    }  # fmt: skip


def put(cloud: Cloud, source: str, **detail: Any) -> None:
    entry = {"Source": source, "DetailType": "t", "Detail": json.dumps(detail)}
    assert cloud.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0


FUNCTION = """
Fn:
  Type: AWS::Serverless::Function
  Properties: {}
"""
QUEUE = """
Queue:
  Type: AWS::SQS::Queue
"""
TOPIC = """
Topic:
  Type: AWS::SNS::Topic
"""
