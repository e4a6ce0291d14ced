"""Whose an effect of EventBridge is; all its rows lie under the names of accounts."""

from __future__ import annotations

import msgspec

from freehold.ports.belongings import Belongings
from freehold.services.events import connections, firing, parcels


def _account(payload: bytes) -> str:
    """All of them begin with it."""
    return str(msgspec.msgpack.decode(payload)[0])


BELONGINGS = Belongings(
    effects=dict.fromkeys((parcels.KIND, parcels.CALL, firing.EXPAND, connections.AUTHORIZE), _account)
)
