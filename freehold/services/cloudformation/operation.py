"""One operation on one stack: its rows in memory, and how its steps are written down."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.resources import Physical, ResourceType
from freehold.rules.templates.document import TemplateError
from freehold.rules.templates.functions import Scope
from freehold.services.cloudformation import schema, state
from freehold.services.cloudformation.announcing import announce
from freehold.services.cloudformation.context import Context, failure
from freehold.services.cloudformation.dynamic import resolve
from freehold.services.cloudformation.model import STACK_TYPE, Event, Resource, Stack, State, Work
from freehold.services.cloudformation.origin import Origin
from freehold.services.cloudformation.prepare import Prepared, resource_type
from freehold.store.base import Tx
from freehold.work.duties import Held
from freehold.work.leases import LeaseLost

_log = logging.getLogger(__name__)


class Gone(Exception):
    """The stack or its work row vanished under the operation."""


class Operation:
    """The state of a run. Rows are written through `commit`; this operation is their only writer while it runs."""

    def __init__(self, origin: Origin, work: Work, stack: Stack, rows: dict[str, Resource]) -> None:
        self.origin, self.work, self.stack, self.rows = origin, work, stack, rows
        self.platform, self.keys, self.uid = origin.platform, origin.keys, work.uid
        self.prepared: Prepared | None = None
        self.lease: Held | None = None
        """Proof that no other node carries the operation out, where there are several."""
        self.busy: dict[str, Resource] = {}
        """Resources whose create or update is under way."""
        self.halted: str | None = None
        """Why nothing more is begun: "" after a failure, else the reason of a cancellation."""
        self.failed_create: list[str] = []
        self.failed_update: list[str] = []

    # Writing

    async def commit(
        self,
        events: Iterable[Event] = (),
        rows: Iterable[Resource] = (),
        *,
        drop: Iterable[str] = (),
        change: Callable[[Stack], None] | None = None,
        extra: Callable[[Tx], None] | None = None,
        phase: str | None = None,
    ) -> None:
        """Write events, rows and a change of the stack in one transaction. `phase` is the next one, "" at the end."""
        events, rows, drop, now_ms = list(events), list(rows), list(drop), self.platform.clock.now_ms()

        def body(tx: Tx) -> Stack:
            if self.lease is not None:
                self.lease.check(tx)
            stack = state.stack(tx, self.keys, self.uid)
            if stack is None:
                raise Gone(self.uid)
            if extra is not None:
                extra(tx)
            if change is not None:
                change(stack)
                state.put_stack(tx, self.keys, stack)
            for row in rows:
                row.at_ms = now_ms
                state.put_resource(tx, self.keys, self.uid, row)
            for logical_id in drop:
                state.drop_resource(tx, self.keys, self.uid, logical_id)
            state.add_events(tx, self.keys, self.uid, now_ms, events)
            announce(tx, self.platform, self.keys, stack, events)
            if phase is not None:
                self._put_phase(tx, phase)
            return stack

        self.stack = await self.platform.store.transact(body)
        if phase is not None:
            self.work.phase = phase

    def _put_phase(self, tx: Tx, phase: str) -> None:
        if not phase:
            state.drop_work(tx, self.keys, self.uid)
            return
        held = state.work(tx, self.keys, self.uid)
        if held is None or held.id != self.work.id:
            raise Gone(self.uid)
        held.phase = phase
        state.put_work(tx, self.keys, held)

    def event(self, row: Resource, *, shown: State | None = None, physical_id: str | None = None) -> Event:
        """An event of a resource as its row now stands."""
        seen = shown or row.pending or row.current
        return Event(
            "",
            row.logical_id,
            row.type,
            row.status,
            physical_id if physical_id is not None else row.physical_id,
            row.reason,
            (seen.shown or json.dumps(seen.properties)) if seen else None,
            self.work.token,
            self.work.id,
        )

    def stack_event(self, status: str, reason: str | None = None) -> Event:
        """An event of the stack itself."""
        return stack_event(self.stack, self.platform.ids.uuid(), status, reason, self.work)

    # Evaluating

    @property
    def plan(self) -> Prepared:
        assert self.prepared is not None
        return self.prepared

    def live_scope(self, *, masked: bool = False) -> Scope:
        """The template's scope with the resources that exist by now; `masked` hides NoEcho parameters."""
        base = self.plan.scope
        hidden = set(self.plan.definition.hidden) if masked else set()
        parameters = {name: "****" if name in hidden else value for name, value in base.parameters.items()}
        return replace(base, parameters=parameters, ref=self._ref, attribute=self._attribute)

    def _ref(self, logical_id: str) -> Any:
        return self._current(logical_id).physical_id

    def _attribute(self, logical_id: str, name: str) -> Any:
        found = self._current(logical_id).attributes.get(name)
        if found is None:
            raise TemplateError(
                f"Template error: resource {logical_id} does not support attribute type {name} in Fn::GetAtt"
            )
        return found

    def _current(self, logical_id: str) -> State:
        row = self.rows.get(logical_id)
        if row is None or row.current is None:
            raise TemplateError(
                f"Template format error: Unresolved resource dependencies [{logical_id}] in the Resources block of the"
                " template"
            )
        return row.current

    # Acting

    def kind(self, type_name: str) -> ResourceType:
        found = resource_type(self.origin, type_name)
        if found is None:
            raise Fault("NotImplemented", f"Freehold does not implement {type_name}")
        return found

    def context(self, logical_id: str, made_from: State, previous: State | None = None) -> Context:
        """What the type is given to act with."""
        stack = self.stack
        own = {
            "aws:cloudformation:stack-name": stack.name,
            "aws:cloudformation:stack-id": stack.id,
            "aws:cloudformation:logical-id": logical_id,
        }
        return Context(
            self.origin,
            stack_name=stack.name,
            stack_id=stack.id,
            uid=stack.uid,
            logical_id=logical_id,
            tags={**made_from.tags, **own},
            previous_tags={**previous.tags, **own} if previous else {},
            suffix=made_from.suffix,
            resource_type=made_from.type,
            lease=self.lease,
        )

    async def properties(self, made_from: State) -> dict[str, Any]:
        """The properties with dynamic references fetched."""
        resolved: dict[str, Any] = await resolve(self.origin, made_from.properties)
        if resolved is not made_from.properties:
            # A reference may stand where a number or boolean is wanted.
            resolved = schema.check(self.kind(made_from.type), resolved, made_from.type)
        return resolved

    def failure(self, error: Exception, context: Context | None, logical_id: str) -> str:
        """The reason of a failed step. An exception that is no Fault is a bug, and is logged with its trace."""
        if isinstance(error, LeaseLost):
            raise error
        if isinstance(error, TemplateError):
            return error.message
        if not isinstance(error, Fault):
            _log.error("resource %s of stack %s", logical_id, self.stack.id, exc_info=error)
            error = Fault("InternalFailure", "Internal Failure", status=500)
        if error.code == "StackFailure":
            return error.message
        ids = self.platform.ids
        return failure(error, context.last_service if context else "", ids.uuid(), ids.uuid())


def physical(made: State) -> Physical:
    """What a type is given of an existing resource: copies, so that a failed update leaves no trace."""
    return Physical(made.physical_id or "", dict(made.attributes), dict(made.data))


def stack_event(stack: Stack, event_id: str, status: str, reason: str | None, work: Work) -> Event:
    return Event(event_id, stack.name, STACK_TYPE, status, stack.id, reason, None, work.token, work.id)


def set_status(status: str, reason: str | None = None, **fields: Any) -> Callable[[Stack], None]:
    """A change of a stack's status and other fields."""

    def change(stack: Stack) -> None:
        stack.status, stack.reason = status, reason
        for name, value in fields.items():
            setattr(stack, name, value)

    return change
