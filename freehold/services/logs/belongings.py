"""Who tails a log group is no account's, but of the connection that does it."""

from __future__ import annotations

from collections.abc import Iterator

from freehold.kit.tuples import pack
from freehold.ports.belongings import Belongings
from freehold.work.checking import Snapshot


def _passing(snapshot: Snapshot, account: str) -> Iterator[bytes]:
    yield pack("logs-live", account)
    yield pack("logs-feed", account)


BELONGINGS = Belongings(passing=_passing)
