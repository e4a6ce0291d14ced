"""Small things that the tests of this folder share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from freehold.kit.faults import Fault
from tests.services.lambda_.support import World


def run(body: Callable[[World], Awaitable[Any]], **options: Any) -> None:
    async def main() -> None:
        async with World(**options) as world:
            await body(world)

    asyncio.run(main())


async def refused(awaitable: Awaitable[Any], code: str, text: str = "") -> Fault:
    with pytest.raises(Fault) as caught:
        await awaitable
    assert caught.value.code == code, caught.value
    assert text in caught.value.message, caught.value
    return caught.value
