"""Stacks that are resources of stacks."""

from __future__ import annotations

import json

from tests.services.cloudformation.support import Cloud, refuse, run
from tests.services.cloudformation.things import Request, thing


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
        await cloud.delete("s")
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
