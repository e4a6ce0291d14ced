"""Who tails a log group is no account's, but of the connection that does it."""

from __future__ import annotations

from collections.abc import Iterator

from freehold.kit.tuples import pack
from freehold.ports.belongings import Belongings
from freehold.work.checking import Snapshot


def _passing(snapshot: Snapshot, account: str) -> Iterator[bytes]:
    yield pack("logs-live", account)
    yield pack("logs-feed", account)


def _begins(snapshot: Snapshot, account: str) -> Iterator[bytes]:
    """What subscription filters have not seen."""
    yield pack("logs-due", account)


BELONGINGS = Belongings(begins=_begins, passing=_passing)
