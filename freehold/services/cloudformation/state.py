"""Rows of CloudFormation.

("cloudformation", account, region, kind, ...):
    s uid                    Stack                    n name              uid of the live stack of that name
    t uid generation stage   template text (zlib)     r uid logical       Resource
    g uid sequence           Garbage                  e uid number        Event
    j uid logical number     answer of a create call  c uid name          ChangeSet        ci id   (uid, name)
    x name                   Export                   i name uid          b"" : the stack imports that export
("cloudformation-work", account, region, uid)         Work
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import msgspec

from freehold.kit.clock import iso8601
from freehold.kit.faults import Fault
from freehold.kit.tuples import Part, after, pack, span, unpack
from freehold.services.cloudformation.model import (
    ChangeSet,
    Event,
    Export,
    Garbage,
    Resource,
    Stack,
    Work,
)
from freehold.store.base import ReadTx, Tx
from freehold.store.limits import MAX_SCAN

T = TypeVar("T")
_encode = msgspec.msgpack.Encoder().encode
COMPRESSED_FROM = 16_384
_COMPRESSED = b"\x00"
"""First byte of a compressed value: none of our values begins so in MessagePack."""


def encode(value: Any) -> bytes:
    """A value as its row holds it; large ones (inline API definitions, hundreds of changes) compressed."""
    raw = _encode(value)
    return raw if len(raw) < COMPRESSED_FROM else _COMPRESSED + zlib.compress(raw, 1)


def decoder(kind: type[T]) -> Callable[[bytes], T]:
    decode = msgspec.msgpack.Decoder(kind).decode

    def unpacked(value: bytes) -> T:
        return decode(zlib.decompress(value[1:]) if value[:1] == _COMPRESSED else value)

    return unpacked


_stack = decoder(Stack)
_resource = decoder(Resource)
_event = decoder(Event)
_work = decoder(Work)
_change_set = decoder(ChangeSet)
_export = decoder(Export)
_garbage = decoder(Garbage)

WORK = "cloudformation-work"
WORK_CHANGED = pack("cloudformation-work changed")
"""Woken when an operation began or is to be cancelled: nodes follow the rows of work."""


class Keys(NamedTuple):
    """Whose stacks."""

    account: str
    region: str

    def key(self, *parts: Part) -> bytes:
        return pack("cloudformation", self.account, self.region, *parts)

    def span(self, *parts: Part) -> tuple[bytes, bytes]:
        return span("cloudformation", self.account, self.region, *parts)

    def work(self, uid: str) -> bytes:
        return pack(WORK, self.account, self.region, uid)


def scan_all(tx: ReadTx, start: bytes, end: bytes) -> list[tuple[bytes, bytes]]:
    """Every row of a range; for ranges that the service's limits bound."""
    rows: list[tuple[bytes, bytes]] = []
    while page := tx.scan(start, end):
        rows += page
        start = page[-1][0] + b"\x00"
    return rows


# Stacks


def stack(tx: ReadTx, keys: Keys, uid: str) -> Stack | None:
    value = tx.get(keys.key("s", uid))
    return _stack(value) if value else None


def put_stack(tx: Tx, keys: Keys, stack: Stack) -> None:
    tx.put(keys.key("s", stack.uid), encode(stack))


def find(tx: ReadTx, keys: Keys, name_or_id: str) -> Stack | None:
    """The live stack of a name, or the stack of an id, deleted ones too."""
    if name_or_id.startswith("arn:"):
        parts = name_or_id.split("/")
        found = stack(tx, keys, parts[2]) if len(parts) == 3 else None
        return found if found and found.id == name_or_id else None
    uid = tx.get(keys.key("n", name_or_id))
    return stack(tx, keys, uid.decode()) if uid else None


def stacks(tx: ReadTx, keys: Keys) -> list[Stack]:
    """All stacks, the newest first."""
    found = [_stack(value) for _, value in scan_all(tx, *keys.span("s"))]
    found.sort(key=lambda item: (-item.created_ms, item.uid))
    return found


def add_stack(tx: Tx, keys: Keys, new: Stack) -> None:
    """Create the stack's row under its name."""
    if tx.get(keys.key("n", new.name)) is not None:
        raise Fault("AlreadyExistsException", f"Stack [{new.name}] already exists")
    tx.put(keys.key("n", new.name), new.uid.encode())
    put_stack(tx, keys, new)


def drop_stack(tx: Tx, keys: Keys, gone: Stack) -> None:
    tx.delete(keys.key("s", gone.uid))


