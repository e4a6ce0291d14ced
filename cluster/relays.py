"""Relays of TCP connections that can fall silent: a cut cable, where there are no network namespaces."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any


class Relays:
    """Listeners on loopback, one per way; run by a thread of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._silent: set[str] = set()
        self._ways: dict[tuple[str, str, int], tuple[asyncio.Server, int]] = {}
        self._tasks: dict[asyncio.Task[None], tuple[str, str]] = {}
        self._resumed = asyncio.Event()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def between(self, source: str, target: str, port: int) -> int:
        """The port by which `source` reaches `port` of `target`."""
        return int(self._do(self._between(source, target, port)))

    def silence(self, host: str) -> None:
        """Nothing passes to or from the host; connections stay open."""
        self._silent.add(host)

    def resume(self, host: str) -> None:
        """It is reachable again; what was open then is gone."""
        self._do(self._resume(host))

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _between(self, source: str, target: str, port: int) -> int:
        way = (source, target, port)
        if way not in self._ways:

            async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                task = asyncio.current_task()
                assert task is not None
                self._tasks[task] = (source, target)
                try:
                    await self._relay(way, reader, writer)
                finally:
                    del self._tasks[task]
                    writer.close()

            server = await asyncio.start_server(accept, "127.0.0.1", 0)
            self._ways[way] = (server, server.sockets[0].getsockname()[1])
        return self._ways[way][1]

    async def _resume(self, host: str) -> None:
        for task, way in list(self._tasks.items()):
            if host in way:
                task.cancel()
        self._silent.discard(host)
        self._resumed.set()
        self._resumed = asyncio.Event()

    async def _relay(
        self, way: tuple[str, str, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await self._open(way)
        try:
            onward, back = await asyncio.open_connection("127.0.0.1", way[2])
        except OSError:
            return
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(way, reader, back))
                both.create_task(self._pass(way, onward, writer))
        except* OSError:
            pass
        finally:
            back.close()

    async def _pass(
        self, way: tuple[str, str, int], source: asyncio.StreamReader, target: asyncio.StreamWriter
    ) -> None:
        while data := await source.read(1 << 16):
            await self._open(way)
            target.write(data)
            await target.drain()
        with contextlib.suppress(OSError):
            target.write_eof()

    async def _open(self, way: tuple[str, str, int]) -> None:
        """Return when neither end is cut off."""
        while way[0] in self._silent or way[1] in self._silent:
            await self._resumed.wait()
