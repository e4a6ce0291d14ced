"""Addresses: where a URL that AWS would resolve leads on this machine."""

from __future__ import annotations

from typing import Protocol


class Addresses(Protocol):
    """Offered by apigateway."""

    async def home(self, url: str) -> str:
        """The address of an API of Freehold's own that a template spelled as AWS does
        (`https://{api}.execute-api.{region}.amazonaws.com/...`); any other URL as it is."""
        ...


class AsSpelled:
    """Where no service knows better."""

    async def home(self, url: str) -> str:
        return url
