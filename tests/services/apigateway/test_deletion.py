"""Deleting an API: gone at once for whoever asks; what it leaves goes in the background, however much it is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from freehold.kit.faults import Fault
from freehold.kit.tuples import pack
from freehold.services.apigateway import deletion, index
from freehold.services.apigateway.apirows import Space
from freehold.services.apigateway.http import state as http
from freehold.services.apigateway.rest import state as rest
from freehold.store.base import Tx
from freehold.store.limits import MAX_SCAN, MAX_TX_ROWS
from tests.services.apigateway.support import Gateway
from tests.services.house import ACCOUNT, REGION

SPACE = Space(ACCOUNT, REGION)
MANY = MAX_TX_ROWS + MAX_SCAN // 2
"""Deployments: more than any one transaction removes."""


class Kind:
    """What a test asks of REST and of HTTP APIs alike."""

    def __init__(self, name: str, state: Any, service: str, api: str, deployment: str, stage: str) -> None:
        self.name, self.state, self.service = name, state, service
        self.api, self.deployment, self.stage = api, deployment, stage
        self.prefix = "rest-" if name == index.REST else ""

    async def ask(self, gateway: Gateway, operation: str, **request: Any) -> dict[str, Any]:
        return await gateway(operation, service=self.service, **request)

    async def with_deployments(self, gateway: Gateway, count: int, size: int = 0) -> str:
        """An API with a stage and so many deployments."""
        created = (
            await self.ask(gateway, "CreateRestApi", name="api")
            if self.name == index.REST
            else await self.ask(gateway, "CreateApi", Name="api", ProtocolType="HTTP")
        )
        api_id = str(created["id" if self.name == index.REST else "ApiId"])
        draft = await gateway.store.read(lambda tx: self.state.find(tx, SPACE, api_id))
        draft.api["description"] = "x" * size
        member = {index.REST: "id", index.HTTP: "DeploymentId"}[self.name]

        def put(tx: Tx, start: int) -> None:
            for number in range(start, min(start + 1_000, count)):
                shape = {member: f"d{number}", "createdDate": 1, "CreatedDate": 1.0}
                self.state.put_deployment(tx, SPACE, api_id, self.state.Deployment(shape, draft))

        for start in range(0, count, 1_000):
            await gateway.store.transact(lambda tx, start=start: put(tx, start))  # type: ignore[misc]
        stage = {self.stage: "prod", self.deployment: "d0"}
        await self.ask(gateway, "CreateStage", **{self.api: api_id}, **stage)
        return api_id

    async def delete(self, gateway: Gateway, api_id: str) -> None:
        await self.ask(gateway, {index.REST: "DeleteRestApi", index.HTTP: "DeleteApi"}[self.name], **{self.api: api_id})

    async def rows(self, gateway: Gateway) -> tuple[int, int]:
        """How many deployments and stages there are in the store."""
        return await gateway.count(f"{self.prefix}deployment"), await gateway.count(f"{self.prefix}stage")


REST = Kind(index.REST, rest, "apigateway", "restApiId", "deploymentId", "stageName")
HTTP = Kind(index.HTTP, http, "apigatewayv2", "ApiId", "DeploymentId", "StageName")
KINDS = pytest.mark.parametrize("kind", [REST, HTTP], ids=["rest", "http"])


@KINDS
def test_a_deleted_api_leaves_no_rows_however_many_deployments_it_had(kind: Kind) -> None:
    """All but the first thousand stayed for ever, rows of an API that is not there."""

    async def main() -> None:
        gateway = Gateway()
        await gateway.start()
        try:
            api_id = await kind.with_deployments(gateway, MANY)
            other = await kind.with_deployments(gateway, 2)
            assert await kind.rows(gateway) == (MANY + 2, 2)
            await kind.delete(gateway, api_id)
            await gateway.timers.settle()
            assert await kind.rows(gateway) == (2, 1)
            assert await gateway.check() == []
            assert (await kind.ask(gateway, "GetStages", **{kind.api: other})).get("item", [1])
        finally:
            await gateway.close()

    asyncio.run(main())


@KINDS
def test_a_process_that_ends_before_the_sweep_leaves_it_to_the_next(kind: Kind) -> None:
    """Nothing fires timers yet: what was deleted is gone for whoever asks, and its rows wait, known to the check."""

    async def main() -> None:
        gateway = Gateway()
        api_id = await kind.with_deployments(gateway, MANY)
        await kind.delete(gateway, api_id)
        assert await kind.rows(gateway) == (MANY, 1)
        assert await gateway.check() == []
        await every_operation_misses(gateway, kind, api_id)
        await gateway.close()
        gateway.boot()
        await gateway.start()
        try:
            await gateway.timers.settle()
            assert await kind.rows(gateway) == (0, 0)
            assert await gateway.check() == []
        finally:
            await gateway.close()

    asyncio.run(main())


REST_OPERATIONS: dict[str, dict[str, Any]] = {
    "GetRestApi": {},
    "GetResources": {},
    "GetDeployments": {},
    "GetDeployment": {"deploymentId": "d0"},
    "UpdateDeployment": {
        "deploymentId": "d0",
        "patchOperations": [{"op": "replace", "path": "/description", "value": "x"}],
    },
    "DeleteDeployment": {"deploymentId": "d0"},
    "CreateDeployment": {},
    "GetStages": {},
    "GetStage": {"stageName": "prod"},
    "UpdateStage": {"stageName": "prod"},
    "DeleteStage": {"stageName": "prod"},
    "CreateStage": {"stageName": "new", "deploymentId": "d0"},
    "FlushStageAuthorizersCache": {"stageName": "prod"},
    "GetExport": {"stageName": "prod", "exportType": "oas30"},
    "DeleteRestApi": {},
}
HTTP_OPERATIONS: dict[str, dict[str, Any]] = {
    "GetApi": {},
    "GetRoutes": {},
    "GetDeployments": {},
    "GetDeployment": {"DeploymentId": "d0"},
    "UpdateDeployment": {"DeploymentId": "d0", "Description": "x"},
    "DeleteDeployment": {"DeploymentId": "d0"},
    "CreateDeployment": {},
    "GetStages": {},
    "GetStage": {"StageName": "prod"},
    "UpdateStage": {"StageName": "prod"},
    "DeleteStage": {"StageName": "prod"},
    "CreateStage": {"StageName": "new", "DeploymentId": "d0"},
    "DeleteAccessLogSettings": {"StageName": "prod"},
    "ExportApi": {"StageName": "prod", "Specification": "OAS30", "OutputType": "JSON"},
    "DeleteApi": {},
}


async def every_operation_misses(gateway: Gateway, kind: Kind, api_id: str) -> None:
    """NotFoundException, whatever is asked of the API, its deployments and stages."""
    operations = REST_OPERATIONS if kind is REST else HTTP_OPERATIONS
    arn = f"arn:aws:apigateway:{REGION}::/{'restapis' if kind is REST else 'apis'}/{api_id}/stages/prod"
    asked = [(name, {kind.api: api_id} | request) for name, request in operations.items()]
    tagged = {"resourceArn" if kind is REST else "ResourceArn": arn}
    for operation, request in [*asked, ("GetTags", tagged)]:
        with pytest.raises(Fault) as caught:
            await kind.ask(gateway, operation, **request)
        assert caught.value.code == "NotFoundException", operation
    assert await gateway.store.read(lambda tx: index.owner(tx, api_id)) is None


@KINDS
def test_no_transaction_of_a_sweep_is_large(kind: Kind) -> None:
    """Deployments of half a mebibyte go two at a time: no other commit waits for a thousand of them."""

    async def main() -> None:
        gateway = Gateway()
        api_id = await kind.with_deployments(gateway, 5, size=1 << 19)
        await kind.delete(gateway, api_id)
        left = [await kind.rows(gateway)]
        while await gateway.store.transact(lambda tx: kind.state.ROWS.sweep(tx, SPACE, api_id)):
            left.append(await kind.rows(gateway))
        assert left == [(5, 1), (5, 0), (3, 0), (1, 0), (0, 0)]
        await gateway.close()

    asyncio.run(main())


@KINDS
def test_the_check_names_rows_that_nothing_removes_and_a_sweep_of_what_is_there(kind: Kind) -> None:
    async def main() -> None:
        gateway = Gateway()
        api_id = await kind.with_deployments(gateway, 1)
        key = pack(*SPACE, kind.name, api_id)
        timers = gateway.timers
        await gateway.store.transact(lambda tx: timers.set(tx, deletion.SWEEP, key, 1))
        assert [line for line in await gateway.check() if "are being removed" in line and api_id in line]
        await gateway.store.transact(lambda tx: timers.set(tx, deletion.SWEEP, key, None))
        assert await gateway.check() == []
        await kind.delete(gateway, api_id)
        assert await gateway.check() == []
        await gateway.store.transact(lambda tx: timers.set(tx, deletion.SWEEP, key, None))
        assert len([line for line in await gateway.check() if "nothing removes them" in line and api_id in line]) == 2
        await gateway.close()

    asyncio.run(main())
