"""What an account owns in S3: its buckets, and all that lies below their generations."""

from __future__ import annotations

from collections.abc import Iterator

from freehold.kit.tuples import pack, unpack
from freehold.ports.belongings import Belonging, Belongings, Below, Timed, below
from freehold.ports.platform import Platform
from freehold.services.s3 import lifecycle, rows, sweep
from freehold.work.checking import Snapshot

_KINDS = "ovndupf"


def _generations(snapshot: Snapshot, account: str) -> Iterator[tuple[str, str]]:
    """Names and generations of the buckets of an account."""
    for key, _ in snapshot.below("s3", "a", account):
        name = str(unpack(key)[3])
        value = snapshot.get(rows.bucket_key(name))
        if value is not None:
            yield name, rows.decode_bucket(value).generation


def _rows(snapshot: Snapshot, account: str) -> Iterator[Belonging]:
    for name, generation in _generations(snapshot, account):
        for kind in _KINDS:
            yield Below(rows.space(kind, generation))
        yield Timed(lifecycle.TIMER, name.encode())
        yield below("s3", "x", generation)
    for name, _ in _generations(snapshot, account):
        yield Below(rows.bucket_key(name))
    yield below("s3", "a", account)


def _begins(snapshot: Snapshot, account: str) -> Iterator[bytes]:
    for _, generation in _generations(snapshot, account):
        yield pack("s3", "x", generation)


async def _resume(platform: Platform, account: str) -> None:
    sweep.begin(platform)


BELONGINGS = Belongings(_rows, begins=_begins, resume=_resume)
