"""Parameters and conditions: values, previous values, Systems Manager's parameters, dynamic references."""

from __future__ import annotations

import json

from tests.services.cloudformation.support import Cloud, refused, run
from tests.services.cloudformation.things import thing


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
