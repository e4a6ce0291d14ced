"""Stacks that are updated, or rolled back to what they were, with the events of AWS."""

from __future__ import annotations

import asyncio

from freehold.kit.faults import Fault
from tests.services.cloudformation.support import TWO, Cloud, refuse, refused, run
from tests.services.cloudformation.things import Request, thing

REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."


def test_an_update_changes_in_place_replaces_adds_and_removes() -> None:
    async def body(cloud: Cloud) -> None:
        await cloud.create("s", {"Resources": {**TWO["Resources"], "C": thing(Shape="x"), "Old": thing()}})
        before = {name.split("-")[1]: name for name in cloud.things}
        stack = await cloud.update(
            "s",
            {
                "Resources": {
                    "A": thing(Color="blue"),
                    "B": TWO["Resources"]["B"],
                    "C": thing(Shape="y"),
                    "New": thing(),
                }
            },
        )
        assert stack["StackStatus"] == "UPDATE_COMPLETE"
        after = {name.split("-")[1]: name for name in cloud.things}
        assert after.keys() == {"A", "B", "C", "New"}
        assert (after["A"], after["B"]) == (before["A"], before["B"])
        assert after["C"] != before["C"]
        assert cloud.things[after["B"]]["Color"] == "blue"
        history = await cloud.history("s")
        assert ("C", "UPDATE_IN_PROGRESS", REPLACING) in history
        cleaning = history.index(("s", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", None))
        assert {(name, status) for name, status, _ in history[cleaning + 1 : -1]} == {
            ("C", "DELETE_IN_PROGRESS"),
            ("C", "DELETE_COMPLETE"),
            ("Old", "DELETE_IN_PROGRESS"),
            ("Old", "DELETE_COMPLETE"),
        }
        assert history[-1] == ("s", "UPDATE_COMPLETE", None)

    run(body)


def test_nothing_to_update_is_said() -> None:
    async def body(cloud: Cloud) -> None:
        await cloud.create("s", TWO)
        assert await refused(cloud.update("s", TWO)) == "No updates are to be performed."
        changed = {**TWO, "Outputs": {"Other": {"Value": "x"}}}
        assert (await cloud.update("s", changed))["Outputs"] == [{"OutputKey": "Other", "OutputValue": "x"}]

    run(body)


def test_a_failed_update_is_rolled_back_to_what_was() -> None:
    async def body(cloud: Cloud) -> None:
        await cloud.create("s", {"Resources": {**TWO["Resources"], "C": thing(Shape="x")}})
        before = {name: dict(value) for name, value in cloud.things.items()}
        cloud.refuse = refuse("mauve")
        template = {
            "Resources": {
                "A": thing(Color="blue"),
                "B": TWO["Resources"]["B"],
                "C": thing(Shape="y"),
                "New": thing(),
                "Bad": {**thing(Color="mauve"), "DependsOn": ["B", "C", "New"]},
            }
        }
        stack = await cloud.update("s", template)
        assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
        assert cloud.things == before
        history = await cloud.history("s")
        assert ("s", "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [Bad]. ") in history
        assert history[-1] == ("s", "UPDATE_ROLLBACK_COMPLETE", None)
        assert "Bad" not in {
            row["LogicalResourceId"]
            for row in (await cloud.list_stack_resources(StackName="s"))["StackResourceSummaries"]
        }
        cloud.refuse = lambda operation, request: None
        assert (await cloud.update("s", template))["StackStatus"] == "UPDATE_COMPLETE"

    run(body)


def test_a_rollback_that_fails_is_continued_or_skipped() -> None:
    async def body(cloud: Cloud) -> None:
        await cloud.create("s", {"Resources": {"A": thing(Color="red"), "B": thing(Color="red")}})

        def stubborn(operation: str, request: Request) -> Fault | None:
            bad = request.get("Color") == "mauve" or (request.get("Color") == "red" and "-A-" in request["Name"])
            return Fault("ValidationException", "stuck") if bad else None

        cloud.refuse = stubborn
        template = {"Resources": {"A": thing(Color="blue"), "B": {**thing(Color="mauve"), "DependsOn": "A"}}}
        stack = await cloud.update("s", template)
        assert stack["StackStatus"] == "UPDATE_ROLLBACK_FAILED"
        assert stack["StackStatusReason"] == "The following resource(s) failed to update: [A]. "
        await cloud.continue_update_rollback(StackName="s", ResourcesToSkip=["A"])
        assert (await cloud.done("s"))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"

    run(body)


def test_an_update_without_rollback_can_be_tried_again_or_rolled_back() -> None:
    async def body(cloud: Cloud) -> None:
        await cloud.create("s", {"Resources": {"A": thing(Color="red")}})
        cloud.refuse = refuse("mauve")
        bad = {"Resources": {"A": thing(Color="blue"), "B": {**thing(Color="mauve"), "DependsOn": "A"}}}
        assert (await cloud.update("s", bad, DisableRollback=True))["StackStatus"] == "UPDATE_FAILED"
        assert [item["Color"] for item in cloud.things.values()] == ["blue"]
        await cloud.rollback_stack(StackName="s")
        assert (await cloud.done("s"))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
        assert [item["Color"] for item in cloud.things.values()] == ["red"]
        assert (await cloud.update("s", bad, DisableRollback=True))["StackStatus"] == "UPDATE_FAILED"
        good = {"Resources": {"A": thing(Color="blue"), "B": {**thing(Color="green"), "DependsOn": "A"}}}
        assert (await cloud.update("s", good))["StackStatus"] == "UPDATE_COMPLETE"
        assert sorted(item["Color"] for item in cloud.things.values()) == ["blue", "green"]

    run(body)


def test_an_update_is_cancelled() -> None:
    async def body(cloud: Cloud) -> None:
        await cloud.create("s", {"Resources": {"A": thing(Name="a", Color="red")}})
        cloud.gates["UpdateThing a"] = asyncio.Event()
        begun = asyncio.ensure_future(cloud.update("s", {"Resources": {"A": thing(Name="a", Color="blue")}}))
        await cloud.logged("UpdateThing a")
        cancelled = asyncio.ensure_future(cloud.cancel_update_stack(StackName="s"))
        await cloud.reached("s", "A", "UPDATE_FAILED")
        cloud.gates["UpdateThing a"].set()
        await cancelled
        assert (await begun)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
        assert ("A", "UPDATE_FAILED", "Resource update cancelled") in await cloud.history("s")
        assert cloud.things["a"]["Color"] == "red"

    run(body)


def test_a_custom_named_resource_cannot_be_replaced() -> None:
    async def body(cloud: Cloud) -> None:
        await cloud.create("s", {"Resources": {"A": thing(Name="mine", Shape="x")}})
        stack = await cloud.update("s", {"Resources": {"A": thing(Name="mine", Shape="y")}})
        assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
        assert (
            "A",
            "UPDATE_FAILED",
            "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename mine and update"
            " the stack again.",
        ) in await cloud.history("s")
        assert cloud.things["mine"]["Shape"] == "x"
        assert (await cloud.update("s", {"Resources": {"A": thing(Name="other", Shape="y")}}))["StackStatus"] == (
            "UPDATE_COMPLETE"
        )

    run(body)


def test_types_of_resources_cannot_change() -> None:
    async def body(cloud: Cloud) -> None:
        await cloud.create("s", {"Resources": {"A": thing()}})
        message = await refused(
            cloud.update("s", {"Resources": {"A": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}})
        )
        assert message == (
            "Update of resource type is not permitted. The new template modifies resource type of the following"
            " resources: [A]"
        )

    run(body)


def test_a_stack_policy_is_enforced() -> None:
    async def body(cloud: Cloud) -> None:
        await cloud.create("s", {"Resources": {"A": thing(Color="red"), "B": thing(Color="red")}})
        policy = (
            '{"Statement":[{"Effect":"Allow","Action":"Update:*","Principal":"*","Resource":"*"},'
            '{"Effect":"Deny","Action":"Update:*","Principal":"*","Resource":"LogicalResourceId/A"}]}'
        )
        await cloud.set_stack_policy(StackName="s", StackPolicyBody=policy)
        assert (await cloud.get_stack_policy(StackName="s"))["StackPolicyBody"] == policy
        stack = await cloud.update("s", {"Resources": {"A": thing(Color="blue"), "B": thing(Color="red")}})
        assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
        stack = await cloud.update("s", {"Resources": {"B": thing(Color="red")}})
        assert (stack["StackStatus"], len(cloud.things)) == ("UPDATE_ROLLBACK_COMPLETE", 2)
        stack = await cloud.update("s", {"Resources": {"A": thing(Color="red"), "B": thing(Color="blue")}})
        assert stack["StackStatus"] == "UPDATE_COMPLETE"

    run(body)
