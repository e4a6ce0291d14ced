"""Stacks: created, updated and deleted, a few at a time; each comes to its end by itself."""

from __future__ import annotations

import json
import random
from typing import Any

from workloads.base import Workload, until
from workloads.ledger import Ledger

STACK = "stack "
MOST = 4


class Stacks(Workload):
    """A stack's value is the number in its parameter. One that is there ends complete, with its resources."""

    name = "cloudformation"

    def setup(self) -> None:
        """Nothing is needed."""

    def step(self, rng: random.Random) -> None:
        client, known = self.cloud.client("cloudformation"), self.ledger.present(STACK)
        number = self.next()
        if len(known) < MOST:
            name = f"{STACK}{number}"
            with self.ledger.write(name, number):
                client.create_stack(StackName=self._stack(name), TemplateBody=self._template(name, number))
            return
        if not self._status(known[0]).endswith("_COMPLETE"):
            until(lambda: self._status(known[0]).endswith("_COMPLETE"), 1)
        elif rng.random() < 0.5:
            with self.ledger.write(known[0], None):
                client.delete_stack(StackName=self._stack(known[0]))
        else:
            with self.ledger.write(known[0], number):
                body = self._template(known[0], number)
                client.update_stack(StackName=self._stack(known[0]), TemplateBody=body)

    def _template(self, name: str, number: int) -> str:
        path = f"/load/{self._stack(name)}"
        value = {"Type": "String", "Name": path, "Value": str(number)}
        return json.dumps(
            {
                "Resources": {
                    "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": self._stack(name)}},
                    "Topic": {"Type": "AWS::SNS::Topic"},
                    "Value": {"Type": "AWS::SSM::Parameter", "DependsOn": "Queue", "Properties": value},
                },
                "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}},
            }
        )

    def _stack(self, name: str) -> str:
        return f"{self.prefix()}-{name.removeprefix(STACK)}"

    def _status(self, name: str) -> str:
        found = self.cloud.client("cloudformation").describe_stacks(StackName=self._stack(name))["Stacks"]
        return str(found[0]["StackStatus"])

    def verify(self, ledger: Ledger, patience: float) -> list[str]:
        until(lambda: not any(each["StackStatus"].endswith("IN_PROGRESS") for each in self._stacks()), patience)
        wrong, found, moving = [], {}, []
        for stack in self._stacks():
            name = STACK + stack["StackName"].rpartition("-")[2]
            status = stack["StackStatus"]
            if status.endswith("IN_PROGRESS"):
                if patience:
                    wrong.append(f"{name} is still {status}")
                if ledger.possible(name) == [None]:
                    wrong += (
                        [] if status.startswith("DELETE") else [f"{name} is {status}, but was deleted or never made"]
                    )
                moving.append(name)
            elif status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
                found[name] = self._number(name)
                wrong += self._resources(name, stack)
            else:
                wrong.append(f"{name} ended as {status}: {stack.get('StackStatusReason')}")
        return wrong + ledger.compare(found, STACK, moving=moving)

    def _stacks(self) -> list[dict[str, Any]]:
        found = self.cloud.client("cloudformation").pages("describe_stacks", "Stacks")
        return [each for each in found if each["StackName"].startswith(f"{self.prefix()}-")]

    def _number(self, name: str) -> int:
        path = f"/load/{self._stack(name)}"
        return int(self.cloud.client("ssm").get_parameter(Name=path)["Parameter"]["Value"])

    def _resources(self, name: str, stack: dict[str, Any]) -> list[str]:
        """Are the resources of a complete stack there?"""
        listed = self.cloud.client("cloudformation").describe_stack_resources(StackName=stack["StackName"])
        there = {each["LogicalResourceId"] for each in listed["StackResources"]}
        self.cloud.client("sns").get_topic_attributes(TopicArn=stack["Outputs"][0]["OutputValue"])
        self.cloud.client("sqs").get_queue_attributes(QueueUrl=self.cloud.queue_url(self._stack(name)))
        return [] if len(there) == 3 else [f"{name} is complete, but has only {sorted(there)}"]
