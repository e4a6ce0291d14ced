"""Settings of tables and of the service: tags, limits, endpoints, what is switched off."""

from __future__ import annotations

from urllib.parse import urlsplit

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.dynamodb import catalog, definitions
from freehold.services.dynamodb.definitions import Request
from freehold.services.dynamodb.model import Schema
from freehold.services.dynamodb.tables import not_found
from freehold.store.base import Tx


async def tag_resource(call: Call, request: Request) -> Request:
    await _change_tags(call, request["ResourceArn"], added=request["Tags"])
    return {}


async def untag_resource(call: Call, request: Request) -> Request:
    await _change_tags(call, request["ResourceArn"], removed=request["TagKeys"])
    return {}


async def list_tags_of_resource(call: Call, request: Request) -> Request:
    schema = await _tagged(call, request["ResourceArn"])
    return {"Tags": [{"Key": key, "Value": value} for key, value in schema.table.tags.items()]}


def _unknown_resource(arn: str) -> Fault:
    return Fault("ResourceNotFoundException", f"Requested resource not found: ResourcArn: {arn} not found")


async def _tagged(call: Call, arn: str) -> Schema:
    if not arn.startswith("arn:"):
        raise Fault("ValidationException", f"Invalid TableArn: Invalid ResourceArn provided as input {arn}")
    place = catalog.place_of(call, arn)
    schema = await call.platform.store.read(lambda tx: catalog.find(tx, place))
    if schema is None:
        raise _unknown_resource(arn)
    return schema


async def _change_tags(
    call: Call, arn: str, *, added: list[Request] | None = None, removed: list[str] | None = None
) -> None:
    table = (await _tagged(call, arn)).table
    place = (table.account, table.region, table.name)
    version = call.platform.ids.hex(16).encode()

    def body(tx: Tx) -> None:
        schema = catalog.find(tx, place)
        if schema is None:
            raise _unknown_resource(arn)
        schema.table.tags = definitions.tags_of(added or (), schema.table.tags, internal=call.http is None)
        for key in removed or ():
            schema.table.tags.pop(key, None)
        catalog.save(tx, schema.table, version)

    await call.platform.store.transact(body)


async def describe_limits(call: Call, request: Request) -> Request:
    # The default quotas of an account; Freehold has no bounds of its own.
    return {
        "AccountMaxReadCapacityUnits": 80_000,
        "AccountMaxWriteCapacityUnits": 80_000,
        "TableMaxReadCapacityUnits": 40_000,
        "TableMaxWriteCapacityUnits": 40_000,
    }


async def describe_endpoints(call: Call, request: Request) -> Request:
    return {"Endpoints": [{"Address": urlsplit(call.base_url).netloc, "CachePeriodInMinutes": 1_440}]}


async def _require(call: Call, name: str) -> None:
    place = catalog.place_of(call, name)
    if await call.platform.store.read(lambda tx: catalog.find(tx, place)) is None:
        raise not_found(place[2])


async def describe_time_to_live(call: Call, request: Request) -> Request:
    await _require(call, request["TableName"])
    return {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}


async def describe_continuous_backups(call: Call, request: Request) -> Request:
    try:
        await _require(call, request["TableName"])
    except Fault as fault:
        if fault.code != "ResourceNotFoundException":
            raise
        name = catalog.place_of(call, request["TableName"])[2]
        raise Fault("TableNotFoundException", f"Table not found: {name}") from None
    return {
        "ContinuousBackupsDescription": {
            "ContinuousBackupsStatus": "DISABLED",
            "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"},
        }
    }
