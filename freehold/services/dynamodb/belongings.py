"""What an account owns in DynamoDB beyond the rows under its name: jobs, and when its client tokens expire."""

from __future__ import annotations

from collections.abc import Iterator

from freehold.kit.tuples import unpack
from freehold.ports.belongings import Belonging, Belongings, Below
from freehold.ports.platform import Platform
from freehold.services.dynamodb import jobs
from freehold.work.checking import Snapshot


def _rows(snapshot: Snapshot, account: str) -> Iterator[Belonging]:
    for key, _ in snapshot.below("dynamodb", None, "e"):
        if unpack(key)[4] == account:
            yield Below(key)
    for key in _begins(snapshot, account):
        yield Below(key)


def _begins(snapshot: Snapshot, account: str) -> Iterator[bytes]:
    for key, value in snapshot.below("dynamodb", None, "j"):
        if jobs.account_of(value) == account:
            yield key


async def _resume(platform: Platform, account: str) -> None:
    await jobs.resume(platform, account)


BELONGINGS = Belongings(_rows, begins=_begins, resume=_resume)
