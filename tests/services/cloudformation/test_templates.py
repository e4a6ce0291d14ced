"""Templates and what is asked with them: where they come from, what they are, capabilities, settings."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.services.cloudformation.support import SERVERLESS, TWO, Cloud, refused, run
from tests.services.cloudformation.things import Request, thing


def test_capabilities_must_be_acknowledged() -> None:
    async def body(cloud: Cloud) -> None:
        plain = {"Resources": {"R": {"Type": "AWS::IAM::Role"}}}
        named = {"Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "n"}}}}
        code = "InsufficientCapabilitiesException"
        assert await refused(cloud.create("s", plain), code) == "Requires capabilities : [CAPABILITY_IAM]"
        assert await refused(cloud.create("s", named, Capabilities=["CAPABILITY_IAM"]), code) == (
            "Requires capabilities : [CAPABILITY_NAMED_IAM]"
        )
        extended = {**TWO, "Transform": "AWS::LanguageExtensions"}
        assert await refused(cloud.create("s", extended), code) == "Requires capabilities : [CAPABILITY_AUTO_EXPAND]"
        stack = await cloud.create("s", plain, Capabilities=["CAPABILITY_NAMED_IAM"])
        assert stack["StackStatus"] == "CREATE_COMPLETE"

    run(body)


def test_templates_come_from_s3_in_every_form() -> None:
    async def body(cloud: Cloud) -> None:
        cloud.objects["bucket", "dir/t.json"] = json.dumps(TWO).encode()
        for number, url in enumerate(
            (
                "https://bucket.s3.eu-west-1.amazonaws.com/dir/t.json",
                "https://s3.amazonaws.com/bucket/dir/t.json",
                "http://127.0.0.1:4566/bucket/dir/t.json",
                "s3://bucket/dir/t.json",
            )
        ):
            answer = await cloud.create_stack(StackName=f"s{number}", TemplateURL=url)
            assert (await cloud.done(answer["StackId"]))["StackStatus"] == "CREATE_COMPLETE"
        message = await refused(cloud.create_stack(StackName="x", TemplateURL="s3://bucket/nope"))
        assert message.startswith("S3 error: The specified key does not exist.\nFor more information check ")
        assert await refused(cloud.create_stack(StackName="x", TemplateURL="https://example.com/t")) == (
            "TemplateURL must be a supported URL."
        )

    run(body)


def test_a_body_is_bounded() -> None:
    async def body(cloud: Cloud) -> None:
        big = {**TWO, "Description": "x", "Metadata": {"pad": "x" * 51_200}}
        assert "less than or equal to 51200" in await refused(cloud.create("s", big))

    run(body)


def test_summaries_and_validation() -> None:
    async def body(cloud: Cloud) -> None:
        template: Request = {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": "d",
            "Parameters": {"P": {"Type": "String", "Default": 1, "AllowedValues": [1, 2], "Description": "p"}},
            "Resources": {"R": {"Type": "AWS::IAM::Role"}, "A": thing()},
        }
        summary = await cloud.get_template_summary(TemplateBody=json.dumps(template))
        assert summary["Parameters"] == [
            {
                "ParameterKey": "P",
                "DefaultValue": "1",
                "ParameterType": "String",
                "NoEcho": False,
                "Description": "p",
                "ParameterConstraints": {"AllowedValues": ["1", "2"]},
            }
        ]
        assert summary["ResourceTypes"] == ["AWS::IAM::Role", "Test::Thing"]
        assert summary["Capabilities"] == ["CAPABILITY_IAM"]
        assert summary["CapabilitiesReason"] == "The following resource(s) require capabilities: [AWS::IAM::Role]"
        serverless = await cloud.get_template_summary(TemplateBody=json.dumps(SERVERLESS))
        assert serverless["DeclaredTransforms"] == ["AWS::Serverless-2016-10-31"]
        assert serverless["Capabilities"] == ["CAPABILITY_AUTO_EXPAND"]
        valid = await cloud.validate_template(TemplateBody=json.dumps(template))
        assert valid["Parameters"] == [{"ParameterKey": "P", "DefaultValue": "1", "NoEcho": False, "Description": "p"}]
        broken = {"Resources": {"A": thing(Color={"Ref": "X"})}}
        assert "Unresolved resource dependencies [X]" in await refused(
            cloud.validate_template(TemplateBody=json.dumps(broken))
        )

    run(body)


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        ({"RollbackConfiguration": {"MonitoringTimeInMinutes": 1}}, "rollback triggers"),
        ({"DisableValidation": True}, "DisableValidation"),
        ({"DeploymentConfig": {"Mode": "EXPRESS"}}, "EXPRESS"),
    ],
)
def test_settings_that_would_be_ignored_are_refused_by_name(request_: dict[str, Any], name: str) -> None:
    async def body(cloud: Cloud) -> None:
        assert name in await refused(cloud.create("s", TWO, **request_), "NotImplemented")

    run(body)
