"""Stacks that are created, or rolled back, with the events of AWS."""

from __future__ import annotations

import asyncio
from typing import Any

from freehold.kit.faults import Fault
from tests.services.cloudformation.support import TWO, Cloud, refuse, refused, run
from tests.services.cloudformation.things import Request, thing


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
        await cloud.logged("CreateThing a")
        await cloud.logged("CreateThing b")
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
        await cloud.logged("CreateThing bad")
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
        await cloud.logged("CreateThing slow")
        cloud.clock.advance(61)
        await cloud.reached("s", "A", "CREATE_FAILED")
        cloud.gates["slow"].set()
        assert (await begun)["StackStatus"] == "ROLLBACK_COMPLETE"
        assert ("s", "ROLLBACK_IN_PROGRESS") in [(name, status) for name, status, _ in await cloud.history("s")]

    run(body)
