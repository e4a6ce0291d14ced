"""The contract of the store. Every engine passes tests/store/conformance/; that suite is the law.

StoreError
├── LimitExceeded   a key, value, transaction or scan beyond the limits; nothing was written
├── Contended       a serializable transaction could not finish within its retries; nothing was written
├── CommitUnknown   the connection broke at commit; the outcome could not be learned
├── StoreBusy       another process has the store open
├── StoreTooNew     a newer version of Freehold wrote the store
└── StoreUnusable   the store cannot be opened where it was asked for

Keys order as unsigned bytes. `transact` is serializable, ranges included, and sees every commit acknowledged before it
began; its outcome is delivered only when durable. A body is synchronous and pure: ids, time and randomness are chosen
before it, it may run more than once, and a body that raises leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from freehold.store.limits import MAX_SCAN, MAX_SCAN_BYTES

T = TypeVar("T")


class StoreError(Exception):
    """The store could not do it."""


class LimitExceeded(StoreError):
    """A key, value, transaction or scan is beyond the limits of store/limits.py."""


class Contended(StoreError):
    """Other transactions kept winning; try again."""


class CommitUnknown(StoreError):
    """Whether the transaction committed cannot be known."""


class StoreBusy(StoreError):
    """Another process has the store open; the message says which and what to do."""


class StoreTooNew(StoreError):
    """The store was written by a newer version of Freehold."""


class StoreUnusable(StoreError):
    """The store cannot be opened: the directory is missing, not writable, or holds something else."""


class Stamp(Protocol):
    """The commit stamp of an append: `value` is readable after the commit; stamps of one log sort in commit order."""

    @property
    def value(self) -> bytes: ...


class ReadTx(Protocol):
    """One consistent snapshot, opened after the call arrived."""

    def get(self, key: bytes) -> bytes | None: ...

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]: ...

    def scan(
        self,
        start: bytes,
        end: bytes,
        *,
        limit: int = MAX_SCAN,
        max_bytes: int = MAX_SCAN_BYTES,
        reverse: bool = False,
    ) -> list[tuple[bytes, bytes]]:
        """Rows with start <= key < end, in key order (or reversed).

        At most `limit` rows, and no further row once keys and values read reach `max_bytes` (at least one row if any).
        """
        ...


class Tx(ReadTx, Protocol):
    """A serializable transaction; it sees its own writes, except appends."""

    def put(self, key: bytes, value: bytes) -> None: ...

    def delete(self, key: bytes) -> None: ...

    def clear(self, start: bytes, end: bytes) -> int:
        """Delete at most MAX_SCAN rows with start <= key < end; says how many."""
        ...

    def append(self, log: bytes, value: bytes) -> Stamp:
        """Write a row under `log` + commit stamp: readers of the log see appends in commit order, never a gap."""
        ...

    def wake(self, key: bytes) -> None:
        """After the commit, rouse everybody who watches `key`. A hint, never a fact."""
        ...


class Watch(Protocol):
    """A subscription to wakes of one key: `async with store.watch(key) as watch: ...; await watch.wait(5.0)`."""

    async def __aenter__(self) -> Watch: ...

    async def __aexit__(self, *exc: object) -> None: ...

    async def wait(self, timeout: float) -> bool:
        """True when woken since the watch was entered or last waited, False after `timeout` seconds."""
        ...

    def call(self, listener: Callable[[], None]) -> None:
        """Have `listener` called at every wake from now on, on the event loop, until the watch is left: for whoever has a
        wait of his own."""
        ...


class Store(Protocol):
    """A transactional, ordered key-value store."""

    def at_hand(self, key: bytes) -> bytes | None:
        """The durable value of a row, where this engine has it in memory. None says nothing: `read` it."""
        ...

    async def read(self, body: Callable[[ReadTx], T]) -> T:
        """Run `body` on a snapshot. Short bodies may run inline on the event loop; never waits for writers."""
        ...

    async def read_many(self, body: Callable[[ReadTx], T]) -> T:
        """As `read`, for bodies that touch more than about 100 rows or large values: never on the event loop."""
        ...

    async def transact(self, body: Callable[[Tx], T], *, lane: bytes | None = None, early: bool = False) -> T:
        """Run `body` and return its result once durable.

        `lane` names a hot spot (a queue, a group): bodies of one lane are run one after the other where that is
        cheaper than conflicts. `early` may return the result as soon as only the end of this process could undo it (an
        engine that cannot tell waits as ever): for taking up work that is taken up again if it did not take place, never
        for what somebody is told. Raises what the body raises, LimitExceeded, Contended, CommitUnknown.
        """
        ...

    def watch(self, key: bytes) -> Watch:
        """Enter it BEFORE the read whose answer may make you wait."""
        ...

    def rouse(self) -> None:
        """Rouse every watcher of this process: time was moved."""
        ...

    async def close(self) -> None:
        """Finish what was begun and release everything."""
        ...


@runtime_checkable
class Copies(Protocol):
    """A store that lies in a directory and can copy itself while it is used."""

    def copy_to(self, directory: Path, stop: Callable[[], bool]) -> None:
        """Write a synced copy, of one commit, into `directory`; in a thread. `stop` is asked now and then: when it says so,
        raise InterruptedError."""
        ...


@runtime_checkable
class Shared(Protocol):
    """A store that says whether other processes may write to it too. One that does not say has a single owner."""

    @property
    def shared(self) -> bool: ...


def is_shared(store: Store) -> bool:
    """May other nodes write to this store while it is open here?"""
    return isinstance(store, Shared) and store.shared


@runtime_checkable
class Views(Protocol):
    """A store that can be looked at for long without holding up anybody."""

    def view(self) -> AbstractContextManager[ReadTx]:
        """One snapshot, for one thread that is not the event loop's: what is committed when it is entered, at the latest.
        Called on the event loop."""
        ...
