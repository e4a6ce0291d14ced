"""Operations of stacks go on where their rows are: they come last, and a running server takes them up."""

from __future__ import annotations

from collections.abc import Iterator

from freehold.kit.tuples import pack
from freehold.ports.belongings import Belongings
from freehold.ports.platform import Platform
from freehold.services.cloudformation import state
from freehold.services.cloudformation.engine import engine
from freehold.work.checking import Snapshot


def _begins(snapshot: Snapshot, account: str) -> Iterator[bytes]:
    yield pack(state.WORK, account)


async def _resume(platform: Platform, account: str) -> None:
    if not platform.duties.members.alone:
        return  # then every node follows the rows of operations
    for work in await platform.store.read_many(state.all_work):
        if work.account == account:
            engine(platform).start(work)


BELONGINGS = Belongings(begins=_begins, resume=_resume)
