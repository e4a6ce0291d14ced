"""Listener: the connections of one socket, from the first to a clean end."""

from __future__ import annotations

import asyncio
import socket
from email.utils import formatdate

from freehold.front.connection import Application, Connection, Server
from freehold.kit.clock import Clock

GRACE_S = 5.0
"""Seconds that calls which run are given when the server stops."""


class Listener:
    """Serves an application on a socket."""

    def __init__(self, application: Application, clock: Clock) -> None:
        self._clock = clock
        self._second, self._date = 0, ""
        self._server = Server(application, date=self._now)
        self._accepting: asyncio.Server | None = None

    async def start(self, sock: socket.socket) -> None:
        """Accept connections from now on."""
        loop = asyncio.get_running_loop()
        self._accepting = await loop.create_server(lambda: Connection(self._server), sock=sock, backlog=2048)

    async def stop(self, hurry: asyncio.Event) -> None:
        """Accept no more, let what runs end within GRACE_S or until `hurry`, and close every connection."""
        if self._accepting is not None:
            self._accepting.close()
        server = self._server
        server.leaving = True
        for connection in list(server.connections):
            connection.leave()
        await _end(server.tasks, GRACE_S, hurry)
        for task in list(server.tasks):
            task.cancel()  # it answers 503
        await _end(server.tasks, 1.0, hurry)
        for connection in list(server.connections):
            connection.close()

    def _now(self) -> str:
        wall = int(self._clock.wall())
        if wall != self._second:
            self._second, self._date = wall, formatdate(wall, usegmt=True)
        return self._date


async def _end(tasks: set[asyncio.Task[None]], within_s: float, hurry: asyncio.Event) -> None:
    if not tasks:
        return
    hurried = asyncio.ensure_future(hurry.wait())
    ended = asyncio.ensure_future(asyncio.wait(set(tasks)))
    await asyncio.wait({hurried, ended}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    hurried.cancel()
    ended.cancel()
