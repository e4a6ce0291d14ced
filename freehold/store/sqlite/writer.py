"""The writer: one thread that makes groups of transactions durable.

While a group is being committed the next one gathers. A group's layer lies over the layer of the group before it until
that one has landed, so bodies see everything that was decided before them, and nobody hears of anything before it is
durable.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable

import apsw

from freehold.store.base import StoreError
from freehold.store.overlay import Layer, Overlay
from freehold.store.sqlite.cache import CachedTable, GroupLayer
from freehold.store.sqlite.checkpoint import Checkpoints
from freehold.store.sqlite.table import write

MAX_BODIES = 256
MAX_BYTES = 4 << 20
RESERVE = 1 << 16
"""Commit sequence numbers reserved at a time, so that most commits need not write the mark."""

Outcome = tuple[BaseException | None, object]


class Group:
    """Bodies that share a commit: their rows, their outcomes, whom to wake."""

    __slots__ = ("full", "layer", "loop", "outcomes", "size", "wakes")

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self.loop: asyncio.AbstractEventLoop | None = None
        self.outcomes: list[tuple[asyncio.Future[Outcome], Outcome]] = []
        self.wakes: set[bytes] = set()
        self.size = 0
        self.full = False
        """It takes no other body."""

    def deliver(self) -> None:
        for future, outcome in self.outcomes:
            if not future.done():  # its task may have been cancelled
                future.set_result(outcome)


class Writer:
    """`landed` is called on the event loop with each durable group; `die` ends the process when a commit fails."""

    def __init__(
        self,
        connection: apsw.Connection,
        checkpoints: Checkpoints,
        base: CachedTable,
        landed: Callable[[Group], None],
        die: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._checkpoints = checkpoints
        self._base = base
        self._landed = landed
        self._die = die
        self._lock = threading.Lock()
        self._start = threading.Lock()  # held while there is nothing to do; a semaphore costs 40 µs more
        self._start.acquire()
        self._stopping = False
        self._reserved = self._sequence = int(connection.execute("SELECT value FROM meta WHERE name='sequence'").get)
        self.gathering = Group(GroupLayer(base, base))
        self.flying: deque[Group] = deque()
        """Groups that were begun and of which the event loop has not been told, oldest first."""
        self.idle = True
        """Nothing is being committed, and nothing will be until `start`. Read on the event loop."""
        self.broken: StoreError | None = None
        self._thread = threading.Thread(target=self._run, name="freehold-writer", daemon=True)
        self._thread.start()

    def join_group(self, overlay: Overlay | None, future: asyncio.Future[Outcome], outcome: Outcome) -> None:
        """Add what a body wrote (None: nothing) and its outcome to the group that gathers.

        Even without writes: it may have read what is not durable yet, and its outcome must not be heard before that is.
        """
        with self._lock:
            group = self.gathering
            if overlay is not None:
                self._sequence += 1
                group.layer.absorb(overlay, self._sequence)
                group.size += overlay.size
                group.wakes |= overlay.wakes
            group.outcomes.append((future, outcome))
            group.loop = future.get_loop()  # the last one: an earlier one may have ended
            group.full = len(group.outcomes) >= MAX_BODIES or group.size >= MAX_BYTES

    def landed(self, group: Group) -> list[Layer]:
        """The event loop was told of `group`; answers the layers of all groups after it."""
        with self._lock:
            if self.flying and self.flying[0] is group:  # not so for what gathered when the store broke
                self.flying.popleft()
            return [*(later.layer for later in self.flying), self.gathering.layer]

    def start(self) -> None:
        """Commit what has gathered, unless that is already under way."""
        with self._lock:
            if not self.idle or not self.gathering.outcomes:
                return
            self.idle = False
        self._start.release()

    def _run(self) -> None:
        while True:
            self._start.acquire()
            if self._stopping:
                return
            while (group := self._next()) is not None:
                try:
                    self._commit(group)
                    self._tell(group)
                    self._checkpoints.between_commits()
                except Exception as error:  # noqa: BLE001 whatever it is, nothing may be acknowledged any more
                    self._fail(group, error)
                    return

    def _next(self) -> Group | None:
        with self._lock:
            group = self.gathering
            if not group.outcomes:
                self.idle = True
                return None
            self.gathering = Group(GroupLayer(group.layer, self._base))
            self.flying.append(group)
            return group

    def _commit(self, group: Group) -> None:
        pending = group.layer.pending
        if pending:
            mark = None
            if self._sequence >= self._reserved:
                mark = self._sequence + RESERVE
            write(self._connection, pending, mark)
            self._reserved = mark or self._reserved
            self._base.epoch += 1
        # The rows are in the table now: whoever still reads through this layer sees the same below it.
        self.gathering.layer.rebase(self._base)

    def _tell(self, group: Group) -> None:
        assert group.loop is not None
        try:
            group.loop.call_soon_threadsafe(self._landed, group)
        except RuntimeError:
            pass  # the loop was closed: nobody is left to be told

    def _fail(self, group: Group, error: Exception) -> None:
        """Nobody is told of this group or a later one; a group whose checkpoint failed was told before."""
        # First of all the end: whoever hears that the store is broken would say so too, while the process is ending.
        self._die(f"freehold: the store could not write ({error}); stopping, since nothing more could be made durable")
        self.broken = StoreError(f"the store stopped: {error}")
        with self._lock:
            late, self.gathering = self.gathering, Group(GroupLayer(self._base, self._base))
        for failed in (group, late):
            if failed.outcomes:
                failed.outcomes = [(future, (self.broken, None)) for future, _ in failed.outcomes]
                failed.wakes = set()
                self._tell(failed)

    def stop(self) -> None:
        """End the thread; called when everything has been delivered."""
        self._stopping = True
        self._start.release()
        self._thread.join()
