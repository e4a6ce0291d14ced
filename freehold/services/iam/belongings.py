"""What an account owns in IAM beyond the rows under its name: the access keys of its users."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from freehold.ports.belongings import Belonging, Belongings, below
from freehold.services.iam.model import User
from freehold.work.checking import Snapshot

_decode = msgspec.msgpack.Decoder(User).decode


def _rows(snapshot: Snapshot, account: str) -> Iterator[Belonging]:
    for _, value in snapshot.below("iam", account, "user"):
        for key_id in _decode(value).keys:
            yield below("iam", "", "key", key_id)


BELONGINGS = Belongings(_rows)
