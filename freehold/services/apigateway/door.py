"""The door of all APIs: which kind of API an id means, compiled again only when its version has changed."""

from __future__ import annotations

from freehold.kit.http import Response
from freehold.ports.manifest import HostRequest
from freehold.ports.platform import Platform
from freehold.services.apigateway import index
from freehold.services.apigateway.http import compiled as http
from freehold.services.apigateway.http import serve as http_door
from freehold.services.apigateway.rest import compiled as rest
from freehold.services.apigateway.rest import serve as rest_door
from freehold.store.base import ReadTx

Compiled = http.Compiled | rest.Compiled
MAX_COMPILED = 4_096


async def serve(platform: Platform, asked: HostRequest) -> Response | None:
    """Answer a request to an API; None where there is no such API."""
    cache: dict[str, Compiled] = platform.own.setdefault(index.COMPILED, {})
    api_id = asked.id
    version = await platform.store.read(lambda tx: index.version(tx, api_id))
    found = cache.get(api_id)
    if found is None or found.version != version:
        cache.pop(api_id, None)
        if version is None:
            return None
        found = await platform.store.read_many(lambda tx: _load(tx, api_id, platform.clock.monotonic()))
        if found is None:
            return None
        if len(cache) >= MAX_COMPILED:
            cache.clear()
        cache[api_id] = found
    if isinstance(found, http.Compiled):
        return await http_door.serve(platform, found, asked)
    return await rest_door.serve(platform, found, asked)


def _load(tx: ReadTx, api_id: str, now: float) -> Compiled | None:
    owner, version = index.owner(tx, api_id), index.version(tx, api_id)
    if owner is None or version is None:
        return None
    if owner.kind == index.HTTP:
        return http.load(tx, api_id, owner, version, now)
    return rest.load(tx, api_id, owner, version, now)
