"""Stacks that are deleted, and what stays of them."""

from __future__ import annotations

import asyncio

from freehold.kit.faults import Fault
from freehold.services.cloudformation import retention
from tests.services.cloudformation.support import TWO, Cloud, refuse, refused, run
from tests.services.cloudformation.things import thing


def test_a_stack_is_deleted_in_the_reverse_order() -> None:
    async def body(cloud: Cloud) -> None:
        stack = await cloud.create("s", TWO)
        gone = await cloud.delete("s")
        assert [line.split("-")[1] for line in cloud.log if line.startswith("Delete")] == ["B", "A"]
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
        await cloud.delete("s")
        cloud.clock.advance(89 * 86_400)
        assert (await cloud.done(stack))["StackStatus"] == "DELETE_COMPLETE"
        assert len((await cloud.list_stacks())["StackSummaries"]) == 1
        cloud.clock.advance(2 * 86_400)
        await cloud.forgotten()
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
        await cloud.delete("s")
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
        await cloud.create("s", TWO)
        cloud.refuse = lambda operation, request: (
            Fault("ConflictException", "in use") if operation == "DeleteThing" and "-B-" in request["Name"] else None
        )
        failed = await cloud.delete("s")
        assert failed["StackStatus"] == "DELETE_FAILED"
        assert failed["StackStatusReason"] == "The following resource(s) failed to delete: [B]. "
        assert len(cloud.things) == 2
        assert (await cloud.delete("s", RetainResources=["B"]))["StackStatus"] == "DELETE_COMPLETE"
        assert len(cloud.things) == 1

    run(body)


def test_force_deletes_what_stays() -> None:
    async def body(cloud: Cloud) -> None:
        await cloud.create("s", TWO)
        cloud.refuse = lambda operation, request: Fault("X", "no") if operation == "DeleteThing" else None
        assert "DELETE_FAILED" in await refused(cloud.delete_stack(StackName="s", DeletionMode="FORCE_DELETE_STACK"))
        assert (await cloud.delete("s"))["StackStatus"] == "DELETE_FAILED"
        forced = await cloud.delete("s", DeletionMode="FORCE_DELETE_STACK")
        assert (forced["StackStatus"], len(cloud.things)) == ("DELETE_COMPLETE", 2)

    run(body)


def test_termination_protection() -> None:
    async def body(cloud: Cloud) -> None:
        await cloud.create("s", TWO, EnableTerminationProtection=True)
        assert await refused(cloud.delete_stack(StackName="s")) == (
            "Stack [s] cannot be deleted while TerminationProtection is enabled"
        )
        await cloud.update_termination_protection(StackName="s", EnableTerminationProtection=False)
        await cloud.delete("s")
        assert cloud.things == {}

    run(body)


def test_a_stack_under_creation_is_deleted_when_what_runs_has_ended() -> None:
    async def body(cloud: Cloud) -> None:
        cloud.gates["slow"] = asyncio.Event()
        begun = asyncio.ensure_future(cloud.create("s", {"Resources": {"A": thing(Name="slow")}}))
        await cloud.logged("CreateThing slow")
        deleted = asyncio.ensure_future(cloud.delete_stack(StackName="s"))
        await cloud.reached("s", "A", "CREATE_FAILED")
        cloud.gates["slow"].set()
        await deleted
        assert ((await begun)["StackStatus"], cloud.things) == ("DELETE_COMPLETE", {})

    run(body)
