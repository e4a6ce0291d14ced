"""Released blobs: their files go after the commit, when nobody reads them any more, and not before backups may miss them.

Rows: `blob/gone/{id}` a release; `blob/kept/{due}/{id}` one whose files stay until service time `due` (option `keep`);
`blob/pin/{id}/{member}` a long read on a node. A node keeps its own readers' files by its own pins. For readers on other
nodes a release waits for GRACE_SHARED_S first: a read that lasts longer than PIN_AFTER_S has its row by then, and the row
holds as long as the node lives.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import msgspec

from freehold.kit.clock import Clock
from freehold.kit.tuples import pack, span, unpack
from freehold.store.base import ReadTx, Store, Tx
from freehold.work.blobs.base import Backend, BlobError
from freehold.work.blobs.model import Blob
from freehold.work.duties import Held
from freehold.work.members import Members

log = logging.getLogger("freehold.work")

GRACE_S = 5.0
"""Seconds that a released file stays, for readers which have just read the row that named it."""
GRACE_SHARED_S = 30.0
PIN_AFTER_S = 5.0
PIN_EVERY_S = 5.0
LOOK_S = 60.0
"""Seconds between looks at what is kept."""

_WAKE = pack("blob", "wake")
_RELEASES = 20_000
_FORGET = 1_000


def release(tx: Tx, blob: Blob) -> None:
    """The row that named `blob` goes in this transaction."""
    files = blob.files()
    if files:
        tx.put(pack("blob", "gone", blob.id), msgspec.msgpack.encode(files))
        tx.wake(_WAKE)


class Releases:
    """Collects what was released, and knows what is being read."""

    def __init__(self, store: Store, clock: Clock, backend: Backend, members: Members, keep_s: int) -> None:
        self._store, self._clock, self._backend, self._members = store, clock, backend, members
        self._keep_ms = keep_s * 1000
        self._grace = GRACE_S if members.alone else GRACE_SHARED_S
        self._pins: dict[str, int] = {}
        self._since: dict[str, float] = {}
        self._told: set[str] = set()
        self._holds = 0

    # Collecting

    async def collect(self, *, grace: float = 0.0) -> int:
        """Remove the files of committed releases, `grace` seconds after they are seen; says how many blobs went."""
        released = await self._released("gone", None)
        if self._holds:
            return 0  # what was listed before a hold began is released in every snapshot taken under it
        if released and grace:
            await asyncio.sleep(grace)
        if self._keep_ms:
            await self._keep(released)
            released = await self._released("kept", self._clock.now_ms())
        read = await self._read_elsewhere(released)
        gone = 0
        done: list[bytes] = []
        for key in released:
            name = str(unpack(key)[-1])
            if self._pins.get(name) or name in read:
                continue
            value = await self._store.read_many(_get(key))
            if value is None:
                continue
            files: list[str] = msgspec.msgpack.decode(value, type=list[str])
            await self._backend.remove(files)
            done += [*(pack("blob", "claim", name) for name in files), key]
            gone += 1
            while len(done) >= _FORGET:
                await self._delete(done[:_FORGET])
                done = done[_FORGET:]
        if done:
            await self._delete(done)
        return gone

    async def _released(self, kind: str, until_ms: int | None) -> list[bytes]:
        """Keys of the releases that wait, up to a bound."""
        start, end = span("blob", kind)
        if until_ms is not None:
            end = pack("blob", kind, until_ms + 1)
        keys: list[bytes] = []
        while len(keys) < _RELEASES:
            rows = await self._store.read_many(_scan(start, end))
            if not rows:
                break
            keys += [key for key, _ in rows]
            start = keys[-1] + b"\x00"
        return keys

    async def _keep(self, released: list[bytes]) -> None:
        """Move releases to when they are due."""
        due = self._clock.now_ms() + self._keep_ms

        def move(tx: Tx, keys: list[bytes]) -> None:
            for key, value in zip(keys, tx.get_many(keys), strict=True):
                if value is not None:
                    tx.put(pack("blob", "kept", due, str(unpack(key)[-1])), value)
                    tx.delete(key)

        for at in range(0, len(released), _FORGET // 2):
            page = released[at : at + _FORGET // 2]
            await self._store.transact(partial(move, keys=page))

    async def _delete(self, keys: list[bytes]) -> None:
        def body(tx: Tx) -> None:
            for key in keys:
                tx.delete(key)

        await self._store.transact(body)

    async def collect_for_ever(self, lease: Held) -> None:
        """Collect whenever something was released. Of several nodes one does; two at a time would do no harm."""
        async with self._store.watch(_WAKE) as watch:
            while True:
                try:
                    while await self.collect(grace=self._grace):
                        pass
                except BlobError as problem:
                    log.warning("released blobs stay for now: %s", problem)
                    await asyncio.sleep(self._grace)
                waits = (
                    GRACE_S
                    if self._pins or self._holds
                    else LOOK_S
                    if self._keep_ms or not self._members.alone
                    else 600
                )
                await watch.wait(waits)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """While a snapshot is taken: no file goes that is released from now on."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    # Reading

    def pin(self, blob: Blob) -> None:
        """A read begins."""
        self._since.setdefault(blob.id, self._clock.monotonic())
        self._pins[blob.id] = self._pins.get(blob.id, 0) + 1

    def unpin(self, blob: Blob) -> None:
        """A read has ended."""
        left = self._pins.pop(blob.id, 0) - 1
        if left > 0:
            self._pins[blob.id] = left
        else:
            self._since.pop(blob.id, None)

    async def share_pins(self) -> None:
        """Tell other nodes what is being read here for long, for ever."""
        while True:
            await asyncio.sleep(PIN_EVERY_S)
            await self.tell_pins()

    async def tell_pins(self, after: float = PIN_AFTER_S) -> None:
        """One round: rows for reads that last longer than `after` seconds; none for those that have ended."""
        began = self._clock.monotonic() - after
        lasting = [name for name, since in self._since.items() if since <= began and name not in self._told]
        ended = [name for name in self._told if name not in self._since]
        if not lasting and not ended:
            return

        def body(tx: Tx) -> None:
            for name in lasting:
                tx.put(pack("blob", "pin", name, self._members.id), b"")
            for name in ended:
                tx.delete(pack("blob", "pin", name, self._members.id))

        await self._store.transact(body)
        self._told.update(lasting)
        self._told.difference_update(ended)

    async def _read_elsewhere(self, released: list[bytes]) -> set[str]:
        """Those of the releases that some node reads, as far as it has told."""
        if self._members.alone or not released:
            return set()
        start, end = span("blob", "pin")
        read, dead = set(), []
        while page := await self._store.read_many(_scan(start, end)):
            for key, _ in page:
                _, _, name, member = unpack(key)
                if self._members.is_live(str(member)):
                    read.add(str(name))
                else:
                    dead.append(key)
            start = page[-1][0] + b"\x00"
        if dead:
            await self._delete(dead[:_FORGET])
        return read


def _scan(start: bytes, end: bytes) -> Callable[[ReadTx], list[tuple[bytes, bytes]]]:
    return lambda tx: tx.scan(start, end)


def _get(key: bytes) -> Callable[[ReadTx], bytes | None]:
    return lambda tx: tx.get(key)
