"""What EventBridge is told of parameters."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from freehold.kit.faults import Fault
from freehold.kit.ids import Ids
from freehold.ports.call import Cause
from freehold.ports.events import Event
from freehold.services.ssm import parameters
from freehold.store.base import Tx
from tests.support import manual_clock, memory_store

ACCOUNT, REGION = "111111111111", "us-east-1"


class Ssm:
    """Its handlers over a memory store, and what they told."""

    def __init__(self) -> None:
        self.told: dict[str, Event] = {}
        self.call: Any = SimpleNamespace(
            account=ACCOUNT, region=REGION, cause=Cause(), principal=SimpleNamespace(arn="arn"),
            platform=SimpleNamespace(store=memory_store(), clock=manual_clock(), ids=Ids(seed=1), events=self),
        )  # fmt: skip

    def emit(self, tx: Tx, account: str, region: str, event: Event, *, now_ms: int) -> None:
        assert (account, region) == (ACCOUNT, REGION)
        self.told[event.id] = event  # a body that runs again tells the same

    async def __call__(self, operation: str, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = await getattr(parameters, operation)(self.call, request)
        return answer


def test_changes_of_parameters_are_told() -> None:
    async def test() -> None:
        ssm = Ssm()
        await ssm("put_parameter", Name="/app/key", Value="1", Type="String", Description="a key")
        await ssm("put_parameter", Name="/app/key", Value="2", Overwrite=True)
        await ssm("label_parameter_version", Name="/app/key", Labels=["live"])
        await ssm("label_parameter_version", Name="/app/key", Labels=["1 not a label"])
        await ssm("put_parameter", Name="other", Value="1", Type="StringList")
        await ssm("delete_parameters", Names=["/app/key", "never"])
        await ssm("delete_parameter", Name="other")
        told = list(ssm.told.values())
        assert [(one.detail["operation"], one.detail["name"]) for one in told] == [
            ("Create", "/app/key"), ("Update", "/app/key"), ("LabelParameterVersion", "/app/key"), ("Create", "other"),
            ("Delete", "/app/key"), ("Delete", "other"),
        ]  # fmt: skip
        assert {(one.source, one.detail_type) for one in told} == {("aws.ssm", "Parameter Store Change")}
        assert told[1].detail == {
            "operation": "Update", "name": "/app/key", "type": "String", "description": "a key",
        }  # fmt: skip
        assert told[1].resources == (f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/app/key",)

    asyncio.run(test())


def test_what_is_refused_is_not_told() -> None:
    async def test() -> None:
        ssm = Ssm()
        await ssm("put_parameter", Name="k", Value="1", Type="String")
        ssm.told.clear()
        with pytest.raises(Fault):
            await ssm("put_parameter", Name="k", Value="2")
        with pytest.raises(Fault):
            await ssm("delete_parameter", Name="never")
        assert not ssm.told

    asyncio.run(test())
