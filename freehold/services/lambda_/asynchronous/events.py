"""Events on their way to functions: what is kept of one, where, and how it gets there.

Rows: `("lambda", "event", shard, account, region, name, due ms, id)` is an event that waits or runs, in the lane of its
function, in due order; a payload of more than 1 KiB lies beside it in `("lambda", "event-payload", account, region, name,
id)`, so that looking for what is due reads no payloads of what runs. Lanes are spread over shards by a hash of the
function, so that news of an event says where to look.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from freehold.kit.tuples import pack, span, unpack
from freehold.services.lambda_.names import FunctionName
from freehold.store.base import ReadTx, Tx
from freehold.work.leases import LeaseLost
from freehold.work.outbox import Delivery

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

SHARDS = 16
_INLINE = 1_024
_MOST_TRACE = 2_048
"""Characters of a trace header; what is longer is none. With this no row is larger than 8 KB."""
PAGE = 100
"""Rows of a lane that are looked at together: fewer bytes than a scan may return."""


class Event(msgspec.Struct, frozen=True, array_like=True):
    """An event on its way. `failures` counts runs that ended in a function error, `troubles` attempts that Lambda itself
    failed at."""

    account: str
    region: str
    name: str
    qualifier: str
    request_id: str
    payload: bytes | None
    """None: it has a row of its own."""
    accepted_ms: int
    client_context: str | None = None
    trace: str | None = None
    failures: int = 0
    troubles: int = 0
    size: int = 0
    """Bytes of the payload."""
    begun: bool = False
    """Has it been taken up before? Then it is counted among the events received."""
    held: str = ""
    """The member that runs it although the lane has gone to another: while it lives, nobody else does."""

    @property
    def address(self) -> FunctionName:
        return FunctionName(self.account, self.region, self.name, self.qualifier)


_encode = msgspec.msgpack.Encoder().encode
load = msgspec.msgpack.Decoder(Event).decode


@lru_cache(maxsize=1_024)
def shard_of(account: str, region: str, name: str) -> int:
    return zlib.crc32(f"{account}/{region}/{name}".encode()) % SHARDS


@lru_cache(maxsize=SHARDS)
def wake_key(shard: int) -> bytes:
    return pack("lambda", "event-wake", shard)


def shard_span(shard: int) -> tuple[bytes, bytes]:
    return span("lambda", "event", shard)


def lane_of(key: bytes) -> tuple[str, str, str]:
    """Account, region and function of an event's key."""
    _, _, _, account, region, name, _, _ = unpack(key)
    return str(account), str(region), str(name)


def lane_span(shard: int, lane: tuple[str, str, str]) -> tuple[bytes, bytes]:
    return span("lambda", "event", shard, *lane)


def due_end(shard: int, lane: tuple[str, str, str], now_ms: int) -> bytes:
    """Above the keys of what is due."""
    return pack("lambda", "event", shard, *lane, now_ms + 1)


def due_of(key: bytes) -> int:
    due = unpack(key)[6]
    assert isinstance(due, int)
    return due


@lru_cache(maxsize=1_024)
def _lane(account: str, region: str, name: str) -> tuple[bytes, bytes]:
    """What the keys of a lane's events begin with, and what news of them wakes."""
    shard = shard_of(account, region, name)
    return pack("lambda", "event", shard, account, region, name), wake_key(shard)


def _key(event: Event, due_ms: int) -> bytes:
    return _lane(event.account, event.region, event.name)[0] + pack(due_ms, event.request_id)


def _payload_key(event: Event) -> bytes:
    return pack("lambda", "event-payload", event.account, event.region, event.name, event.request_id)


def add(tx: Tx, event: Event, due_ms: int) -> None:
    """Have a new event run at `due_ms` (service time), in the transaction that decides it. Its request id is unique among
    the function's events under way."""
    payload = event.payload
    assert payload is not None
    if event.trace is not None and len(event.trace) > _MOST_TRACE:
        event = msgspec.structs.replace(event, trace=None)
    if len(payload) > _INLINE:
        tx.put(_payload_key(event), payload)
        event = msgspec.structs.replace(event, payload=None, size=len(payload))
    tx.put(_key(event, due_ms), _encode(event))
    tx.wake(_lane(event.account, event.region, event.name)[1])


def payload_of(tx: ReadTx, event: Event) -> bytes | None:
    """The payload, wherever it lies; None where the event has ended."""
    return event.payload if event.payload is not None else tx.get(_payload_key(event))


def remove(tx: Tx, key: bytes, event: Event) -> None:
    """The event has ended."""
    tx.delete(key)
    if event.payload is None:
        tx.delete(_payload_key(event))


def again(tx: Tx, key: bytes, event: Event, due_ms: int) -> None:
    """The event of row `key`, as it is now, runs again at `due_ms`."""
    tx.delete(key)
    tx.put(_key(event, due_ms), _encode(event))
    tx.wake(_lane(event.account, event.region, event.name)[1])


def hold(tx: Tx, keys: Iterable[bytes], member: str) -> None:
    """`member` runs these events to their end, whoever works the lane meanwhile."""
    for key in keys:
        value = tx.get(key)
        if value is not None:
            tx.put(key, _encode(msgspec.structs.replace(load(value), held=member)))


def let_go(tx: Tx, key: bytes, member: str) -> None:
    """`member` does not run this event after all."""
    check_held(tx, key, member)
    event = load(tx.get(key) or b"")
    tx.put(key, _encode(msgspec.structs.replace(event, held="")))
    tx.wake(_lane(event.account, event.region, event.name)[1])


def check_held(tx: ReadTx, key: bytes, member: str) -> None:
    """Raises LeaseLost where `member` does not run this event any more."""
    value = tx.get(key)
    if value is None or load(value).held != member:
        raise LeaseLost(f"{member} held an event")


KIND = "lambda.event"


async def adopt(platform: Platform, delivery: Delivery) -> None:
    """Events that an earlier version of Freehold left in the outbox go into their lanes."""
    event = load(delivery.payload)
    await platform.store.transact(lambda tx: add(tx, event, event.accepted_ms))


async def keep(
    platform: Platform,
    name: FunctionName,
    payload: bytes,
    request_id: str,
    client_context: str | None,
    trace: str | None,
) -> None:
    """Keep an event durably; it runs at once."""
    now = platform.clock.now_ms()
    event = Event(name.account, name.region, name.name, name.qualifier, request_id, payload, now, client_context, trace)
    await platform.store.transact(lambda tx: add(tx, event, now))
