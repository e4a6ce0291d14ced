"""Wakes between nodes: NOTIFY, outside of the transactions that write, since it makes commits wait for each other.

What gathers within a few milliseconds travels in one notice. A wake is a hint: when the connection breaks, everybody is
roused once it is back, and waiters look again every second anyway.
"""

from __future__ import annotations

import base64
import os
import select
import threading
from collections.abc import Callable, Iterable

import psycopg

from freehold.store.postgres.ownership import Ownership
from freehold.store.postgres.writer import LOOK_AGAIN, Connector

CHANNEL = "freehold"
MOST = 7_900
"""Bytes of a notice; PostgreSQL takes less than 8,000."""
EVERY = 0.005
EVERYBODY = "*"


class Notices:
    """A thread that sends this node's wakes and hands over those of others: `woken(keys)`, or None for all."""

    def __init__(
        self,
        connector: Connector,
        woken: Callable[[list[bytes] | None], None],
        *,
        alone: bool,
        replaced: Callable[[], None],
    ) -> None:
        """Its connection also carries the lock of those who may write. Raises StoreBusy."""
        self._connector, self._woken, self._replaced = connector, woken, replaced
        self._lock = threading.Lock()
        self._gathered: set[bytes] = set()
        self._stopping = False
        self._connection = self._listen()
        try:
            self.ownership = Ownership(self._connection, alone=alone, pause=connector.pause)
        except BaseException:
            self._connection.close()
            raise
        self._bell, self._ring = os.pipe()
        os.set_blocking(self._ring, False)
        self._thread = threading.Thread(target=self._run, name="freehold-notices", daemon=True)
        self._thread.start()

    def send(self, keys: Iterable[bytes]) -> None:
        """Let other nodes know, soon."""
        with self._lock:
            rung = bool(self._gathered)
            self._gathered.update(keys)
            if rung or not self._gathered:
                return
        os.write(self._ring, b"\0")

    def stop(self) -> None:
        self._stopping = True
        os.write(self._ring, b"\0")
        self._thread.join()
        os.close(self._bell)
        os.close(self._ring)

    def _listen(self) -> psycopg.Connection[tuple[object, ...]]:
        connection = self._connector.plain()
        connection.execute(f"LISTEN {CHANNEL}")
        return connection

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._serve(self._connection)
            except (psycopg.Error, OSError):
                self._again()
        self._connection.close()

    def _again(self) -> None:
        self._connection.close()
        while not self._stopping:
            try:
                self._connection = self._listen()
                kept = self.ownership.kept(self._connection)
            except psycopg.Error:
                self._connector.pause(LOOK_AGAIN)
            else:
                if not kept:
                    self._replaced()
                self._woken(None)
                return

    def _serve(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        """Send and receive until told to stop. Raises psycopg.Error."""
        mine = connection.info.backend_pid
        while not self._stopping:
            select.select([self._bell, connection.fileno()], [], [])
            if select.select([self._bell], [], [], 0)[0]:
                self._connector.pause(EVERY)
                os.read(self._bell, 4096)
                with self._lock:
                    keys, self._gathered = self._gathered, set()
                for notice in written(keys):
                    connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, notice))
            for notify in connection.notifies(timeout=0):
                if notify.pid != mine:
                    self._woken(read(notify.payload))


def written(keys: Iterable[bytes]) -> list[str]:
    """The notices that name `keys`; one key that is too long for any stands for all."""
    notices: list[str] = []
    words: list[str] = []
    room = MOST
    for key in keys:
        word = base64.b85encode(key).decode()
        if len(word) > MOST:
            return [EVERYBODY]
        if len(word) + 1 > room and words:
            notices.append(" ".join(words))
            words, room = [], MOST
        words.append(word)
        room -= len(word) + 1
    if words:
        notices.append(" ".join(words))
    return notices


def read(notice: str) -> list[bytes] | None:
    """The keys that a notice names; None: all."""
    return None if notice == EVERYBODY else [base64.b85decode(word) for word in notice.split(" ")]
