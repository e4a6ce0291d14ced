"""Events: what EventBridge offers other services."""

from __future__ import annotations

from collections.abc import Sequence

from freehold.ports.events import Answer, Event
from freehold.ports.identity import Source
from freehold.ports.platform import Platform
from freehold.rules.resource_policies import ALLOW, DENY, Caller
from freehold.services.events import bus_policies, calling, compiled, envelope
from freehold.services.events.common import invalid, no_bus
from freehold.services.events.entries import MAX_BYTES
from freehold.services.events.firing import accept_on
from freehold.services.events.names import DEFAULT, BusName, bus_of_arn
from freehold.services.events.sending import Room
from freehold.store.base import Tx


class EventsPort:
    """`ports.events.Events`."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._last: tuple[Tx, Room] | None = None

    def put(self, tx: Tx, bus_arn: str, event: Event, *, now_ms: int, source: Source) -> None:
        name = bus_of_arn(bus_arn)
        if name is None:
            raise invalid(f"Parameter {bus_arn} is not valid. Reason: Provided Arn is not in correct format.")
        if event.source.startswith("aws."):
            raise invalid("Not authorized for the source.")
        bus = compiled.current(tx, self._platform, name)
        if bus is None:
            raise no_bus(name)
        put = _envelope(event, source.account, name.region, now_ms)
        try:
            size = len(put.text)
        except TypeError:  # nested deeper than JSON is written
            raise invalid("Detail is malformed.") from None
        if size > MAX_BYTES:
            raise invalid("Total size of the entries in the request is over the limit.")
        _check_access(bus, put, source)
        accept_on(tx, self._platform, bus, put, now_ms=now_ms, room=self._room(tx))

    def emit(self, tx: Tx, account: str, region: str, event: Event, *, now_ms: int) -> None:
        name = BusName(account, region, DEFAULT)
        bus = compiled.current(tx, self._platform, name)
        if bus is not None and (bus.rules or bus.archives):
            put = _envelope(event, account, region, now_ms)
            accept_on(tx, self._platform, bus, put, now_ms=now_ms, room=self._room(tx))

    def _room(self, tx: Tx) -> Room:
        """What this transaction may still deliver, whoever puts events in it and how often."""
        if self._last is None or self._last[0] is not tx:
            self._last = (tx, Room())
        return self._last[1]

    async def call_destination(
        self,
        destination_arn: str,
        payload: bytes,
        *,
        headers: dict[str, str],
        query: dict[str, str],
        path_values: Sequence[str],
    ) -> Answer:
        return await calling.call(
            self._platform, destination_arn, payload, headers=headers, query=query, path_values=path_values
        )


def _envelope(event: Event, account: str, region: str, now_ms: int) -> envelope.Event:
    return envelope.make(
        event.id,
        source=event.source,
        detail_type=event.detail_type,
        account=account,
        region=region,
        time_s=now_ms / 1000 if event.time_s is None else event.time_s,
        resources=event.resources,
        detail=event.detail,
        trace=event.trace,
    )


def _check_access(bus: compiled.CompiledBus, event: envelope.Event, source: Source) -> None:
    """Services of other accounts need to be allowed, those of the own account must not be denied."""
    own = bus.name.account == source.account
    if own and not bus.statements:
        return
    caller = Caller(source.role or "", source.account, None if source.role else source.service)
    context = {"aws:SourceArn": source.arn, "aws:SourceAccount": source.account, **bus_policies.context_of(event)}
    decision = bus_policies.decide(bus.statements, caller, "events:PutEvents", bus.name.arn, context)
    if decision == DENY or (decision != ALLOW and not own):
        raise bus_policies.denied(source.role or source.service, "events:PutEvents", bus.name.arn)
