"""Tags of mappings, for TagResource, UntagResource and ListTags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from freehold.kit import arns
from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.lambda_ import checks
from freehold.services.lambda_.mappings import rows
from freehold.store.base import Tx

_KIND = "event-source-mapping:"


def mapping_of(call: Call, text: str) -> str | None:
    """The uuid that the ARN of one of the caller's mappings names; None for ARNs of other things."""
    arn = arns.parse(text)
    if arn is None or not arn.resource.startswith(_KIND):
        return None
    if (arn.account, arn.region) != (call.account, call.region):
        raise Fault("ResourceNotFoundException", "The resource you requested does not exist.", Type="User")
    return arn.resource.removeprefix(_KIND)


async def change(call: Call, uuid: str, added: Mapping[str, str], removed: Iterable[str]) -> dict[str, Any]:
    """Set and remove tags; others stay."""
    gone = set(removed)

    def body(tx: Tx) -> None:
        mapping = rows.require(tx, call.account, call.region, uuid)
        mapping.tags = {key: value for key, value in mapping.tags.items() if key not in gone} | dict(added)
        checks.tags(mapping.tags)
        rows.mappings.put(tx, rows.key(mapping), mapping)

    await call.platform.store.transact(body)
    return {}


async def shown(call: Call, uuid: str) -> dict[str, Any]:
    """All tags."""
    mapping = await call.platform.store.read(lambda tx: rows.require(tx, call.account, call.region, uuid))
    return {"Tags": dict(mapping.tags)}
