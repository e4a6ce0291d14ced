"""Forwarding: what subscription filters have not seen yet is looked at, and what matches is sent, in one transaction."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from freehold.kit.faults import Fault
from freehold.kit.ids import derived
from freehold.kit.tuples import span, unpack
from freehold.services.logs import filters
from freehold.services.logs.events import event_id
from freehold.services.logs.model import Request, Space, pattern
from freehold.services.logs.subscriptions import message, source_of
from freehold.store.base import Tx
from freehold.work import logrows
from freehold.work.duties import Held
from freehold.work.logrows import Chunk
from freehold.work.waiting import Alarm

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

log = logging.getLogger("freehold.logs")

DUTY = "logs:subscriptions"
_CHUNKS = 4
"""Chunks in one transaction: each holds up to 256 KiB, and two filters may want all of it."""


class Forwarder:
    """The worker of all subscription filters."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._alarm = Alarm(platform.store, platform.clock, logrows.DUE)
        self._duty = platform.duties.run(DUTY, self._run)

    async def _run(self, lease: Held) -> None:
        async with self._alarm as alarm:
            while not lease.ending:
                if not await self._forward(lease):
                    await alarm.wait(None)

    async def _forward(self, lease: Held) -> bool:
        now_ms = self._platform.clock.now_ms()

        def body(tx: Tx) -> bool:
            lease.check(tx)
            return forward(tx, self._platform, now_ms)

        return await self._platform.store.transact(body)

    async def settle(self) -> bool:
        """Wait until filters have seen all that was logged; says whether there was anything."""
        start, end = span("logs-due")
        await self._platform.logs.flush()
        if not await self._platform.store.read(lambda tx: tx.scan(start, end, limit=1)):
            return False
        self._alarm.ring()
        await self._alarm.rung()
        return True


def forward(tx: Tx, platform: Platform, now_ms: int) -> bool:
    """Look at the next chunks; says whether there were any."""
    due = tx.scan(*span("logs-due"), limit=_CHUNKS)
    for key, value in due:
        tx.delete(key)
        _, account, region, group_name, stream_id, number = unpack(key)
        stream, chunk_key = msgspec.msgpack.decode(value, type=tuple[str, bytes])
        where = Space(str(account), str(region))
        group, raw = logrows.find_group(tx, *where, str(group_name)), tx.get(chunk_key)
        if group is None or raw is None:
            continue  # gone meanwhile
        assert isinstance(number, int)
        events = msgspec.msgpack.decode(raw, type=Chunk).events
        for one in filters.of_group(tx, where, group.id):
            wanted, matched = pattern(one.pattern), list[Request]()
            for place, (at, text) in enumerate(events):
                extracted = wanted.match(text)
                if extracted is not None:
                    event: Request = {
                        "id": event_id(at, str(stream_id), number, place),
                        "timestamp": at,
                        "message": text,
                    }
                    matched.append(event | ({"extractedFields": extracted} if one.pattern.lstrip()[:1] == "[" else {}))
            if matched:
                payload = message(where, group.name, stream, one.name, matched)
                _send(tx, platform, where, group.name, one, payload, derived(chunk_key.hex(), one.name), now_ms)
    return bool(due)


def _send(
    tx: Tx, platform: Platform, where: Space, group: str, one: filters.Filter, payload: bytes, id: str, now_ms: int
) -> None:
    """A function that is gone or takes nothing any more loses what it would have got, as on AWS."""
    meter = {"LogGroupName": group, "DestinationType": "Lambda", "FilterName": one.name}
    try:
        source = source_of(where, group)
        platform.functions.enqueue(tx, one.destination, payload, id=id, now_ms=now_ms, source=source)
        platform.meters.add(*where, "AWS/Logs:ForwardedLogEvents", 1.0, **meter)
    except Fault as fault:
        platform.meters.add(*where, "AWS/Logs:DeliveryErrors", 1.0, **meter)
        log.warning("subscription filter %s of %s: %s", one.name, group, fault)


def forwarder_of(platform: Platform) -> Forwarder:
    found: Forwarder = platform.own["logs.forwarder"]
    return found


async def start(platform: Platform) -> None:
    platform.own["logs.forwarder"] = Forwarder(platform)


async def settle(platform: Platform) -> bool:
    return await forwarder_of(platform).settle()
