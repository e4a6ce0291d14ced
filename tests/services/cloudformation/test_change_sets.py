"""Change sets."""

from __future__ import annotations

import json

from tests.services.cloudformation.support import TWO, Cloud, refuse, refused, run
from tests.services.cloudformation.things import Request, thing


def test_a_change_set_creates_a_stack_after_review() -> None:
    async def body(cloud: Cloud) -> None:
        made = await cloud.create_change_set(
            StackName="s", ChangeSetName="c", ChangeSetType="CREATE", TemplateBody=json.dumps(TWO)
        )
        stack = (await cloud.describe_stacks(StackName="s"))["Stacks"][0]
        assert (stack["StackStatus"], stack["StackId"]) == ("REVIEW_IN_PROGRESS", made["StackId"])
        shown = await cloud.describe_change_set(ChangeSetName="c", StackName="s")
        assert (shown["Status"], shown["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
        assert [change["ResourceChange"]["Action"] for change in shown["Changes"]] == ["Add", "Add"]
        assert cloud.log == []
        await cloud.execute_change_set(ChangeSetName=made["Id"])
        done = await cloud.done("s")
        assert (done["StackStatus"], done["ChangeSetId"]) == ("CREATE_COMPLETE", made["Id"])
        assert await cloud.statuses("s", "s") == ["REVIEW_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"]
        assert (await cloud.describe_change_set(ChangeSetName=made["Id"]))["ExecutionStatus"] == "EXECUTE_COMPLETE"
        assert (await cloud.list_change_sets(StackName="s"))["Summaries"] == []

    run(body)


def test_a_change_set_says_what_an_update_will_do() -> None:
    async def body(cloud: Cloud) -> None:
        await cloud.create("s", {"Resources": {**TWO["Resources"], "C": thing(Shape="x"), "Old": thing()}})
        template = {
            "Resources": {
                "A": thing(Color="blue"),
                "B": TWO["Resources"]["B"],
                "C": thing(Shape="y"),
                "D": thing(Color={"Ref": "C"}),
            }
        }
        await cloud.create_change_set(StackName="s", ChangeSetName="c", TemplateBody=json.dumps(template))
        await cloud.create_change_set(StackName="s", ChangeSetName="other", TemplateBody=json.dumps(template))
        shown = await cloud.describe_change_set(ChangeSetName="c", StackName="s")
        changes = {item["ResourceChange"]["LogicalResourceId"]: item["ResourceChange"] for item in shown["Changes"]}
        assert {name: (item["Action"], item.get("Replacement")) for name, item in changes.items()} == {
            "A": ("Modify", "False"),
            "C": ("Modify", "True"),
            "D": ("Add", None),
            "Old": ("Remove", None),
        }
        assert changes["C"]["PolicyAction"] == "ReplaceAndDelete"
        assert changes["C"]["Details"][0]["Target"] == {
            "Attribute": "Properties",
            "Name": "Shape",
            "RequiresRecreation": "Always",
        }
        assert "AfterContext" not in changes["C"]
        shown = await cloud.describe_change_set(ChangeSetName="c", StackName="s", IncludePropertyValues=True)
        valued = {item["ResourceChange"]["LogicalResourceId"]: item["ResourceChange"] for item in shown["Changes"]}
        assert json.loads(valued["C"]["BeforeContext"]) == {"Properties": {"Shape": "x"}}
        assert json.loads(valued["D"]["AfterContext"]) == {"Properties": {"Color": "{{changeSet:KNOWN_AFTER_APPLY}}"}}
        assert valued["A"]["Details"][0]["Target"] == {
            "Attribute": "Properties",
            "Name": "Color",
            "Path": "/Properties/Color",
            "RequiresRecreation": "Never",
            "BeforeValue": "red",
            "AfterValue": "blue",
            "AttributeChangeType": "Modify",
        }
        await cloud.execute_change_set(ChangeSetName="c", StackName="s")
        assert (await cloud.done("s"))["StackStatus"] == "UPDATE_COMPLETE"
        message = await refused(
            cloud.describe_change_set(ChangeSetName="other", StackName="s"), "ChangeSetNotFoundException"
        )
        assert message == "ChangeSet [other] does not exist"

    run(body)


def test_a_change_set_without_changes_fails_with_the_text_that_sam_looks_for() -> None:
    async def body(cloud: Cloud) -> None:
        await cloud.create("s", TWO)
        made = await cloud.create_change_set(StackName="s", ChangeSetName="c", TemplateBody=json.dumps(TWO))
        shown = await cloud.describe_change_set(ChangeSetName="c", StackName="s")
        assert (shown["Status"], shown["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
        assert shown["StatusReason"] == (
            "The submitted information didn't contain changes. Submit different information to create a change set."
        )
        message = await refused(
            cloud.execute_change_set(ChangeSetName="c", StackName="s"), "InvalidChangeSetStatusException"
        )
        assert message == f"ChangeSet [{made['Id']}] cannot be executed in its current status of [FAILED]"
        await cloud.delete_change_set(ChangeSetName="c", StackName="s")
        assert (await cloud.list_change_sets(StackName="s"))["Summaries"] == []

    run(body)


def test_an_update_makes_change_sets_obsolete() -> None:
    async def body(cloud: Cloud) -> None:
        await cloud.create("s", TWO)
        changed: Request = {"Resources": {"A": thing(Color="blue")}}
        await cloud.create_change_set(StackName="s", ChangeSetName="c", TemplateBody=json.dumps(changed))
        await cloud.update("s", {"Resources": {"A": thing(Color="green")}})
        shown = await cloud.describe_change_set(ChangeSetName="c", StackName="s")
        assert shown["ExecutionStatus"] == "OBSOLETE"
        assert "[OBSOLETE]" in await refused(
            cloud.execute_change_set(ChangeSetName="c", StackName="s"), "InvalidChangeSetStatusException"
        )

    run(body)


def test_errors_of_names_and_kinds() -> None:
    async def body(cloud: Cloud) -> None:
        text = json.dumps(TWO)
        assert await refused(cloud.create_change_set(StackName="s", ChangeSetName="c", TemplateBody=text)) == (
            "Stack [s] does not exist"
        )
        await cloud.create("s", TWO)
        message = await refused(
            cloud.create_change_set(StackName="s", ChangeSetName="c", ChangeSetType="CREATE", TemplateBody=text)
        )
        assert message == "Stack [s] already exists and cannot be created again with the changeSet"
        assert "IMPORT" in await refused(
            cloud.create_change_set(StackName="s", ChangeSetName="c", ChangeSetType="IMPORT", TemplateBody=text),
            "NotImplemented",
        )

    run(body)


def test_on_stack_failure_deletes_the_new_stack() -> None:
    async def body(cloud: Cloud) -> None:
        cloud.refuse = refuse("mauve")
        made = await cloud.create_change_set(
            StackName="s",
            ChangeSetName="c",
            ChangeSetType="CREATE",
            OnStackFailure="DELETE",
            TemplateBody=json.dumps({"Resources": {"A": thing(Color="mauve")}}),
        )
        await cloud.execute_change_set(ChangeSetName=made["Id"])
        assert (await cloud.done(made["StackId"]))["StackStatus"] == "DELETE_COMPLETE"

    run(body)
