"""Rows of archives and replays.

("events", account, region, "archive", name)                      the Archive
("events", account, region, "archives of", bus, name)             an archive of that bus
("events", account, region, "kept", uid, event s, arrival ms, id) a Kept event of an archive, in the order of its time
("events", account, region, "tally", uid)                         the Tally of an archive
("events", account, region, "replay", name)                       the Replay
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct
from msgspec.msgpack import Decoder, Encoder

from freehold.kit import arns
from freehold.kit.tuples import after, pack, unpack
from freehold.services.events.names import BusName
from freehold.store.base import ReadTx, Tx

STARTING, RUNNING, CANCELLING = "STARTING", "RUNNING", "CANCELLING"
COMPLETED, CANCELLED = "COMPLETED", "CANCELLED"


class Space(NamedTuple):
    """Whose archives."""

    account: str
    region: str


class Archive(Struct, omit_defaults=True):
    """An archive of a bus. `uid` is its own: an archive created again under its name has another."""

    name: str
    uid: str
    bus: str
    """The name of the bus; it is of the same account."""
    created_s: float
    pattern: str | None = None
    retention_days: int = 0
    """0: for ever."""
    description: str | None = None


class Kept(Struct, array_like=True, frozen=True):
    """An event in an archive."""

    text: str
    trace: str | None = None


class Tally(Struct, array_like=True):
    """How much an archive holds."""

    events: int = 0
    bytes: int = 0


class Replay(Struct, omit_defaults=True):
    """A replay. `cursor` is the key of the last event that was replayed."""

    name: str
    archive: str
    uid: str
    bus: str
    start_s: float
    end_s: float
    state: str
    started_s: float
    filters: list[str] | None = None
    description: str | None = None
    reason: str | None = None
    ended_s: float | None = None
    last_s: float | None = None
    cursor: bytes | None = None


_encode = Encoder().encode
_decode_archive = Decoder(Archive).decode
_decode_kept = Decoder(Kept).decode
_decode_tally = Decoder(Tally).decode
_decode_replay = Decoder(Replay).decode


def archive_arn(space: Space, name: str) -> str:
    return arns.make("events", space.region, space.account, f"archive/{name}")


def replay_arn(space: Space, name: str) -> str:
    return arns.make("events", space.region, space.account, f"replay/{name}")


def archive(tx: ReadTx, space: Space, name: str) -> Archive | None:
    """The archive of that name."""
    value = tx.get(pack("events", *space, "archive", name))
    return None if value is None else _decode_archive(value)


def put_archive(tx: Tx, space: Space, row: Archive) -> None:
    """Write an archive; rows.touch of its bus belongs to it."""
    tx.put(pack("events", *space, "archive", row.name), _encode(row))
    tx.put(pack("events", *space, "archives of", row.bus, row.name), b"")


def drop_archive(tx: Tx, space: Space, row: Archive) -> None:
    """Delete an archive, not yet its events; rows.touch of its bus belongs to it."""
    tx.delete(pack("events", *space, "archive", row.name))
    tx.delete(pack("events", *space, "archives of", row.bus, row.name))
    tx.delete(pack("events", *space, "tally", row.uid))


def archives(tx: ReadTx, space: Space, prefix: str, start_after: str, limit: int) -> list[Archive]:
    """Archives in the order of their names."""
    return [_decode_archive(value) for value in _page(tx, space, "archive", prefix, start_after, limit)]


def replays(tx: ReadTx, space: Space, prefix: str, start_after: str, limit: int) -> list[Replay]:
    """Replays in the order of their names."""
    return [_decode_replay(value) for value in _page(tx, space, "replay", prefix, start_after, limit)]


def _page(tx: ReadTx, space: Space, kind: str, prefix: str, start_after: str, limit: int) -> list[bytes]:
    begin = pack("events", *space, kind, prefix)[:-1]  # without its terminator: a prefix of longer names
    start = max(begin, pack("events", *space, kind, start_after) + b"\x00") if start_after else begin
    return [value for _, value in tx.scan(start, after(begin), limit=limit)]


def of_bus(tx: ReadTx, bus: BusName) -> list[Archive]:
    """The archives of a bus."""
    space = Space(bus.account, bus.region)
    prefix = pack("events", *space, "archives of", bus.name)
    found = [archive(tx, space, str(unpack(key)[5])) for key, _ in tx.scan(prefix, after(prefix))]
    return [row for row in found if row is not None]


def keep(tx: Tx, space: Space, uid: str, at: tuple[int, int, str], kept: Kept) -> None:
    """Keep an event of `at` (its time in s, its arrival in ms, its id)."""
    tx.put(pack("events", *space, "kept", uid, *at), _encode(kept))
    held = tally(tx, space, uid)
    _tally(tx, space, uid, Tally(held.events + 1, held.bytes + len(kept.text)))


def tally(tx: ReadTx, space: Space, uid: str) -> Tally:
    """How much an archive holds."""
    value = tx.get(pack("events", *space, "tally", uid))
    return Tally() if value is None else _decode_tally(value)


def _tally(tx: Tx, space: Space, uid: str, held: Tally) -> None:
    tx.put(pack("events", *space, "tally", uid), _encode(held))


def kept(
    tx: ReadTx, space: Space, uid: str, first_s: int, before_s: int, cursor: bytes | None, limit: int, most: int
) -> list[tuple[bytes, Kept]]:
    """Events of an archive from `first_s` on and before `before_s`, after `cursor`; at most `limit`, about `most` bytes."""
    start = pack("events", *space, "kept", uid, first_s)
    if cursor is not None:
        start = max(start, cursor + b"\x00")
    end = pack("events", *space, "kept", uid, before_s)
    return [(key, _decode_kept(value)) for key, value in tx.scan(start, end, limit=limit, max_bytes=most)]


def time_of(key: bytes) -> tuple[int, int]:
    """The time (s) and arrival (ms) of a kept event."""
    parts = unpack(key)
    time_s, arrived_ms = parts[5], parts[6]
    assert isinstance(time_s, int) and isinstance(arrived_ms, int)
    return time_s, arrived_ms


def forget(tx: Tx, space: Space, uid: str, gone: list[tuple[bytes, Kept]]) -> None:
    """Take events out of an archive that stays."""
    held = tally(tx, space, uid)
    for key, each in gone:
        tx.delete(key)
        held.events -= 1
        held.bytes -= len(each.text)
    _tally(tx, space, uid, held)


def clear(tx: Tx, space: Space, uid: str) -> int:
    """Delete a page of the events of an archive that is gone; how many."""
    prefix = pack("events", *space, "kept", uid)
    return tx.clear(prefix, after(prefix))


def replay(tx: ReadTx, space: Space, name: str) -> Replay | None:
    """The replay of that name."""
    value = tx.get(pack("events", *space, "replay", name))
    return None if value is None else _decode_replay(value)


def put_replay(tx: Tx, space: Space, row: Replay) -> None:
    tx.put(pack("events", *space, "replay", row.name), _encode(row))


def drop_replay(tx: Tx, space: Space, name: str) -> None:
    """Forget it."""
    tx.delete(pack("events", *space, "replay", name))
