"""What an account owns in EventBridge Pipes. A pipe that is there works, so it comes last."""

from __future__ import annotations

from collections.abc import Iterator

from freehold.kit.tuples import pack
from freehold.ports.belongings import Belonging, Belongings, Below
from freehold.work.checking import Snapshot


def _begins(snapshot: Snapshot, account: str) -> Iterator[bytes]:
    yield pack("pipes", "pipe", account)
    yield pack("pipes", "work", account)


def _rows(snapshot: Snapshot, account: str) -> Iterator[Belonging]:
    return map(Below, _begins(snapshot, account))


BELONGINGS = Belongings(_rows, begins=_begins)
