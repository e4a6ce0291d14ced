"""Pipes' invariants: a pipe lies where its name says, and one in transition is on the list of those who work on it."""

from __future__ import annotations

import msgspec

from freehold.kit.tuples import pack, unpack
from freehold.services.pipes import state
from freehold.services.pipes.model import FAILED, RUNNING, STOPPED, TRANSITIONS, Pipe
from freehold.work.checking import Report, Snapshot, shown

_pipe = msgspec.msgpack.Decoder(Pipe).decode
_STATES = TRANSITIONS | {RUNNING, STOPPED, *FAILED.values()}


def check(snapshot: Snapshot, report: Report) -> None:
    """Pipes, then the list of work."""
    moving = 0
    for key, value in snapshot.below("pipes", "pipe"):
        pipe = report.decode(shown(key), value, _pipe)
        if pipe is None:
            continue
        place = (pipe.account, pipe.region, pipe.name)
        if state.key(place) != key:
            report.broken(f"{shown(key)} is called {pipe.arn}: it cannot be found by its name")
        if pipe.state not in _STATES:
            report.broken(f"pipe {pipe.arn} is {pipe.state}, which is no state")
        if pipe.state in TRANSITIONS:
            moving += 1
            if snapshot.get(pack("pipes", "work", *place)) is None:
                report.broken(f"pipe {pipe.arn} is {pipe.state}, but nobody works on it: it stays so")
    listed = 0
    for key, _ in snapshot.below("pipes", "work"):
        listed += 1
        if snapshot.get(pack("pipes", "pipe", *unpack(key)[2:])) is None:
            report.broken(f"{shown(key)} is to be worked on, but there is no such pipe")
    report.same("pipes to be worked on", listed, moving)
    for kind in snapshot.next_parts("pipes"):
        if kind not in ("pipe", "work"):
            report.broken(f"there are rows of unknown kind {kind!r}")
