"""Deletion of APIs: gone for everybody in one commit; their stages and deployments, however many, follow in the background.

Every operation looks for the API first, so nobody sees what is left of one. Its timer removes that, in small transactions,
and begins again where a server ended meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from freehold.kit.tuples import pack, unpack
from freehold.ports.call import Call
from freehold.services.apigateway import index
from freehold.services.apigateway.apirows import ApiRows, Space
from freehold.services.apigateway.http import state as http
from freehold.services.apigateway.rest import state as rest
from freehold.store.base import Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

SWEEP = "apigateway.sweep"
"""Timer: an API was deleted, its stages and deployments go. Its key: account, region, kind, id."""
_ROWS: dict[str, ApiRows[http.Draft, http.Deployment] | ApiRows[rest.Draft, rest.Deployment]] = {
    index.HTTP: http.ROWS,
    index.REST: rest.ROWS,
}


async def delete(call: Call, kind: str, api_id: str) -> None:
    """Delete an API. Raises NotFoundException."""
    platform, space = call.platform, Space(call.account, call.region)
    now_ms = platform.clock.now_ms()

    def body(tx: Tx) -> None:
        _ROWS[kind].delete(tx, space, api_id)
        platform.timers.set(tx, SWEEP, pack(*space, kind, api_id), now_ms)

    await platform.store.transact(body)
    index.forget(platform, api_id)


async def sweep(platform: Platform, key: bytes) -> None:
    """Remove what a deleted API has left."""
    account, region, kind, api_id = (str(part) for part in unpack(key))
    space, rows = Space(account, region), _ROWS[kind]
    while await platform.store.transact(lambda tx: rows.sweep(tx, space, api_id)):
        pass
