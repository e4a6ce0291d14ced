"""Accounts moved in and out of a running server. What does the work is loaded when it is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from freehold.kit.tuples import span
from freehold.ports.accounts import AccountError
from freehold.ports.platform import Platform
from freehold.store.base import Store
from freehold.work.blobs import Blobs

DUTY = "imports"


class Moving:
    """The `Accounts` of a node."""

    def __init__(self, platform: Platform, scratch: Path) -> None:
        self._platform, self._scratch = platform, scratch

    async def _alone(self) -> bool:
        """Is this the only node that runs?"""
        duties = self._platform.duties
        if duties.members.alone:
            return True
        present = await self._platform.store.read(duties.members.present)
        return duties.holds(DUTY) and present == {duties.members.id}

    async def leave(self, account: str) -> AsyncIterator[bytes]:
        from freehold.node.accounts.leaving import leave

        await self._platform.logs.flush()
        async for piece in leave(self._platform.store, self._platform.blobs, account, self._scratch):
            yield piece

    async def arrive(self, stream: AsyncIterator[bytes], account: str | None) -> dict[str, Any]:
        from freehold.node.accounts import arriving
        from freehold.node.accounts.owned import belongings

        platform = self._platform
        if not await self._alone():
            raise AccountError(
                "Several nodes use this store, and those elsewhere would see half an account: import while one runs, or "
                "while none does, by `freehold import FILE --store URL`."
            )
        arrived = await arriving.arrive(
            platform.store,
            platform.blobs,
            stream,
            self._scratch,
            now_ms=platform.clock.now_ms(),
            account=account,
            arriving=platform.arriving,
        )
        for one in belongings():
            if one.resume is not None:
                await one.resume(platform, arrived["account"])
        platform.store.rouse()  # timers, effects and events are there which nobody was told of
        return arrived


async def recover(store: Store, blobs: Blobs) -> None:
    """What an import left half done is finished or taken back, where nobody else uses the store."""
    start, end = span("import")
    if await store.read(lambda tx: tx.scan(start, end, limit=1)):
        from freehold.node.accounts.arriving import recover_all

        await recover_all(store, blobs)


async def stand_by(platform: Platform) -> None:
    """At start: `recover`, at once where this node has the store alone, else as a duty, which stays with the node that has
    it: one that imports is not disturbed by one that starts."""
    if platform.duties.members.alone:
        await recover(platform.store, platform.blobs)
    else:
        platform.duties.run(DUTY, lambda lease: recover(platform.store, platform.blobs), moves=False)