# Templates


def put_template(tx: Tx, keys: Keys, uid: str, generation: str, original: str, processed: str) -> None:
    tx.put(keys.key("t", uid, generation, "original"), zlib.compress(original.encode()))
    if processed != original:
        tx.put(keys.key("t", uid, generation, "processed"), zlib.compress(processed.encode()))


def template(tx: ReadTx, keys: Keys, uid: str, generation: str, stage: str) -> str | None:
    """The text of a generation; where nothing was transformed, both stages are one."""
    value = tx.get(keys.key("t", uid, generation, stage)) or tx.get(keys.key("t", uid, generation, "original"))
    return zlib.decompress(value).decode() if value else None


def drop_template(tx: Tx, keys: Keys, uid: str, generation: str) -> None:
    tx.clear(*keys.span("t", uid, generation))


# Resources


def resources(tx: ReadTx, keys: Keys, uid: str) -> dict[str, Resource]:
    rows = scan_all(tx, *keys.span("r", uid))
    return {row.logical_id: row for row in (_resource(value) for _, value in rows)}


def put_resource(tx: Tx, keys: Keys, uid: str, row: Resource) -> None:
    tx.put(keys.key("r", uid, row.logical_id), encode(row))


def drop_resource(tx: Tx, keys: Keys, uid: str, logical_id: str) -> None:
    tx.delete(keys.key("r", uid, logical_id))


def put_garbage(tx: Tx, keys: Keys, uid: str, garbage: Garbage) -> None:
    tx.put(keys.key("g", uid, garbage.sequence), encode(garbage))


def garbage(tx: ReadTx, keys: Keys, uid: str) -> list[Garbage]:
    return [_garbage(value) for _, value in scan_all(tx, *keys.span("g", uid))]


def drop_garbage(tx: Tx, keys: Keys, uid: str, sequence: str) -> None:
    tx.delete(keys.key("g", uid, sequence))


def journal(tx: ReadTx, keys: Keys, uid: str, logical_id: str) -> dict[int, bytes]:
    """Answers of the calls that an unfinished create has made, by their number."""
    found: dict[int, bytes] = {}
    for key, value in scan_all(tx, *keys.span("j", uid, logical_id)):
        number = unpack(key)[-1]
        assert isinstance(number, int)
        found[number] = value
    return found


def put_journal(tx: Tx, keys: Keys, uid: str, logical_id: str, number: int, value: bytes) -> None:
    tx.put(keys.key("j", uid, logical_id, number), value)


def once_key(keys: Keys, uid: str, logical_id: str, suffix: str, number: int, label: str) -> bytes:
    """Where the operation that is called keeps its answer, in the transaction which does the work: the journal is written
    only after it. `suffix` tells one attempt to create the resource from the next."""
    return keys.key("o", uid, logical_id, suffix, number, label)


def clear_journal(tx: Tx, keys: Keys, uid: str, logical_id: str) -> None:
    tx.clear(*keys.span("j", uid, logical_id))
    tx.clear(*keys.span("o", uid, logical_id))


# Events


def add_events(tx: Tx, keys: Keys, uid: str, now_ms: int, events: list[Event]) -> None:
    """Append to the stack's history; timestamps strictly increase, whatever the clock says."""
    last = tx.scan(*keys.span("e", uid), limit=1, reverse=True)
    number, at_ms = 0, now_ms
    if last:
        at = unpack(last[0][0])[-1]
        assert isinstance(at, int)
        number, at_ms = at + 1, max(now_ms, _event(last[0][1]).at_ms + 1)
    for event in events:
        event.at_ms = at_ms
        event.id = event.id or f"{event.logical_id}-{event.status}-{iso8601(at_ms / 1000)}"
        tx.put(keys.key("e", uid, number), encode(event))
        number, at_ms = number + 1, at_ms + 1


def events(tx: ReadTx, keys: Keys, uid: str, before: int | None, limit: int) -> list[tuple[int, Event]]:
    """Events with their numbers, the newest first, of numbers below `before`."""
    start, end = keys.span("e", uid)
    if before is not None:
        end = keys.key("e", uid, before)
    found: list[tuple[int, Event]] = []
    for key, value in tx.scan(start, end, limit=limit, reverse=True):
        number = unpack(key)[-1]
        assert isinstance(number, int)
        found.append((number, _event(value)))
    return found


# Operations under way


def put_work(tx: Tx, keys: Keys, work: Work) -> None:
    tx.put(keys.work(work.uid), encode(work))
    tx.wake(WORK_CHANGED)


