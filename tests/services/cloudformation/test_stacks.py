"""Stacks: created, updated, rolled back, deleted, with the events of AWS."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from freehold.kit.faults import Fault
from freehold.services.cloudformation import retention
from tests.services.cloudformation.support import Cloud, Request, thing

Body = Callable[[Cloud], Awaitable[None]]
TWO: Request = {
    "Resources": {
        "A": thing(Color="red"),
        "B": thing(Color={"Fn::GetAtt": ["A", "Color"]}, Labels={"of": {"Ref": "A"}}),
    },
    "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["B", "Arn"]}, "Description": "of B"}},
}
REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."


def run(body: Body, cloud: Cloud | None = None) -> Cloud:
    cloud = cloud or Cloud()

    async def main() -> None:
        try:
            await body(cloud)
        finally:
            await cloud.platform.tasks.close()

    asyncio.run(main())
    return cloud


def refuse(color: str, text: str = "no such color") -> Callable[[str, Request], Fault | None]:
    return lambda operation, request: Fault("ValidationException", text) if request.get("Color") == color else None


async def refused(call: Awaitable[Any], code: str = "ValidationError") -> str:
    with pytest.raises(Fault) as caught:
        await call
    assert caught.value.code == code
    return caught.value.message


# Creating


def test_a_stack_is_created_in_the_order_of_its_dependencies_with_the_events_of_aws() -> None:
    async def body(cloud: Cloud) -> None:
        stack = await cloud.create("s", TWO, Tags=[{"Key": "team", "Value": "x"}])
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        b = next(name for name in cloud.things if "-B-" in name)
        assert stack["Outputs"] == [{"OutputKey": "Arn", "OutputValue": f"arn:thing:{b}", "Description": "of B"}]
        assert await cloud.history("s") == [
            ("s", "CREATE_IN_PROGRESS", "User Initiated"),
            ("A", "CREATE_IN_PROGRESS", None),
            ("A", "CREATE_IN_PROGRESS", "Resource creation Initiated"),
            ("A", "CREATE_COMPLETE", None),
            ("B", "CREATE_IN_PROGRESS", None),
            ("B", "CREATE_IN_PROGRESS", "Resource creation Initiated"),
            ("B", "CREATE_COMPLETE", None),
            ("s", "CREATE_COMPLETE", None),
        ]
        made = cloud.things[b]
        assert made["Color"] == "red"
        assert made["Labels"] == {"of": next(name for name in cloud.things if "-A-" in name)}
        assert made["StackTags"] == {
            "team": "x",
            "aws:cloudformation:stack-name": "s",
            "aws:cloudformation:stack-id": stack["StackId"],
            "aws:cloudformation:logical-id": "B",
        }

    run(body)


def test_independent_resources_are_created_side_by_side() -> None:
    async def body(cloud: Cloud) -> None:
        cloud.gates = {"a": asyncio.Event(), "b": asyncio.Event()}
        resources = {"A": thing(Name="a"), "B": thing(Name="b"), "C": thing(Name="c", Color={"Ref": "A"})}
        begun = asyncio.ensure_future(cloud.create("s", {"Resources": resources}))
        while len(cloud.log) < 2:
            await asyncio.sleep(0)
        assert sorted(cloud.log) == ["CreateThing a", "CreateThing b"]
        cloud.gates["b"].set()
        cloud.gates["a"].set()
        assert (await begun)["StackStatus"] == "CREATE_COMPLETE"
        assert cloud.log[2] == "CreateThing c"

    run(body)


def test_a_failed_create_is_rolled_back_and_what_was_under_way_is_cancelled() -> None:
    async def body(cloud: Cloud) -> None:
        cloud.refuse = refuse("mauve")
        cloud.gates["slow"] = asyncio.Event()
        template = {
            "Resources": {
                "Bad": {**thing(Name="bad", Color="mauve"), "DependsOn": "Good"},
                "Good": thing(Name="good"),
                "Slow": thing(Name="slow"),
                "Never": thing(Name="never", Color={"Ref": "Bad"}),
            }
        }
        begun = asyncio.ensure_future(cloud.create("s", template))
        while "CreateThing bad" not in cloud.log:
            await asyncio.sleep(0)
        cloud.gates["slow"].set()
        stack = await begun
        assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
        assert cloud.things == {}
        history = await cloud.history("s")
        reasons = {(name, status): reason for name, status, reason in history}
        assert str(reasons["Bad", "CREATE_FAILED"]).startswith(
            'Resource handler returned message: "no such color (Service: Things, Status Code: 400, Request ID: '
        )
        assert str(reasons["Bad", "CREATE_FAILED"]).endswith(", HandlerErrorCode: InvalidRequest)")
        assert reasons["Slow", "CREATE_FAILED"] == "Resource creation cancelled"
        assert reasons["s", "ROLLBACK_IN_PROGRESS"] == (
            "The following resource(s) failed to create: [Bad, Slow]. Rollback requested by user."
        )
        assert "Never" not in {name for name, _, _ in history}
        assert await cloud.statuses("s", "Slow") == [
            "CREATE_IN_PROGRESS",
            "CREATE_FAILED",
            "DELETE_IN_PROGRESS",
            "DELETE_COMPLETE",
        ]
        assert (await cloud.statuses("s", "Bad"))[-2:] == ["CREATE_FAILED", "DELETE_COMPLETE"]
        assert "can not be updated" in await refused(cloud.update("s", TWO))

    run(body)


def test_on_failure_do_nothing_keeps_what_was_made_until_it_is_rolled_back() -> None:
    async def body(cloud: Cloud) -> None:
        cloud.refuse = refuse("mauve")
        template = {"Resources": {"A": thing(), "B": {**thing(Color="mauve"), "DependsOn": "A"}}}
        stack = await cloud.create("s", template, OnFailure="DO_NOTHING")
        assert (stack["StackStatus"], len(cloud.things)) == ("CREATE_FAILED", 1)
        assert stack["StackStatusReason"] == "The following resource(s) failed to create: [B]. "
        await cloud.rollback_stack(StackName="s")
        assert ((await cloud.done("s"))["StackStatus"], cloud.things) == ("ROLLBACK_COMPLETE", {})

    run(body)


def test_on_failure_delete_removes_the_stack() -> None:
    async def body(cloud: Cloud) -> None:
        cloud.refuse = refuse("mauve")
        stack = await cloud.create("s", {"Resources": {"A": thing(Color="mauve")}}, OnFailure="DELETE")
        assert stack["StackStatus"] == "DELETE_COMPLETE"
        assert await refused(cloud.describe_stacks(StackName="s")) == "Stack with id s does not exist"

    run(body)


def test_a_create_that_fails_half_way_leaves_nothing_behind() -> None:
    async def body(cloud: Cloud) -> None:
        async def create(ctx: Any, properties: Request) -> Any:
            await ctx.call("things", "CreateThing", Name=ctx.name())
            raise Fault("ServiceException", "the second call failed")

        import dataclasses

        kind = cloud.platform.resource_types["Test::Thing"]
        cloud.platform.resource_types["Test::Thing"] = dataclasses.replace(kind, create=create)
        stack = await cloud.create("s", {"Resources": {"A": thing()}})
        assert (stack["StackStatus"], cloud.things) == ("ROLLBACK_COMPLETE", {})
        assert cloud.log[-1].startswith("DeleteThing s-A-")

    run(body)


def test_a_create_past_its_time_is_cancelled() -> None:
    async def body(cloud: Cloud) -> None:
        cloud.gates["slow"] = asyncio.Event()
        begun = asyncio.ensure_future(cloud.create("s", {"Resources": {"A": thing(Name="slow")}}, TimeoutInMinutes=1))
        while not cloud.log:
            await asyncio.sleep(0)
        cloud.clock.advance(61)
        while "CREATE_FAILED" not in await cloud.statuses("s", "A"):
            await asyncio.sleep(0)
        cloud.gates["slow"].set()
        assert (await begun)["StackStatus"] == "ROLLBACK_COMPLETE"
        assert ("s", "ROLLBACK_IN_PROGRESS") in [(name, status) for name, status, _ in await cloud.history("s")]

    run(body)


# Updating


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
        while "UpdateThing a" not in cloud.log:
            await asyncio.sleep(0)
        cancelled = asyncio.ensure_future(cloud.cancel_update_stack(StackName="s"))
        while "UPDATE_FAILED" not in await cloud.statuses("s", "A"):
            await asyncio.sleep(0)
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


# Deleting


def test_a_stack_is_deleted_in_the_reverse_order() -> None:
    async def body(cloud: Cloud) -> None:
        stack = await cloud.create("s", TWO)
        await cloud.delete_stack(StackName="s")
        assert [line.split("-")[1] for line in cloud.log if line.startswith("Delete")] == ["B", "A"]
        gone = await cloud.done(stack["StackId"])
        assert gone["StackStatus"] == "DELETE_COMPLETE"
        assert await refused(cloud.describe_stacks(StackName="s")) == "Stack with id s does not exist"
        assert await refused(cloud.describe_stack_events(StackName="s")) == "Stack [s] does not exist"
        assert await cloud.delete_stack(StackName="s") == {}
        again = await cloud.create("s", TWO)
        assert again["StackId"] != stack["StackId"]

    run(body)


def test_deleted_stacks_are_described_for_90_days() -> None:
    async def body(cloud: Cloud) -> None:
        await cloud.platform.timers.start({retention.OWNER: lambda key: retention.forget(cloud.platform, key)})
        stack = (await cloud.create("s", TWO))["StackId"]
        await cloud.delete_stack(StackName="s")
        cloud.clock.advance(89 * 86_400)
        assert (await cloud.done(stack))["StackStatus"] == "DELETE_COMPLETE"
        assert len((await cloud.list_stacks())["StackSummaries"]) == 1
        cloud.clock.advance(2 * 86_400)
        while (await cloud.list_stacks())["StackSummaries"]:
            await asyncio.sleep(0)
        assert await refused(cloud.describe_stack_events(StackName=stack)) == f"Stack [{stack}] does not exist"

    run(body)


def test_policies_keep_resources() -> None:
    async def body(cloud: Cloud) -> None:
        kept = {**thing(Name="kept", Shape="x"), "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
        fragile = {**thing(Name="fragile"), "DeletionPolicy": "RetainExceptOnCreate"}
        stack = await cloud.create("s", {"Resources": {"K": kept, "F": fragile}})
        renamed = {**kept, "Properties": {"Name": "kept2", "Shape": "x"}}
        await cloud.update("s", {"Resources": {"K": renamed, "F": fragile}})
        assert cloud.things.keys() == {"kept", "kept2", "fragile"}
        await cloud.delete_stack(StackName="s")
        assert cloud.things.keys() == {"kept", "kept2", "fragile"}
        assert (await cloud.statuses(stack["StackId"], "K"))[-1] == "DELETE_SKIPPED"
        cloud.things.clear()
        cloud.refuse = refuse("mauve")
        bad = {**thing(Color="mauve"), "DependsOn": ["K", "F"]}
        await cloud.create("t", {"Resources": {"K": kept, "F": fragile, "B": bad}})
        assert cloud.things.keys() == {"kept"}

    run(body)


def test_a_failed_delete_can_be_repeated_with_retained_resources() -> None:
    async def body(cloud: Cloud) -> None:
        stack = await cloud.create("s", TWO)
        cloud.refuse = lambda operation, request: (
            Fault("ConflictException", "in use") if operation == "DeleteThing" and "-B-" in request["Name"] else None
        )
        await cloud.delete_stack(StackName="s")
        failed = await cloud.done("s")
        assert failed["StackStatus"] == "DELETE_FAILED"
        assert failed["StackStatusReason"] == "The following resource(s) failed to delete: [B]. "
        assert len(cloud.things) == 2
        await cloud.delete_stack(StackName="s", RetainResources=["B"])
        assert (await cloud.done(stack["StackId"]))["StackStatus"] == "DELETE_COMPLETE"
        assert len(cloud.things) == 1

    run(body)


def test_force_deletes_what_stays() -> None:
    async def body(cloud: Cloud) -> None:
        stack = await cloud.create("s", TWO)
        cloud.refuse = lambda operation, request: Fault("X", "no") if operation == "DeleteThing" else None
        assert "DELETE_FAILED" in await refused(cloud.delete_stack(StackName="s", DeletionMode="FORCE_DELETE_STACK"))
        await cloud.delete_stack(StackName="s")
        await cloud.done("s")
        await cloud.delete_stack(StackName="s", DeletionMode="FORCE_DELETE_STACK")
        assert (await cloud.done(stack["StackId"]))["StackStatus"] == "DELETE_COMPLETE"

    run(body)


def test_termination_protection() -> None:
    async def body(cloud: Cloud) -> None:
        await cloud.create("s", TWO, EnableTerminationProtection=True)
        assert await refused(cloud.delete_stack(StackName="s")) == (
            "Stack [s] cannot be deleted while TerminationProtection is enabled"
        )
        await cloud.update_termination_protection(StackName="s", EnableTerminationProtection=False)
        await cloud.delete_stack(StackName="s")
        assert cloud.things == {}

    run(body)


def test_a_stack_under_creation_is_deleted_when_what_runs_has_ended() -> None:
    async def body(cloud: Cloud) -> None:
        cloud.gates["slow"] = asyncio.Event()
        begun = asyncio.ensure_future(cloud.create("s", {"Resources": {"A": thing(Name="slow")}}))
        while not cloud.log:
            await asyncio.sleep(0)
        deleted = asyncio.ensure_future(cloud.delete_stack(StackName="s"))
        while "CREATE_FAILED" not in await cloud.statuses("s", "A"):
            await asyncio.sleep(0)
        cloud.gates["slow"].set()
        await deleted
        assert ((await begun)["StackStatus"], cloud.things) == ("DELETE_COMPLETE", {})

    run(body)


# Tokens and names


def test_a_token_makes_a_call_repeatable() -> None:
    async def body(cloud: Cloud) -> None:
        first = await cloud.create("s", TWO, ClientRequestToken="one")
        again = await cloud.create("s", TWO, ClientRequestToken="one")
        assert again["StackId"] == first["StackId"]
        assert await refused(cloud.create("s", TWO, ClientRequestToken="two"), "AlreadyExistsException") == (
            "Stack [s] already exists"
        )
        events = (await cloud.describe_stack_events(StackName="s"))["StackEvents"]
        assert {event["ClientRequestToken"] for event in events} == {"one"}

    run(body)


def test_stack_names_are_checked() -> None:
    async def body(cloud: Cloud) -> None:
        assert "[a-zA-Z][-a-zA-Z0-9]*" in await refused(cloud.create("1s", TWO))
        assert await refused(cloud.update("nope", TWO)) == "Stack [nope] does not exist"

    run(body)


def test_generated_names_are_cut_to_fit() -> None:
    from freehold.services.cloudformation.context import generated_name

    assert generated_name("stack", "Logical", "ABCDEFGHIJKL", 64) == "stack-Logical-ABCDEFGHIJKL"
    cut = generated_name("s" * 100, "L" * 100, "ABCDEFGHIJKL", 64)
    assert len(cut) == 64
    assert cut.endswith("-ABCDEFGHIJKL")
    assert generated_name("Stack", "Thing", "ABC", 63, lower=True) == "stack-thing-abc"
