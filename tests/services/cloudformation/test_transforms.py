"""Transforms: includes, loops, serverless resources, and those that are not known."""

from __future__ import annotations

import json

from tests.services.cloudformation.support import SERVERLESS, TWO, Cloud, refused, run
from tests.services.cloudformation.things import thing


def test_transforms_include_loop_and_unknown() -> None:
    async def body(cloud: Cloud) -> None:
        cloud.objects["pieces", "color.yaml"] = b"Color: red\nLabels: {a: b}\n"
        template = {
            "Transform": "AWS::LanguageExtensions",
            "Parameters": {"Names": {"Type": "CommaDelimitedList", "Default": "One,Two"}},
            "Resources": {
                "Fn::ForEach::Things": ["N", {"Ref": "Names"}, {"Thing${N}": thing(Name={"Fn::Sub": "x-${N}"})}],
                "Included": {
                    "Type": "Test::Thing",
                    "Properties": {
                        "Name": "included",
                        "Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://pieces/color.yaml"}},
                    },
                },
            },
        }
        stack = await cloud.create("s", template, Capabilities=["CAPABILITY_AUTO_EXPAND"])
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        assert cloud.things.keys() == {"x-One", "x-Two", "included"}
        assert cloud.things["included"]["Color"] == "red"
        original = (await cloud.get_template(StackName="s", TemplateStage="Original"))["TemplateBody"]
        processed = (await cloud.get_template(StackName="s"))["TemplateBody"]
        assert json.loads(original) == template
        assert set(json.loads(processed)["Resources"]) == {"ThingOne", "ThingTwo", "Included"}
        mine = {**TWO, "Transform": "MyMacro"}
        assert "the transform MyMacro" in await refused(
            cloud.create("t", mine, Capabilities=["CAPABILITY_AUTO_EXPAND"]), "NotImplemented"
        )

    run(body)


def test_serverless_resources_are_translated_and_errors_named() -> None:
    async def body(cloud: Cloud) -> None:
        auto = {"Capabilities": ["CAPABILITY_AUTO_EXPAND", "CAPABILITY_IAM"]}
        # This cloud has no tables: the translation has happened when that is what is missing.
        assert "[AWS::DynamoDB::Table]" in await refused(cloud.create("s", SERVERLESS, **auto))
        wrong = {**SERVERLESS, "Resources": {"F": {"Type": "AWS::Serverless::Function", "Properties": {"Nope": 1}}}}
        message = await refused(cloud.create("s", wrong, **auto))
        assert message.startswith(
            "Transform AWS::Serverless-2016-10-31 failed with: Invalid Serverless Application Specification document."
        )
        assert "Resource with id [F] is invalid" in message

    run(body)
