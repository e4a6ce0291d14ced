"""What EventBridge is told of stacks and resources."""

from __future__ import annotations

import json
from typing import Any

from freehold.services.cloudformation import sam
from tests.services.cloudformation.support import ACCOUNT, REGION, Cloud, refused, run
from tests.services.cloudformation.things import thing


def test_every_change_of_a_status_is_told_in_its_order() -> None:
    async def body(cloud: Cloud) -> None:
        stack = await cloud.create("s", {"Resources": {"A": thing(Color="red")}}, ClientRequestToken="token")
        found = await cloud.told()
        assert [(one["type"], one.get("logical-resource-id"), one["status-details"]["status"]) for one in found] == [
            ("CloudFormation Stack Status Change", None, "CREATE_IN_PROGRESS"),
            ("CloudFormation Resource Status Change", "A", "CREATE_IN_PROGRESS"),
            ("CloudFormation Resource Status Change", "A", "CREATE_IN_PROGRESS"),
            ("CloudFormation Resource Status Change", "A", "CREATE_COMPLETE"),
            ("CloudFormation Stack Status Change", None, "CREATE_COMPLETE"),
        ]
        physical = next(iter(cloud.things))
        assert found[3] == {
            "type": "CloudFormation Resource Status Change",
            "resources": [stack["StackId"]],
            "stack-id": stack["StackId"],
            "logical-resource-id": "A",
            "physical-resource-id": physical,
            "status-details": {"status": "CREATE_COMPLETE", "status-reason": ""},
            "resource-type": "Test::Thing",
            "client-request-token": "token",
        }
        assert found[4] == {
            "type": "CloudFormation Stack Status Change",
            "resources": [stack["StackId"]],
            "stack-id": stack["StackId"],
            "status-details": {"status": "CREATE_COMPLETE", "status-reason": ""},
            "client-request-token": "token",
        }

    run(body)


def test_topics_get_every_event_of_a_stack_as_text() -> None:
    async def body(cloud: Cloud) -> None:
        topics: Any = cloud.platform.topics
        template = {"Resources": {"A": thing(Color="red")}}
        stack = await cloud.create("s", template, NotificationARNs=[topics.arn])
        assert stack["NotificationARNs"] == [topics.arn]
        notes = list(topics.notes.values())
        assert len(notes) == 5
        assert {note.subject for note in notes} == {"AWS CloudFormation Notification"}
        lines = notes[-1].message.splitlines()
        assert f"StackId='{stack['StackId']}'" in lines
        assert "ResourceStatus='CREATE_COMPLETE'" in lines
        assert "ResourceType='AWS::CloudFormation::Stack'" in lines
        # An update that does not name them keeps them; one that names none has none.
        topics.notes.clear()
        await cloud.update("s", {"Resources": {"A": thing(Color="blue")}})
        assert topics.notes
        topics.notes.clear()
        changed = await cloud.update("s", {"Resources": {"A": thing(Color="red")}}, NotificationARNs=[])
        assert changed["NotificationARNs"] == []

    run(body)


def test_topics_of_a_stack_must_be_there() -> None:
    async def body(cloud: Cloud) -> None:
        template = {"Resources": {"A": thing(Color="red")}}
        gone = f"arn:aws:sns:{REGION}:{ACCOUNT}:gone"
        assert gone in await refused(cloud.create("s", template, NotificationARNs=[gone]))
        assert "arn:aws:sqs" in await refused(cloud.create("s", template, NotificationARNs=["arn:aws:sqs:a:b:c"]))

    run(body)


def test_connectors_are_no_riddle_before_the_transform() -> None:
    """sam deploy and `aws cloudformation validate-template` look at the template as it was written."""

    async def body(cloud: Cloud) -> None:
        function = {
            "Type": "AWS::Serverless::Function",
            "IgnoreGlobals": "*",
            "Connectors": {"C": {"Properties": {"Destination": {"Id": "F"}, "Permissions": ["Write"]}}},
            "Properties": {"InlineCode": "x", "Handler": "a.b", "Runtime": "python3.11"},
        }
        template = json.dumps({"Transform": sam.NAME, "Resources": {"F": function}})
        assert (await cloud.validate_template(TemplateBody=template))["DeclaredTransforms"] == [sam.NAME]
        summary = await cloud.get_template_summary(TemplateBody=template)
        assert summary["ResourceTypes"] == ["AWS::Serverless::Function"]

    run(body)


def test_the_refusal_of_missing_types_names_no_serverless_ones() -> None:
    """What the transform replaces is not missing, before the transform and after it."""

    async def body(cloud: Cloud) -> None:
        table = {"Type": "AWS::Serverless::SimpleTable"}
        template = {"Transform": sam.NAME, "Resources": {"T": table, "S": {"Type": "AWS::Kinesis::Stream"}}}
        for attempt in (
            cloud.create("s", template, Capabilities=["CAPABILITY_AUTO_EXPAND"]),
            cloud.get_template_summary(TemplateBody=json.dumps(template)),
        ):
            message = await refused(attempt)
            assert "AWS::Kinesis::Stream" in message and "AWS::Serverless" not in message

    run(body)
