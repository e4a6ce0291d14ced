"""Properties of resources: refused by name, converted, bounded."""

from __future__ import annotations

import json

import pytest

from tests.services.cloudformation.support import Cloud, refused, run
from tests.services.cloudformation.things import Request, thing


@pytest.mark.parametrize(
    ("resource", "code", "message"),
    [
        (
            {"Type": "AWS::EC2::Instance"},
            "ValidationError",
            "Template format error: Unrecognized resource types: [AWS::EC2::Instance]. Freehold does not implement them;"
            " see docs/differences.md",
        ),
        (
            thing(Weight=3),
            "NotImplemented",
            "Freehold does not implement property Weight of Test::Thing (logical id X). See docs/differences.md.",
        ),
        (
            thing(Nested={"Deeper": 1}),
            "NotImplemented",
            "Freehold does not implement property Nested.Deeper of Test::Thing (logical id X). See docs/differences.md.",
        ),
        (
            thing(Kind="oval"),
            "NotImplemented",
            "Freehold does not implement 'oval' of property Kind of Test::Thing (logical id X). See docs/differences.md.",
        ),
        (
            thing(Size="big"),
            "ValidationError",
            "Properties validation failed for resource X with message:\n#/Size: expected type: Integer, found: String",
        ),
        (
            thing(Color={"Fn::GetAtt": ["Good", "Weight"]}),
            "ValidationError",
            "Template error: resource Good does not support attribute type Weight in Fn::GetAtt",
        ),
        (thing(Color="invisible"), "ValidationException", "no thing is invisible"),
        (
            {**thing(), "DeletionPolicy": "Snapshot"},
            "ValidationError",
            "Template error: DeletionPolicy Snapshot is not supported for resource X of type Test::Thing",
        ),
        (
            {**thing(), "DependsOn": "X"},
            "ValidationError",
            "Circular dependency between resources: [X]",
        ),
    ],
)
def test_what_is_not_implemented_fails_by_name_before_anything_is_created(
    resource: Request, code: str, message: str
) -> None:
    async def body(cloud: Cloud) -> None:
        template = {"Resources": {"Good": thing(), "X": resource}}
        assert await refused(cloud.create("s", template), code) == message
        assert await refused(cloud.describe_stacks(StackName="s")) == "Stack with id s does not exist"
        assert cloud.log == []

    run(body)


def test_required_properties_are_named() -> None:
    async def body(cloud: Cloud) -> None:
        message = await refused(cloud.create("s", {"Resources": {"N": {"Type": "AWS::CloudFormation::Stack"}}}))
        assert "#: required key [TemplateURL] not found" in message

    run(body)


def test_scalars_are_converted_as_cloudformation_does() -> None:
    async def body(cloud: Cloud) -> None:
        properties = {
            "Name": "n",
            "Color": 5,
            "Size": "7",
            "Flag": "true",
            "Items": {"Key": 1, "Value": True},
            "Document": {"n": 1},
        }
        await cloud.create("s", {"Resources": {"A": thing(**properties)}})
        made = cloud.things["n"]
        assert (made["Color"], made["Size"], made["Flag"]) == ("5", 7, True)
        assert made["Items"] == [{"Key": "1", "Value": "true"}]
        assert made["Document"] == {"n": 1}
        assert await refused(cloud.update("s", {"Resources": {"A": thing(**{**properties, "Size": 7})}})) == (
            "No updates are to be performed."
        )

    run(body)


def test_large_properties_are_kept_whole_and_too_large_ones_refused() -> None:
    async def body(cloud: Cloud) -> None:
        document = {"paths": [{"number": number, "text": "x" * 50} for number in range(5_000)]}
        cloud.objects["b", "t"] = json.dumps({"Resources": {"A": thing(Name="a", Document=document)}}).encode()
        answer = await cloud.create_stack(StackName="s", TemplateURL="s3://b/t")
        assert (await cloud.done(answer["StackId"]))["StackStatus"] == "CREATE_COMPLETE"
        assert cloud.things["a"]["Document"] == document
        pages = await cloud.history("s")
        assert [status for name, status, _ in pages if name == "A"][-1] == "CREATE_COMPLETE"
        letters = cloud.platform.ids.letters(500_000)
        cloud.objects["b", "t"] = json.dumps({"Resources": {"A": thing(Name="b", Document={"t": letters})}}).encode()
        answer = await cloud.create_stack(StackName="t", TemplateURL="s3://b/t")
        assert (await cloud.done(answer["StackId"]))["StackStatus"] == "ROLLBACK_COMPLETE"
        assert ("A", "CREATE_FAILED", "The properties of resource A are too large") in await cloud.history("t")

    run(body)
