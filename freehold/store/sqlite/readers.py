"""Readers for bodies that would hold up the event loop: a few threads, each with a connection of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import apsw

from freehold.store.base import ReadTx
from freehold.store.overlay import View
from freehold.store.sqlite.schema import connect
from freehold.store.sqlite.table import KvTable

T = TypeVar("T")


def in_snapshot(connection: apsw.Connection, view: View, body: Callable[[ReadTx], T]) -> T:
    """Run `body` so that all its reads see one commit."""
    connection.execute("BEGIN")
    try:
        return body(view)
    finally:
        connection.execute("COMMIT")


class Gate:
    """Readers pass it; the writer closes it for a moment, when the log has to be free of readers."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._closed = False
        self._inside = 0

    def __enter__(self) -> None:
        with self._changed:
            while self._closed:
                self._changed.wait()
            self._inside += 1

    def __exit__(self, *exc: object) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    def close(self, patience: float) -> bool:
        """Let nobody in and wait at most `patience` seconds until nobody is inside; says whether that came true."""
        with self._changed:
            self._closed = True
            return self._changed.wait_for(lambda: not self._inside, patience)

    def open(self) -> None:
        with self._changed:
            self._closed = False
            self._changed.notify_all()


class Readers:
    """Threads start when they are first needed."""

    def __init__(self, file: Path, threads: int, gate: Gate) -> None:
        self._file = file
        self._gate = gate
        self._local = threading.local()
        self._connections: list[apsw.Connection] = []
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="freehold-reader")

    async def run(self, body: Callable[[ReadTx], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, body)

    def _run(self, body: Callable[[ReadTx], T]) -> T:
        local = self._local
        if not hasattr(local, "connection"):
            local.connection = connect(self._file, cache_mib=2)
            local.view = View(KvTable(local.connection))
            self._connections.append(local.connection)
        with self._gate:
            return in_snapshot(local.connection, local.view, body)

    def close(self) -> None:
        self._pool.shutdown()
        for connection in self._connections:
            connection.close()
