"""The seam between rules and their schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freehold.kit.faults import not_implemented
from freehold.services.events.model import Rule
from freehold.services.events.names import BusName
from freehold.store.base import Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform


def check(expression: str, bus: BusName) -> None:
    """Raise what PutRule raises for this ScheduleExpression."""
    raise not_implemented("rules with a ScheduleExpression")


def changed(
    tx: Tx, platform: Platform, bus: BusName, name: str, before: Rule | None, after: Rule | None, *, now_ms: int
) -> None:
    """Called in the transaction that changes a rule in any way (put, enabled, disabled, deleted, its targets): `before`
    and `after` are the rule as it was and as it is now, None where there is none."""
