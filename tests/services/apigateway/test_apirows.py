"""Rows of APIs: as many as there are, none larger than a row."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from freehold.kit.faults import Fault
from freehold.services.apigateway.apirows import Space
from freehold.services.apigateway.http import state as http
from freehold.services.apigateway.rest import state as rest
from freehold.store.limits import MAX_SCAN_BYTES, MAX_VALUE
from tests.support import memory_store

SPACE = Space("111122223333", "us-east-1")


def api(kind: Any, size: int = 0) -> Any:
    member = "ApiId" if kind is http else "id"
    return kind.Draft({member: "a", "createdDate": 1, "description": "x" * size})


@pytest.mark.parametrize("kind", [http, rest], ids=["http", "rest"])
def test_all_deployments_are_listed_however_many(kind: Any) -> None:
    """Only those in the first mebibyte were, of HTTP APIs."""
    size, count = MAX_SCAN_BYTES // 4, 9
    member = "DeploymentId" if kind is http else "id"

    async def main() -> None:
        store = memory_store()
        await store.transact(lambda tx: kind.create(tx, SPACE, api(kind)))
        for number in range(count):
            shape = {member: f"d{number}", "createdDate": number}
            made = kind.Deployment(shape, api(kind, size))
            await store.transact(lambda tx, made=made: kind.put_deployment(tx, SPACE, "a", made))  # type: ignore[misc]
        found = await store.read(lambda tx: kind.deployments(tx, SPACE, "a"))
        assert sorted(each.shape[member] for each in found) == [f"d{number}" for number in range(count)]

    asyncio.run(main())


@pytest.mark.parametrize(("kind", "code"), [(http, "BadRequestException"), (rest, "LimitExceededException")])
def test_an_api_that_no_row_holds_is_refused(kind: Any, code: str) -> None:
    """An HTTP API of that size was an internal error."""

    async def main() -> None:
        with pytest.raises(Fault) as caught:
            await memory_store().transact(lambda tx: kind.create(tx, SPACE, api(kind, MAX_VALUE)))
        assert caught.value.code == code

    asyncio.run(main())
