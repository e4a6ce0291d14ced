"""The engine: one task per stack with an operation under way; begun by handlers, resumed from rows after a crash.

Of several nodes the one where an operation was begun carries it out: the operation is a duty that stays there. All follow
the rows of work; when that node dies, another takes the duty and resumes from the rows. A call on another node waits for
the row of work to go, and what it wants cancelled is told to the running operation by that row.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TypeVar

from freehold.kit.faults import Fault
from freehold.ports.platform import Platform
from freehold.services.cloudformation import prepare, state
from freehold.services.cloudformation.deploy import cancel_busy
from freehold.services.cloudformation.model import Work
from freehold.services.cloudformation.operation import Gone, Operation, set_status
from freehold.services.cloudformation.origin import Origin
from freehold.services.cloudformation.phases import PHASES, PLANNED
from freehold.services.cloudformation.prepare import Prepared
from freehold.services.cloudformation.state import Keys
from freehold.work.duties import Duty, Held
from freehold.work.members import TTL_S
from freehold.work.waiting import Alarm

_log = logging.getLogger(__name__)
T = TypeVar("T")

SETTLE = 1.0
"""Seconds that the answer to a call which begins an operation waits for its end: waiters of SDKs and `sam` look once at
once, and then only after 5 to 30 seconds."""
LOOK_S = 1.0
"""How often a call looks whether another node has ended an operation, should the wake be lost (seconds)."""


class Engine:
    """The operations under way in this process, by uid of their stack."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._operations: dict[str, Operation] = {}
        self._duties: dict[str, Duty] = {}
        """Where the store is shared, by id of the operation."""
        self._seen: dict[str, float] = {}
        """Operations of other nodes: since when (monotonic) they are known here."""

    @property
    def _alone(self) -> bool:
        return self._platform.duties.members.alone

    def start(self, work: Work, host: str = "", prepared: Prepared | None = None) -> None:
        """Run an operation whose work row has been committed."""
        if self._alone:
            self._tasks[work.uid] = self._platform.tasks.spawn(
                f"cloudformation {work.uid}", self._run(work, host, prepared, None)
            )
        else:
            self._declare(work, host, prepared, here=True)

    def _declare(self, work: Work, host: str, prepared: Prepared | None, *, here: bool) -> None:
        if work.id not in self._duties:
            run = partial(self._run, work, host, prepared)
            name = f"stack:{work.uid}/{work.id}"
            self._duties[work.id] = self._platform.duties.run(name, run, moves=False, here=here, once=True)

    async def settle(self, keys: Keys, uid: str, seconds: float | None = SETTLE) -> None:
        """Return when the stack's operation ends, or after `seconds`."""
        if not self._alone:
            await self._gone(keys, uid, seconds)
            return
        task = self._tasks.get(uid)
        if task is not None:
            await asyncio.wait({task}, timeout=seconds)

    async def _gone(self, keys: Keys, uid: str, seconds: float | None) -> None:
        """Return when no operation is under way, on whatever node, or after `seconds`."""
        clock, store = self._platform.clock, self._platform.store
        until = None if seconds is None else clock.monotonic() + seconds
        async with store.watch(keys.work(uid)) as watch:
            while await store.read(lambda tx: state.work(tx, keys, uid)) is not None:
                left = LOOK_S if until is None else until - clock.monotonic()
                if left <= 0:
                    return
                await watch.wait(min(left, LOOK_S))

    async def cancel(self, uid: str, reason: str, *, on_failure: str | None = None) -> None:
        """Stop an update (or a create past its time) where it is; it is then rolled back, or `on_failure` done."""
        op = self._operations.get(uid)
        if op is None:
            return
        op.work.on_failure = on_failure or op.work.on_failure
        if op.halted is not None or op.work.phase not in ("create", "update"):
            return
        op.halted = reason
        cancelled = cancel_busy(op)
        await op.commit([event for _, event in cancelled], [row for row, _ in cancelled])

    async def resume(self) -> None:
        """Take up every operation that a crash cut off."""
        if not self._alone:
            self._platform.tasks.loop("cloudformation: operations", self._follow)
            return
        for work in await self._platform.store.read_many(state.all_work):
            self.start(work)

    async def _follow(self) -> None:
        """Stand by for the operations of other nodes, and hear what is to be cancelled."""
        async with Alarm(self._platform.store, self._platform.clock, state.WORK_CHANGED) as alarm:
            while True:
                await self._look(await self._platform.store.read_many(state.all_work))
                await alarm.wait(None)

    async def _look(self, found: list[Work]) -> None:
        now, known = self._platform.clock.monotonic(), {work.id for work in found}
        self._seen = {id: since for id, since in self._seen.items() if id in known}
        for id in self._duties.keys() - known:
            await self._duties.pop(id).withdraw()
        for work in found:
            op = self._operations.get(work.uid)
            if op is not None and op.work.id == work.id:
                if work.cancelled and op.halted is None:
                    reason = "Resource creation cancelled. " if op.work.phase == "create" else "User Initiated"
                    await self.cancel(work.uid, reason, on_failure=work.on_failure)
            elif now - self._seen.setdefault(work.id, now) >= TTL_S:
                # By now the node where it was begun has the duty, unless it died at once.
                self._declare(work, "", None, here=False)

    async def _run(self, work: Work, host: str, prepared: Prepared | None, lease: Held | None) -> None:
        """The operation; after a crash from where the rows say it was."""
        origin = Origin(self._platform, work.account, work.region, work.caller(), host)
        keys = origin.keys
        try:
            stack, rows, held = await self._platform.store.read_many(
                lambda tx: (
                    state.stack(tx, keys, work.uid),
                    state.resources(tx, keys, work.uid),
                    state.work(tx, keys, work.uid),
                )
            )
            if stack is None or held is None or held.id != work.id:
                return
            work = held
            if stack.role_arn:
                principal = self._platform.identity.role_session(
                    stack.role_arn, "AWSCloudFormation", service="cloudformation.amazonaws.com"
                ).principal
                origin = Origin(self._platform, work.account, work.region, principal, host)
            op = Operation(origin, work, stack, rows)
            op.prepared, op.lease = prepared, lease
            self._operations[work.uid] = op
            if work.cancelled:
                op.halted = "User Initiated"
            timer = self._deadline(op)
            try:
                await self._phases(op)
            finally:
                if timer is not None:
                    timer.cancel()
        except Gone:
            _log.warning("the stack of operation %s is gone", work.id)
        finally:
            running = self._operations.get(work.uid)
            if running is not None and running.work.id == work.id:
                del self._operations[work.uid]
            if self._tasks.get(work.uid) is asyncio.current_task():
                del self._tasks[work.uid]

    async def _phases(self, op: Operation) -> None:
        phase = op.work.phase
        while phase:
            if phase in PLANNED and op.prepared is None:
                try:
                    op.prepared = await reload(op)
                except Fault as fault:
                    await self._abandon(op, phase, fault)
                    return
            phase = await PHASES[phase](op)

    async def _abandon(self, op: Operation, phase: str, fault: Fault) -> None:
        """A plan that cannot be read again (an export it imports is gone, a type is no longer offered)."""
        if phase == "cleanup":
            status, following = "UPDATE_COMPLETE", ""
        elif phase == "create":
            status, following = "ROLLBACK_IN_PROGRESS", "rollback_create"
        else:
            status, following = "UPDATE_ROLLBACK_IN_PROGRESS", "rollback_update"
        await op.commit(
            [op.stack_event(status, fault.message)], change=set_status(status, fault.message), phase=following
        )
        await self._phases(op)

    def _deadline(self, op: Operation) -> asyncio.Task[None] | None:
        due_ms = op.work.deadline_ms
        if due_ms is None:
            return None

        async def expire() -> None:
            await self._platform.clock.sleep_until(due_ms)
            await self.cancel(op.uid, "Stack creation time exceeded the specified timeout. ")

        return self._platform.tasks.spawn(f"cloudformation timeout {op.uid}", expire())


async def reload(op: Operation) -> Prepared:
    """The plan of an operation from its rows."""
    definition = op.stack.definition
    text = await op.platform.store.read(
        lambda tx: state.template(tx, op.keys, op.uid, definition.generation, "processed")
    )
    if text is None:
        raise Fault("ValidationError", "The template of the operation is gone")
    return await prepare.load(op.origin, await prepare.parse(text), definition, op.stack.name, op.stack.id)


def engine(platform: Platform) -> Engine:
    """The platform's engine."""
    found: Engine | None = platform.own.get("cloudformation.engine")
    if found is None:
        found = platform.own["cloudformation.engine"] = Engine(platform)
    return found
