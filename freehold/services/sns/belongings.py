"""What an account owns in SNS beyond the rows under its name: what lies below the ids of its topics, and its effects."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from freehold.kit.tuples import unpack
from freehold.ports.belongings import Belonging, Belongings, Timed, below, spaces_of
from freehold.services.sns import fanout, jobs, sequencing, status, topics
from freehold.services.sns.model import Topic
from freehold.work.checking import Snapshot

_decode = msgspec.msgpack.Decoder(Topic).decode


def _rows(snapshot: Snapshot, account: str) -> Iterator[Belonging]:
    for space in spaces_of(snapshot, "sns", account):
        for _, value in snapshot.below("sns", *space, "t"):
            topic = _decode(value)
            for kind in ("s", "e", "k", "q", "d", "x"):
                yield below("sns", kind, topic.id)
            yield Timed(sequencing.TIMER, topic.id.encode())
            for key, _ in snapshot.below("sns", "x", topic.id):
                yield below("sns", "xp", unpack(key)[-1])  # how far its expansion came


def _account(payload: bytes) -> str:
    """All of them hold a topic's name, first or second."""
    return next(str(part["account"]) for part in msgspec.msgpack.decode(payload)[:2] if isinstance(part, dict))


BELONGINGS = Belongings(_rows, effects=dict.fromkeys((jobs.KIND, fanout.EXPAND, status.KIND, topics.SWEEP), _account))
