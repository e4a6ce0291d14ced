"""The timer: what is due is written to the outbox and moved to its next occurrence, in one transaction.

A crash therefore neither loses an occurrence nor invokes it twice from here. The execution is a row of its own, which goes
in the transaction that invokes its target (delivery.py); the outbox holds its id. What was missed while no server ran:
one-time schedules are invoked late; of a recurring one the first missed occurrence is, and then those of the last five
minutes (rules.schedules.CATCH_UP_MS).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from freehold.kit.ids import derived
from freehold.kit.tuples import pack
from freehold.services.scheduler import state
from freehold.services.scheduler.model import DELETE, ENABLED, Execution, Schedule
from freehold.services.scheduler.state import Space
from freehold.store.base import Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

KIND = "scheduler.invoke"
_PAGE = 100
_PAGE_BYTES = 4 << 20
"""Targets written to the outbox in one transaction."""


async def due(platform: Platform, key: bytes) -> int | None:
    """Fire what is due in one account and region; answers when the next thing is."""
    space = state.space_of(key)
    while True:
        now_ms = platform.clock.now_ms()
        draws = [platform.ids.uniform() for _ in range(_PAGE)]
        following = await platform.store.transact(lambda tx, now=now_ms, d=draws: _page(tx, platform, space, now, d))  # type: ignore[misc]
        if following is None or following > now_ms:
            return following


def _page(tx: Tx, platform: Platform, space: Space, now_ms: int, draws: list[float]) -> int | None:
    """One page of what is due, and when the next thing is."""
    written = 0
    for (due_ms, group, name), draw in zip(state.due(tx, space, now_ms, _PAGE), draws, strict=False):
        schedule = state.find(tx, space, group, name)
        if schedule is None or schedule.due_ms != due_ms:
            tx.delete(space.key("due", due_ms, group, name))
        elif schedule.next_ms is None:
            state.delete(tx, space, schedule)
        else:
            written += _fire(tx, platform, space, schedule, now_ms, draw)
        if written >= _PAGE_BYTES:
            break
    return state.next_due(tx, space)


def _fire(tx: Tx, platform: Platform, space: Space, schedule: Schedule, now_ms: int, draw: float) -> int:
    """One occurrence goes to the outbox, the schedule to its next one; the size of what was written."""
    scheduled_ms = schedule.next_ms
    assert scheduled_ms is not None and schedule.state == ENABLED
    schedule.next_ms = schedule.following(now_ms)
    state.set_due(tx, space, schedule, schedule.next_ms)
    state.save(tx, space, schedule)
    execution = Execution(
        *space,
        group=schedule.group,
        name=schedule.name,
        generation=schedule.generation,
        scheduled_ms=scheduled_ms,
        target=state.target_of(tx, space, schedule),
        id=derived(*space, schedule.group, schedule.name, schedule.generation, str(scheduled_ms)),
        windowed=schedule.window_minutes is not None,
        last=schedule.next_ms is None and schedule.after == DELETE,
    )
    delay_ms = int(draw * (schedule.window_minutes or 0) * 60_000)
    platform.outbox.add(tx, KIND, pack(*space, execution.id), id=execution.id, due_ms=scheduled_ms + delay_ms)
    return state.begin(tx, space, execution)
