"""What an account owns in SQS beyond the rows under its name: messages lie below generations, memories below queue ids."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from freehold.kit.tuples import pack
from freehold.ports.belongings import Belonging, Belongings, Below, Timed, spaces_of
from freehold.services.sqs import timing
from freehold.services.sqs.model import Record, generation_prefix, remembered_prefix
from freehold.work.checking import Snapshot

_decode = msgspec.msgpack.Decoder(Record).decode


def _rows(snapshot: Snapshot, account: str) -> Iterator[Belonging]:
    for space in spaces_of(snapshot, "sqs", account):
        for _, value in snapshot.below("sqs", *space, "q"):
            record = _decode(value)
            yield Below(generation_prefix(record.generation))
            yield Below(remembered_prefix(record.id))
            yield Timed(timing.OWNER, pack(timing.FORGET, record.id))


BELONGINGS = Belongings(_rows)
