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


class Readers:
    """Threads start when they are first needed."""

    def __init__(self, file: Path, threads: int) -> None:
        self._file = file
        self._local = threading.local()
        self._connections: list[apsw.Connection] = []
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="freehold-reader")

    async def run(self, body: Callable[[ReadTx], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, body)

    def _run(self, body: Callable[[ReadTx], T]) -> T:
        local = self._local
        if not hasattr(local, "connection"):
            local.connection = connect(self._file, cache_mib=4)
            local.view = View(KvTable(local.connection))
            self._connections.append(local.connection)
        return in_snapshot(local.connection, local.view, body)

    def close(self) -> None:
        self._pool.shutdown()
        for connection in self._connections:
            connection.close()
