"""Creates with a fresh identifier that are made again after a crash answer what they answered (ports/once.py)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.lambda_.helpers import run
from tests.services.lambda_.support import World, package

OPERATIONS: list[tuple[str, dict[str, Any]]] = [
    ("PublishLayerVersion", {"LayerName": "lib", "Content": {"ZipFile": package(a__txt="1")}}),
    ("CreateFunctionUrlConfig", {"FunctionName": "hello", "AuthType": "NONE"}),
]


@pytest.mark.parametrize(("operation", "request_"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_the_same_call_answers_the_same_and_another_does_not(operation: str, request_: dict[str, Any]) -> None:
    async def body(world: World) -> None:
        await world.create()
        first = await world(operation, once=b"one", **request_)
        assert await world(operation, once=b"one", **request_) == first
        if operation == "PublishLayerVersion":
            assert (await world(operation, once=b"two", **request_))["Version"] == first["Version"] + 1
            assert len((await world("ListLayerVersions", LayerName="lib"))["LayerVersions"]) == 2

    run(body)
