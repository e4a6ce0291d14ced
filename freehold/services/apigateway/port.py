"""Addresses: what apigateway offers services that send requests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from freehold.services.apigateway import index

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

_SPELLED = re.compile(r"https://([a-z0-9]+)\.execute-api\.[a-z0-9-]+\.amazonaws\.com(?=[/?#]|$)")


class AddressesPort:
    """`ports.addresses.Addresses`. APIs that are not Freehold's are left to AWS."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def home(self, url: str) -> str:
        found = _SPELLED.match(url)
        if found is None:
            return url
        api_id = found[1]
        if await self._platform.store.read(lambda tx: index.owner(tx, api_id)) is None:
            return url
        return f"{self._platform.settings.url}/_apis/{api_id}{url[found.end() :]}"
