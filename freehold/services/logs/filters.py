"""Rows of subscription filters, and what they have still to look at.

("logs", account, region, "f", group id, name)              a Filter
("logs-due", account, region, group name, stream id, n)     a chunk that filters of its group have not seen: (stream name,
                                                            key of its row). Written with the chunk (work/logrows.py).
"""

from __future__ import annotations

import msgspec

from freehold.kit.faults import Fault
from freehold.kit.tuples import pack, span
from freehold.services.logs import state
from freehold.services.logs.model import Space
from freehold.store.base import ReadTx, Tx
from freehold.work import logrows

MAX_FILTERS = 2
"""Of a log group (quotas of CloudWatch Logs)."""


class Filter(msgspec.Struct, frozen=True, array_like=True):
    name: str
    pattern: str
    destination: str
    created_ms: int
    distribution: str = "ByLogStream"
    """It decides about Kinesis streams only; here it is shown."""


_decode = msgspec.msgpack.Decoder(Filter).decode


def _key(space: Space, group_id: str, name: str) -> bytes:
    return pack("logs", *space, "f", group_id, name)


def of_group(tx: ReadTx, space: Space, group_id: str) -> list[Filter]:
    """The filters of a group in the order of their names."""
    return [_decode(value) for _, value in tx.scan(*span("logs", *space, "f", group_id))]


def put(tx: Tx, space: Space, group_name: str, new: Filter) -> None:
    """Add a filter or replace the one of that name. Raises ResourceNotFoundException, LimitExceededException."""
    group = state.group(tx, space, group_name)
    others = [one for one in of_group(tx, space, group.id) if one.name != new.name]
    if len(others) >= MAX_FILTERS:
        raise Fault("LimitExceededException", "Resource limit exceeded.")
    tx.put(_key(space, group.id, new.name), msgspec.msgpack.encode(new))
    logrows.put_group(tx, *space, msgspec.structs.replace(group, subscribed=True))


def remove(tx: Tx, space: Space, group_name: str, name: str) -> None:
    """Raises ResourceNotFoundException."""
    group = state.group(tx, space, group_name)
    left = [one for one in of_group(tx, space, group.id) if one.name != name]
    key = _key(space, group.id, name)
    if tx.get(key) is None:
        raise Fault("ResourceNotFoundException", "The specified subscription filter does not exist.")
    tx.delete(key)
    logrows.put_group(tx, *space, msgspec.structs.replace(group, subscribed=bool(left)))