def work(tx: ReadTx, keys: Keys, uid: str) -> Work | None:
    value = tx.get(keys.work(uid))
    return _work(value) if value else None


def drop_work(tx: Tx, keys: Keys, uid: str) -> None:
    tx.delete(keys.work(uid))
    tx.wake(keys.work(uid))


def all_work(tx: ReadTx) -> list[Work]:
    """Every operation under way, of all accounts and regions."""
    prefix = pack(WORK)
    return [_work(value) for _, value in scan_all(tx, prefix, after(prefix))]


# Change sets


def put_change_set(tx: Tx, keys: Keys, change_set: ChangeSet) -> None:
    tx.put(keys.key("c", change_set.uid, change_set.name), encode(change_set))
    tx.put(keys.key("ci", change_set.id), encode((change_set.uid, change_set.name)))


def change_set(tx: ReadTx, keys: Keys, uid: str, name: str) -> ChangeSet | None:
    value = tx.get(keys.key("c", uid, name))
    return _change_set(value) if value else None


def change_set_by_id(tx: ReadTx, keys: Keys, arn: str) -> ChangeSet | None:
    value = tx.get(keys.key("ci", arn))
    if value is None:
        return None
    uid, name = msgspec.msgpack.decode(value)
    found = change_set(tx, keys, uid, name)
    return found if found and found.id == arn else None


def change_sets(tx: ReadTx, keys: Keys, uid: str) -> list[ChangeSet]:
    return [_change_set(value) for _, value in scan_all(tx, *keys.span("c", uid))]


def drop_change_set(tx: Tx, keys: Keys, found: ChangeSet, *, keep_template: bool) -> None:
    tx.delete(keys.key("c", found.uid, found.name))
    tx.delete(keys.key("ci", found.id))
    if not keep_template:
        drop_template(tx, keys, found.uid, found.definition.generation)


# Exports and imports


def export(tx: ReadTx, keys: Keys, name: str) -> Export | None:
    value = tx.get(keys.key("x", name))
    return _export(value) if value else None


def exports(tx: ReadTx, keys: Keys, start_after: str | None, limit: int) -> list[Export]:
    start, end = keys.span("x")
    if start_after is not None:
        start = keys.key("x", start_after) + b"\x00"
    return [_export(value) for _, value in tx.scan(start, end, limit=min(limit, MAX_SCAN))]


def exports_of(tx: ReadTx, keys: Keys, uid: str) -> dict[str, Export]:
    found = [_export(value) for _, value in scan_all(tx, *keys.span("x"))]
    return {item.name: item for item in found if item.uid == uid}


def importers(tx: ReadTx, keys: Keys, name: str) -> list[str]:
    """Names of the stacks that import an export."""
    names = []
    for key, _ in scan_all(tx, *keys.span("i", name)):
        found = stack(tx, keys, str(unpack(key)[-1]))
        if found:
            names.append(found.name)
    return names


def set_exports(tx: Tx, keys: Keys, owner: Stack, wanted: dict[str, str]) -> None:
    """Make the stack's exports exactly these. Raises Fault where a name is taken, or a used one would change."""
    held = exports_of(tx, keys, owner.uid)
    for name, existing in held.items():
        if wanted.get(name) != existing.value:
            users = [user for user in importers(tx, keys, name) if user != owner.name]
            if users:
                verb = "updated" if name in wanted else "deleted"
                raise Fault(
                    "ValidationError", f"Export {name} cannot be {verb} as it is in use by {' and '.join(users)}"
                )
    for name, value in wanted.items():
        existing_row = export(tx, keys, name)
        if existing_row is not None and existing_row.uid != owner.uid:
            other = existing_row.stack_id.split("/")[1]
            raise Fault("ValidationError", f"Export with name {name} is already exported by stack {other}")
        tx.put(keys.key("x", name), encode(Export(name, value, owner.id, owner.uid)))
    for name in held.keys() - wanted.keys():
        tx.delete(keys.key("x", name))


def set_imports(tx: Tx, keys: Keys, uid: str, old: list[str], new: list[str]) -> None:
    """Record which exports a stack imports. Raises Fault where one does not exist."""
    for name in new:
        if export(tx, keys, name) is None:
            raise Fault("ValidationError", f"No export named {name} found.")
        tx.put(keys.key("i", name, uid), b"")
    for name in set(old) - set(new):
        tx.delete(keys.key("i", name, uid))
