"""Whose an effect of EventBridge Scheduler is; all its rows lie under the names of accounts."""

from __future__ import annotations

from freehold.kit.tuples import unpack
from freehold.ports.belongings import Belongings
from freehold.services.scheduler import firing

BELONGINGS = Belongings(effects={firing.KIND: lambda payload: str(unpack(payload)[0])})
