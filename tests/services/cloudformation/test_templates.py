"""What is refused before anything is created, and what parameters, transforms and imports give."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.services.cloudformation.support import TWO, Cloud, Request, refuse, refused, run, thing


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


def test_conditions_decide_what_exists() -> None:
    async def body(cloud: Cloud) -> None:
        template = {
            "Parameters": {"Env": {"Type": "String", "Default": "dev"}},
            "Conditions": {"Prod": {"Fn::Equals": [{"Ref": "Env"}, "prod"]}},
            "Resources": {
                "A": thing(Color={"Fn::If": ["Prod", {"Ref": "B"}, {"Ref": "AWS::NoValue"}]}),
                "B": {**thing(), "Condition": "Prod"},
            },
            "Outputs": {"O": {"Condition": "Prod", "Value": {"Ref": "B"}}},
        }
        stack = await cloud.create("s", template)
        assert (len(cloud.things), stack["Outputs"]) == (1, [])
        assert "Color" not in next(iter(cloud.things.values()))
        prod = [{"ParameterKey": "Env", "ParameterValue": "prod"}]
        stack = await cloud.update("s", template, Parameters=prod)
        assert (len(cloud.things), len(stack["Outputs"])) == (2, 1)
        await cloud.update("s", template)
        assert len(cloud.things) == 1
        broken = {**template, "Outputs": {"O": {"Value": {"Ref": "B"}}}}
        assert await refused(cloud.create("t", broken)) == (
            "Template format error: Unresolved resource dependencies [B] in the Outputs block of the template"
        )

    run(body)


def test_previous_values_and_templates() -> None:
    async def body(cloud: Cloud) -> None:
        template = {
            "Parameters": {"C": {"Type": "String"}, "Secret": {"Type": "String", "NoEcho": True, "Default": "hush"}},
            "Resources": {"A": thing(Color={"Ref": "C"}, Shape={"Ref": "Secret"})},
        }
        assert await refused(cloud.create("s", template)) == "Parameters: [C] must have values"
        given = [{"ParameterKey": "C", "ParameterValue": "red"}]
        stack = await cloud.create("s", template, Parameters=given)
        assert stack["Parameters"] == [
            {"ParameterKey": "C", "ParameterValue": "red"},
            {"ParameterKey": "Secret", "ParameterValue": "****"},
        ]
        events = (await cloud.describe_stack_events(StackName="s"))["StackEvents"]
        shown = [json.loads(event["ResourceProperties"]) for event in events if "ResourceProperties" in event]
        assert {item["Shape"] for item in shown} == {"****"}
        previous = [{"ParameterKey": "C", "UsePreviousValue": True}]
        assert await refused(cloud.update_stack(StackName="s", UsePreviousTemplate=True, Parameters=previous)) == (
            "No updates are to be performed."
        )
        given = [{"ParameterKey": "C", "ParameterValue": "blue"}]
        await cloud.update_stack(StackName="s", UsePreviousTemplate=True, Parameters=given)
        await cloud.done("s")
        assert next(iter(cloud.things.values()))["Color"] == "blue"

    run(body)


def test_ssm_parameter_types_and_dynamic_references() -> None:
    async def body(cloud: Cloud) -> None:
        cloud.parameters = {
            "/color": {"Type": "String", "Value": "red"},
            "/list": {"Type": "StringList", "Value": "a,b"},
            "/secret": {"Type": "SecureString", "Value": "sesame"},
        }
        template = {
            "Parameters": {
                "C": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/color"},
                "L": {"Type": "AWS::SSM::Parameter::Value<List<String>>", "Default": "/list"},
            },
            "Resources": {
                "A": thing(
                    Name="a",
                    Color={"Ref": "C"},
                    Shape={"Fn::Select": [1, {"Ref": "L"}]},
                    Labels={"x": "<{{resolve:ssm:/color}}>", "y": "{{resolve:ssm-secure:/secret}}"},
                )
            },
        }
        stack = await cloud.create("s", template)
        assert {item["ParameterKey"]: item["ResolvedValue"] for item in stack["Parameters"]} == {"C": "red", "L": "a,b"}
        made = cloud.things["a"]
        assert (made["Color"], made["Shape"], made["Labels"]) == ("red", "b", {"x": "<red>", "y": "sesame"})
        events = json.dumps(await cloud.describe_stack_events(StackName="s"))
        assert "sesame" not in events
        wrong = [{"ParameterKey": "C", "ParameterValue": "/nope"}]
        assert await refused(cloud.create("t", template, Parameters=wrong)) == (
            "Unable to fetch parameters [/nope] from parameter store for this account."
        )
        secret = {"Resources": {"A": thing(Color="{{resolve:secretsmanager:db:SecretString:password}}")}}
        assert "dynamic references to secretsmanager" in await refused(cloud.create("t", secret), "NotImplemented")

    run(body)


def test_exports_are_imported_and_protected() -> None:
    async def body(cloud: Cloud) -> None:
        exporting: Request = {
            "Resources": {"A": thing(Name="a")},
            "Outputs": {"O": {"Value": {"Ref": "A"}, "Export": {"Name": "the-a"}}},
        }
        importing = {"Resources": {"B": thing(Color={"Fn::ImportValue": {"Fn::Sub": "the-a"}})}}
        assert await refused(cloud.create("user", importing)) == "No export named the-a found."
        stack = await cloud.create("owner", exporting)
        assert (await cloud.list_exports())["Exports"] == [
            {"ExportingStackId": stack["StackId"], "Name": "the-a", "Value": "a"}
        ]
        assert await refused(cloud.list_imports(ExportName="the-a")) == "Export 'the-a' is not imported by any stack."
        await cloud.create("user", importing)
        assert (await cloud.list_imports(ExportName="the-a"))["Imports"] == ["user"]
        await cloud.delete_stack(StackName="owner")
        failed = await cloud.done("owner")
        assert failed["StackStatusReason"] == "Export the-a cannot be deleted as it is in use by user"
        assert "a" in cloud.things
        other = {"Resources": {"A": thing()}, "Outputs": exporting["Outputs"]}
        clash = await cloud.create("second", other)
        assert clash["StackStatus"] == "ROLLBACK_COMPLETE"
        assert clash["StackStatusReason"] == (
            "Export with name the-a is already exported by stack owner. Rollback requested by user."
        )
        await cloud.delete_stack(StackName="user")
        await cloud.delete_stack(StackName="owner")
        assert (await cloud.list_exports())["Exports"] == []

    run(body)


def test_an_export_in_use_cannot_change() -> None:
    async def body(cloud: Cloud) -> None:
        def exporting(value: str) -> Request:
            return {
                "Resources": {"A": thing(Color=value)},
                "Outputs": {"O": {"Value": value, "Export": {"Name": "x"}}},
            }

        await cloud.create("owner", exporting("one"))
        await cloud.create("user", {"Resources": {"B": thing(Color={"Fn::ImportValue": "x"})}})
        stack = await cloud.update("owner", exporting("two"))
        assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
        assert stack["StackStatusReason"] == "Export x cannot be updated as it is in use by user"
        assert stack["Outputs"][0]["OutputValue"] == "one"

    run(body)


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


SERVERLESS: Request = {
    "Transform": "AWS::Serverless-2016-10-31",
    "Resources": {"T": {"Type": "AWS::Serverless::SimpleTable"}, "A": thing(Color="red")},
}


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


def test_nested_stacks() -> None:
    async def body(cloud: Cloud) -> None:
        inner: Request = {
            "Parameters": {"C": {"Type": "String"}},
            "Resources": {"I": thing(Color={"Ref": "C"})},
            "Outputs": {"Name": {"Value": {"Ref": "I"}}},
        }

        def outer(color: str) -> Request:
            return {
                "Resources": {
                    "N": {
                        "Type": "AWS::CloudFormation::Stack",
                        "Properties": {"TemplateURL": "s3://b/inner", "Parameters": {"C": color}},
                    },
                    "O": thing(Color={"Fn::GetAtt": ["N", "Outputs.Name"]}),
                }
            }

        cloud.objects["b", "inner"] = json.dumps(inner).encode()
        stack = await cloud.create("s", outer("red"))
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        nested = next(
            item for item in (await cloud.list_stacks())["StackSummaries"] if item["StackName"].startswith("s-N-")
        )
        assert (nested["ParentId"], nested["RootId"]) == (stack["StackId"], stack["StackId"])
        made = next(name for name in cloud.things if name.startswith("s-N-"))
        assert cloud.things[next(name for name in cloud.things if "s-O-" in name)]["Color"] == made
        assert (await cloud.update("s", outer("blue")))["StackStatus"] == "UPDATE_COMPLETE"
        assert cloud.things[made]["Color"] == "blue"
        cloud.refuse = refuse("mauve")
        failed = await cloud.update("s", outer("mauve"))
        assert failed["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
        assert cloud.things[made]["Color"] == "blue"
        await cloud.delete_stack(StackName="s")
        assert cloud.things == {}
        failed = await cloud.create("t", outer("mauve"))
        assert (failed["StackStatus"], cloud.things) == ("ROLLBACK_COMPLETE", {})
        reason = next(reason for name, status, reason in await cloud.history("t") if status == "CREATE_FAILED")
        assert str(reason).startswith("Embedded stack arn:aws:cloudformation:")
        assert str(reason).endswith(" was not successfully created: The following resource(s) failed to create: [I]. ")

    run(body)


def test_a_template_that_nests_itself_ends() -> None:
    async def body(cloud: Cloud) -> None:
        again = {"N": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "s3://b/self"}}}
        cloud.objects["b", "self"] = json.dumps({"Resources": again}).encode()
        answer = await cloud.create_stack(StackName="s", TemplateURL="s3://b/self")
        assert (await cloud.done(answer["StackId"]))["StackStatus"] == "ROLLBACK_COMPLETE"
        stacks = (await cloud.list_stacks())["StackSummaries"]
        assert len(stacks) == 17
        assert {item["StackStatus"] for item in stacks[:-1] if item["StackName"] != "s"} <= {
            "DELETE_COMPLETE",
            "ROLLBACK_COMPLETE",
        }

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
