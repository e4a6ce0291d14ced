"""API destinations: HTTP endpoints as targets of rules and pipes (how they are called: calling.py)."""

from __future__ import annotations

from freehold.kit.faults import Fault
from freehold.ports import once
from freehold.ports.call import Call
from freehold.services.events import destination_rows
from freehold.services.events.common import Request, Result, limit_of, start_of, token_of
from freehold.services.events.connections import check_endpoint
from freehold.services.events.destination_rows import AUTHORIZED, DEFAULT_RATE, Destination
from freehold.services.events.model import given
from freehold.store.base import ReadTx, Tx


def _none(name: str) -> Fault:
    return Fault(
        "ResourceNotFoundException",
        f"Failed to describe the api-destination(s). An api-destination '{name}' does not exist.",
    )


def _require_connection(tx: ReadTx, arn: str) -> None:
    if destination_rows.CONNECTIONS.of_arn(tx, arn) is None:
        raise Fault("ResourceNotFoundException", f"Connection '{arn}' does not exist.")


def state_of(tx: ReadTx, row: Destination) -> str:
    """ACTIVE while its connection is authorized."""
    connection = destination_rows.CONNECTIONS.of_arn(tx, row.connection_arn)
    return "ACTIVE" if connection is not None and connection.state == AUTHORIZED else "INACTIVE"


def _answer(tx: ReadTx, call: Call, row: Destination) -> Result:
    return {
        "ApiDestinationArn": row.arn(call.account, call.region),
        "ApiDestinationState": state_of(tx, row),
        "CreationTime": row.created_s,
        "LastModifiedTime": row.modified_s,
    }


def _shown(tx: ReadTx, call: Call, row: Destination) -> Result:
    return {
        **_answer(tx, call, row),
        "Name": row.name,
        "ConnectionArn": row.connection_arn,
        "InvocationEndpoint": row.endpoint,
        "HttpMethod": row.method,
        "InvocationRateLimitPerSecond": row.rate or DEFAULT_RATE,
    }


async def create_api_destination(call: Call, request: Request) -> Result:
    """An endpoint with the connection that authorizes with it."""
    check_endpoint(request["InvocationEndpoint"], "InvocationEndpoint")
    now_s = call.platform.clock.now()
    row = Destination(
        name=request["Name"],
        id=call.platform.ids.uuid(),
        connection_arn=request["ConnectionArn"],
        endpoint=request["InvocationEndpoint"],
        method=request["HttpMethod"],
        created_s=now_s,
        modified_s=now_s,
        rate=request.get("InvocationRateLimitPerSecond"),
        description=request.get("Description"),
    )

    def body(tx: Tx) -> Result:
        if destination_rows.DESTINATIONS.find(tx, call.account, call.region, row.name) is not None:
            raise Fault("ResourceAlreadyExistsException", f"An api-destination '{row.name}' already exists.")
        _require_connection(tx, row.connection_arn)
        destination_rows.DESTINATIONS.put(tx, call.account, call.region, row)
        return _answer(tx, call, row)

    return await once.transact(call, body)


async def update_api_destination(call: Call, request: Request) -> Result:
    """Set what the request names; the rest stays."""
    name, now_s = request["Name"], call.platform.clock.now()
    if "InvocationEndpoint" in request:
        check_endpoint(request["InvocationEndpoint"], "InvocationEndpoint")

    def body(tx: Tx) -> Result:
        row = _require(tx, call, name)
        if "ConnectionArn" in request:
            _require_connection(tx, request["ConnectionArn"])
        row.connection_arn = request.get("ConnectionArn", row.connection_arn)
        row.endpoint = request.get("InvocationEndpoint", row.endpoint)
        row.method = request.get("HttpMethod", row.method)
        row.rate = request.get("InvocationRateLimitPerSecond", row.rate)
        row.description = request.get("Description", row.description)
        row.modified_s = now_s
        destination_rows.DESTINATIONS.put(tx, call.account, call.region, row)
        return _answer(tx, call, row)

    return await call.platform.store.transact(body)


def _require(tx: ReadTx, call: Call, name: str) -> Destination:
    row = destination_rows.DESTINATIONS.find(tx, call.account, call.region, name)
    if row is None:
        raise _none(name)
    return row


async def describe_api_destination(call: Call, request: Request) -> Result:
    def body(tx: ReadTx) -> Result:
        row = _require(tx, call, request["Name"])
        return _shown(tx, call, row) | given(Description=row.description)

    return await call.platform.store.read(body)


async def list_api_destinations(call: Call, request: Request) -> Result:
    """API destinations in the order of their names."""
    limit, connection = limit_of(request), request.get("ConnectionArn")

    def body(tx: ReadTx) -> Result:
        found = destination_rows.DESTINATIONS.page(
            tx, call.account, call.region, request.get("NamePrefix", ""), start_of(request), limit + 1
        )
        kept = [row for row in found[:limit] if connection is None or row.connection_arn == connection]
        result: Result = {"ApiDestinations": [_shown(tx, call, row) for row in kept]}
        if len(found) > limit:
            result["NextToken"] = token_of(found[limit - 1].name)
        return result

    return await call.platform.store.read(body)


async def delete_api_destination(call: Call, request: Request) -> Result:
    """Delete an API destination; rules that have it as a target fail from now on."""
    name = request["Name"]

    def body(tx: Tx) -> None:
        _require(tx, call, name)
        tx.delete(destination_rows.DESTINATIONS.key(call.account, call.region, name))

    await call.platform.store.transact(body)
    return {}
