"""Catalog: queues by name, compiled once for as long as their row stays the same."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.ports.platform import Platform
from freehold.services.sqs.model import MAX_NAME, Place, Queue, Record, encode_record
from freehold.services.sqs.waiting import Pollers
from freehold.store.base import ReadTx, Tx
from freehold.work.timers import Timers

_MAX_CACHED = 10_000
_MAX_PLACES = 2_048
_MAX_URL = 500
"""Longer addresses of queues are not kept."""


class Memory:
    """What the service keeps in memory: caches and who waits, never facts."""

    def __init__(self, timers: Timers) -> None:
        self.timers = timers
        self.queues: dict[Place, tuple[bytes, Queue | None]] = {}
        """Key of the row, and the queue compiled from the row that was seen last."""
        self.places: dict[tuple[str, str], Place] = {}
        """By queue URL and region."""
        self.flowing: set[Place] = set()
        """Queues whose last receive got something: the next one need not look first."""
        self.pollers: dict[Place, Pollers] = {}
        self.leaving = False
        """The server is about to stop: nobody waits any more."""

    def find(self, tx: ReadTx, place: Place) -> Queue | None:
        """The queue at a place, in this transaction."""
        known = self.queues.get(place)
        if known is None:
            if len(place.name) > MAX_NAME:
                return None
            if len(self.queues) >= _MAX_CACHED:
                self.queues.clear()
            known = self.queues[place] = (place.key, None)
        key, queue = known
        raw = tx.get(key)
        if raw is None:
            self.forget(place)
            return None
        if queue is None or queue.raw != raw:
            queue = Queue(place, raw)
            self.queues[place] = (key, queue)
        return queue

    def forget(self, place: Place) -> None:
        """There is no such queue any more."""
        self.queues.pop(place, None)
        self.flowing.discard(place)

    def existing(self, tx: ReadTx, place: Place) -> Queue:
        """As `find`. Raises QueueDoesNotExist."""
        queue = self.find(tx, place)
        if queue is None:
            raise no_queue()
        return queue


def memory(platform: Platform) -> Memory:
    """The service's memory on this node."""
    found: Memory | None = platform.own.get("sqs")
    if found is None:
        found = platform.own["sqs"] = Memory(platform.timers)
    return found


def leave(platform: Platform) -> None:
    """End all long polls, now and from now on."""
    known = memory(platform)
    known.leaving = True
    for line in known.pollers.values():
        line.end()


def no_queue() -> Fault:
    return Fault("QueueDoesNotExist", "The specified queue does not exist.")


def save(tx: Tx, place: Place, record: Record) -> None:
    """Record a queue; who has it compiled sees that the row is another one."""
    tx.put(place.key, encode_record(record))


def place_of(call: Call, url: str) -> Place:
    """The queue that a URL names. Raises InvalidAddress."""
    places = memory(call.platform).places
    found = places.get((url, call.region))
    if found is None:
        account, name = _parse(url)
        if len(places) >= _MAX_PLACES:
            places.clear()
        found = Place(account, call.region, name)
        if len(url) < _MAX_URL:
            places[url, call.region] = found
    return found


def _parse(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    segments = parts.path.strip("/").split("/")
    if len(segments) < 2 or not (len(segments[-2]) == 12 and segments[-2].isdigit()) or not segments[-1]:
        raise Fault("InvalidAddress", f"The address {url} is not valid for this endpoint.")
    return segments[-2], unquote(segments[-1])


def url_of(call: Call, place: Place) -> str:
    """The URL of a queue, at the address that the caller used."""
    return f"{call.base_url}/{place.account}/{place.name}"
