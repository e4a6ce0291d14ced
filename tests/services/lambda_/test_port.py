"""What lambda_ offers other services: asynchronous invocations inside their transactions, and who may ask for them."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.kit.faults import Fault
from freehold.ports.call import Cause
from freehold.ports.identity import Source
from freehold.services.lambda_ import limits
from tests.services.lambda_.helpers import refused, run
from tests.services.lambda_.support import ACCOUNT, ARN, REGION, World

TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:news"
SNS = Source("sns.amazonaws.com", TOPIC, ACCOUNT)
ID = "11111111-2222-4333-8444-555555555555"


async def enqueue(world: World, arn: str, source: Source = SNS, payload: bytes = b'{"a": 1}', **more: Any) -> None:
    now = world.clock.now_ms()
    port = world.platform.functions
    await world.platform.store.transact(
        lambda tx: port.enqueue(tx, arn, payload, id=ID, now_ms=now, source=source, **more)
    )


async def check(world: World, arn: str, source: Source = SNS) -> None:
    await world.platform.store.read(lambda tx: world.platform.functions.check(tx, arn, source))


async def permit(world: World, sid: str = "s", **more: Any) -> None:
    request = {"FunctionName": "hello", "Action": "lambda:InvokeFunction", "Principal": "sns.amazonaws.com"} | more
    await world("AddPermission", StatementId=sid, **request)


def test_what_is_enqueued_with_the_caller_s_transaction_runs_under_its_id() -> None:
    async def body(world: World) -> None:
        await world.create()
        await permit(world, SourceArn=TOPIC)
        await enqueue(world, f"{ARN}:hello", trace="Root=1-0;Parent=0;Sampled=1")
        await world.settle()
        ((spec, invocation),) = world.runtime.seen
        assert (spec.name, invocation.payload, invocation.request_id) == ("hello", b'{"a": 1}', ID)
        assert (invocation.trace_header or "").startswith("Root=1-0;Parent=0;Sampled=1")

    run(body)


def test_a_transaction_that_fails_leaves_no_event() -> None:
    async def body(world: World) -> None:
        await world.create()
        await permit(world)

        def fail(tx: Any) -> None:
            world.platform.functions.enqueue(tx, f"{ARN}:hello", b"{}", id=ID, now_ms=0, source=SNS)
            raise Fault("Nope")

        with pytest.raises(Fault):
            await world.platform.store.transact(fail)
        await world.settle()
        assert world.runtime.seen == []

    run(body)


def test_the_function_the_version_and_the_alias_must_exist() -> None:
    async def body(world: World) -> None:
        await world.create(Publish=True)
        await permit(world)
        for missing in (":gone", ":hello:7", ":hello:0", ":hello:live", ":hello:" + "9" * 40):
            await refused(enqueue(world, ARN + missing), "ResourceNotFoundException", "Function not found")
            await refused(check(world, ARN + missing), "ResourceNotFoundException")
        await check(world, f"{ARN}:hello")
        await check(world, f"{ARN}:hello:$LATEST")

    run(body)


def test_the_policy_must_let_the_service_in() -> None:
    async def body(world: World) -> None:
        await world.create()
        await refused(enqueue(world, f"{ARN}:hello"), "AccessDeniedException", "sns.amazonaws.com")
        await permit(world, "other", Principal="events.amazonaws.com")
        await permit(world, "account", Principal="444455556666")
        await permit(world, "strange", Principal="arn:aws:iam::1:user/odd")
        await refused(enqueue(world, f"{ARN}:hello"), "AccessDeniedException")
        await permit(world, "arn", SourceArn=f"arn:aws:sns:{REGION}:{ACCOUNT}:other")
        await permit(world, "owner", SourceAccount="444455556666")
        await refused(check(world, f"{ARN}:hello"), "AccessDeniedException")
        await permit(world, "like", SourceArn=f"arn:aws:sns:*:{ACCOUNT}:n*")
        await check(world, f"{ARN}:hello")
        await world("RemovePermission", FunctionName="hello", StatementId="like")
        await refused(check(world, f"{ARN}:hello"), "AccessDeniedException")
        await permit(world, "mine", SourceAccount=ACCOUNT)
        await enqueue(world, f"{ARN}:hello")

    run(body)


def test_versions_and_aliases_have_policies_of_their_own() -> None:
    async def body(world: World) -> None:
        await world.create(Publish=True)
        await world("CreateAlias", FunctionName="hello", Name="live", FunctionVersion="1")
        await permit(world)
        await refused(check(world, f"{ARN}:hello:live"), "AccessDeniedException")
        await permit(world, Qualifier="live")
        await check(world, f"{ARN}:hello:live")
        await refused(check(world, f"{ARN}:hello:1"), "AccessDeniedException")

    run(body)


def test_a_service_that_acts_as_a_role_needs_no_policy() -> None:
    async def body(world: World) -> None:
        await world.create()
        role = Source("scheduler.amazonaws.com", "arn:aws:scheduler:::schedule/s", ACCOUNT, "arn:aws:iam::1:role/r")
        await enqueue(world, f"{ARN}:hello", role)
        await world.settle()
        assert len(world.runtime.seen) == 1

    run(body)


def test_events_are_at_most_one_megabyte() -> None:
    async def body(world: World) -> None:
        await world.create()
        await permit(world)
        most = b'"' + b"x" * (limits.MAX_ASYNC_PAYLOAD - 2) + b'"'
        await refused(enqueue(world, f"{ARN}:hello", payload=most + b" "), "RequestTooLargeException")
        await enqueue(world, f"{ARN}:hello", payload=most)
        await world.settle()
        assert world.runtime.seen[0][1].payload == most

    run(body)


def test_synchronous_invocations_by_notifying_services_are_held_to_the_policy_too() -> None:
    async def body(world: World) -> None:
        await world.create()
        invoke = world.platform.functions.invoke
        await refused(
            invoke(f"{ARN}:hello", b"{}", cause=Cause(), source="sns.amazonaws.com", source_arn=TOPIC),
            "AccessDeniedException",
        )
        await permit(world, SourceArn=TOPIC)
        await invoke(f"{ARN}:hello", b"{}", cause=Cause(), source="sns.amazonaws.com", source_arn=TOPIC)
        await invoke(f"{ARN}:hello", b"{}", cause=Cause(), source="apigateway.amazonaws.com")
        assert len(world.runtime.seen) == 2

    run(body)
