"""CloudFormation's invariants: what is in progress is worked on, stacks have their names, texts, resources and exports."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import msgspec

from freehold.kit.tuples import pack, unpack
from freehold.services.cloudformation import custom, retention, state
from freehold.services.cloudformation.model import STABLE, ChangeSet, Event, Export, Garbage, Resource, Stack, Work
from freehold.services.cloudformation.state import WORK, Keys
from freehold.work.checking import UNREADABLE, Report, Snapshot, shown

DELETED, REVIEW = "DELETE_COMPLETE", "REVIEW_IN_PROGRESS"
_OF_STACKS: dict[str, Callable[[bytes], Any]] = {
    "t": zlib.decompress,
    "r": state.decoder(Resource),
    "g": state.decoder(Garbage),
    "e": state.decoder(Event),
    "j": msgspec.msgpack.Decoder(tuple[str, Any]).decode,
    "o": msgspec.msgpack.Decoder(dict[str, Any]).decode,
    "c": state.decoder(ChangeSet),
}
_decode_stack = state.decoder(Stack)
_decode_export = state.decoder(Export)
_decode_work = state.decoder(Work)
_decode_place = msgspec.msgpack.Decoder(tuple[str, str]).decode
_decode_question = msgspec.msgpack.Decoder(custom.Question).decode


def check(snapshot: Snapshot, report: Report) -> None:
    """Stacks of each account and region, then operations under way."""
    for account, region in snapshot.spaces("cloudformation"):
        keys = Keys(account, region)
        for key, value in snapshot.below("cloudformation", *keys, "s"):
            stack = report.decode(shown(key), value, _decode_stack)
            if stack is not None:
                report.same(f"{shown(key)} is of id", stack.uid, unpack(key)[4])
                _check_stack(snapshot, report, keys, stack)
        for kind in snapshot.next_parts("cloudformation", *keys):
            if kind in _OF_STACKS:
                _rows(snapshot, report, keys, str(kind))
            elif kind not in ("s", "n", "ci", "x", "i"):
                report.broken(f"{account}/{region} has rows of unknown kind {kind!r}")
        _names(snapshot, report, keys)
        _exports(snapshot, report, keys)
    for key, value in snapshot.below(WORK):
        work = report.decode(shown(key), value, _decode_work)
        if work is not None and _find(snapshot, Keys(work.account, work.region), work.uid) is None:
            report.broken(f"{shown(key)}: the stack of that operation is not there")
    for key, value in snapshot.below("cloudformation-question"):
        report.decode(shown(key), value, _decode_question)


def _check_stack(snapshot: Snapshot, report: Report, keys: Keys, stack: Stack) -> None:
    what, tx = f"stack {stack.id}", snapshot.tx
    if stack.status == DELETED:
        if not snapshot.has_timer(retention.OWNER, *keys, stack.uid):
            report.broken(f"{what} is deleted, but nothing will forget it")
        return
    if tx.get(keys.key("n", stack.name)) != stack.uid.encode():
        report.broken(f"{what} cannot be found by its name")
    moving = stack.status.endswith("_IN_PROGRESS") and stack.status != REVIEW
    worked_on = tx.get(keys.work(stack.uid)) is not None
    if moving and not worked_on:
        report.broken(f"{what} is {stack.status}, but nothing works on it: it stays so")
    if stack.status in STABLE and worked_on:
        report.broken(f"{what} is {stack.status}, but is still worked on")
    if stack.status == REVIEW:
        return
    if state.template(tx, keys, stack.uid, stack.definition.generation, "original") is None:
        report.broken(f"{what} has lost its template")
    if stack.status in STABLE:
        _settled(snapshot, report, keys, stack, what)


def _settled(snapshot: Snapshot, report: Report, keys: Keys, stack: Stack, what: str) -> None:
    """Nothing of a stack that is stable is on its way."""
    for key, value in snapshot.below("cloudformation", *keys, "r", stack.uid):
        row = report.decode(shown(key), value, _OF_STACKS["r"])
        if row is None:
            continue
        if row.pending is not None or row.status.endswith("_IN_PROGRESS"):
            report.broken(f"{what} is {stack.status}, but its resource {row.logical_id} is {row.status}")
        elif row.status.endswith(("CREATE_COMPLETE", "UPDATE_COMPLETE")) and not row.physical_id:
            report.broken(f"{what}: its resource {row.logical_id} is {row.status}, but is nothing")
    wanted = {output.export: output.value for output in stack.outputs if output.export is not None}
    held = {name: found.value for name, found in state.exports_of(snapshot.tx, keys, stack.uid).items()}
    if wanted != held:
        report.broken(f"{what} exports {sorted(held)}, but its outputs say {sorted(wanted)}")


def _find(snapshot: Snapshot, keys: Keys, uid: str) -> Stack | None:
    """A stack; None where there is none that can be read, which is told where its turn comes."""
    try:
        return state.stack(snapshot.tx, keys, uid)
    except UNREADABLE:
        return None


def _rows(snapshot: Snapshot, report: Report, keys: Keys, kind: str) -> None:
    """Rows of stacks: they decode, and their stack is there."""
    for uid in snapshot.next_parts("cloudformation", *keys, kind):
        if snapshot.get(keys.key("s", uid)) is None:
            report.broken(f"rows {kind} of {'/'.join(keys)} are of stack {uid!r}, which is not there")
        last = -1
        for key, value in snapshot.below("cloudformation", *keys, kind, uid):
            found = report.decode(shown(key), value, _OF_STACKS[kind])
            if kind == "e":
                number = unpack(key)[5]
                assert isinstance(number, int)
                if number != last + 1:
                    report.broken(f"events {last + 1} to {number - 1} of stack {uid!r} are not there")
                last = number
            elif kind == "r" and found is not None:
                report.same(f"{shown(key)} is of id", found.logical_id, unpack(key)[5])
            elif kind == "c" and found is not None and snapshot.get(keys.key("ci", found.id)) is None:
                report.broken(f"change set {found.id} cannot be found by its ARN")


def _names(snapshot: Snapshot, report: Report, keys: Keys) -> None:
    for key, value in snapshot.below("cloudformation", *keys, "n"):
        stack = _find(snapshot, keys, value.decode(errors="replace"))
        if stack is None or stack.name != unpack(key)[4] or stack.status == DELETED:
            report.broken(f"{shown(key)}: the name is taken, but by no stack")
    for key, value in snapshot.below("cloudformation", *keys, "ci"):
        place = report.decode(shown(key), value, _decode_place)
        if place is not None and snapshot.get(keys.key("c", *place)) is None:
            report.broken(f"{shown(key)}: that change set is not there")


def _exports(snapshot: Snapshot, report: Report, keys: Keys) -> None:
    for key, value in snapshot.below("cloudformation", *keys, "x"):
        export = report.decode(shown(key), value, _decode_export)
        stack = _find(snapshot, keys, export.uid) if export is not None else None
        if export is not None and (stack is None or stack.status == DELETED):
            report.broken(f"export {export.name} of {'/'.join(keys)} is of a stack that is not there")
    for key, _ in snapshot.below("cloudformation", *keys, "i"):
        name, uid = unpack(key)[4:6]
        if snapshot.get(pack("cloudformation", *keys, "x", name)) is None:
            report.broken(f"{shown(key)}: that export is not there")
        if snapshot.get(keys.key("s", uid)) is None:
            report.broken(f"{shown(key)}: the stack that imports it is not there")
