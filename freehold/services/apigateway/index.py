"""Which API an id means: ids of REST and HTTP APIs share one name space, for the installation.

("apigateway", "id", api id)        (account, region, kind)
("apigateway", "version", api id)   bumped with every change that the front door must see
"""

from __future__ import annotations

from typing import NamedTuple

from freehold.kit.tuples import pack, unpack
from freehold.ports.platform import Platform
from freehold.store.base import ReadTx, Tx

HTTP = "http"
REST = "rest"
COMPILED = "apigateway.compiled"
"""The name in `platform.own` of what the front door has compiled, by id."""


class Owner(NamedTuple):
    """Whose API, and of which kind."""

    account: str
    region: str
    kind: str


def owner(tx: ReadTx, api_id: str) -> Owner | None:
    """Who owns an id."""
    value = tx.get(pack("apigateway", "id", api_id))
    return Owner(*map(str, unpack(value))) if value else None


def claim(tx: Tx, api_id: str, account: str, region: str, kind: str) -> None:
    """Register a new id."""
    tx.put(pack("apigateway", "id", api_id), pack(account, region, kind))


def release(tx: Tx, api_id: str) -> None:
    """Forget an id."""
    tx.delete(pack("apigateway", "id", api_id))
    tx.delete(pack("apigateway", "version", api_id))


def forget(platform: Platform, api_id: str) -> None:
    """The API has been deleted: nobody will ask for it again."""
    platform.own.get(COMPILED, {}).pop(api_id, None)


def version(tx: ReadTx, api_id: str) -> bytes | None:
    """The version of what the front door compiled."""
    return tx.get(pack("apigateway", "version", api_id))


def bump(tx: Tx, api_id: str) -> None:
    """What was compiled of this API is out of date."""
    current = version(tx, api_id)
    tx.put(pack("apigateway", "version", api_id), (int.from_bytes(current or b"", "big") + 1).to_bytes(8, "big"))
