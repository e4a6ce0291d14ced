"""Tasks: background work that belongs to the server, ends with it, and never dies unseen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from freehold.store.base import StoreError

log = logging.getLogger("freehold.work")

RESTART_FIRST_S = 0.1
RESTART_MOST_S = 30.0


class Tasks:
    """The background tasks of one server. All are cancelled, and awaited, by `close`."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Has `close` been called?"""
        return self._closed

    def spawn(self, name: str, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `coroutine` in the background. When it dies, its name and trace are logged; after `close` it never starts."""
        if self._closed:
            coroutine.close()
            raise RuntimeError(f"the server is closing; {name} does not start")
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def loop(self, name: str, fn: Callable[[], Awaitable[None]], *, restart: bool = True) -> asyncio.Task[Any]:
        """Run `fn`, which normally runs for ever, in the background.

        With `restart` it is begun again when it raises: after 0.1 s, doubling to 30 s while it keeps failing at once.
        When `fn` returns, the loop has ended.
        """
        return self.spawn(name, _keep(name, fn) if restart else _once(fn))

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("background task %s died", task.get_name(), exc_info=error)

    async def close(self) -> None:
        """Cancel everything and wait until all of it has ended."""
        self._closed = True
        while self._tasks:
            ending = [task for task in self._tasks if task is not asyncio.current_task()]
            if not ending:
                return
            for task in ending:
                task.cancel()
            await asyncio.wait(ending, timeout=10)


async def _once(fn: Callable[[], Awaitable[None]]) -> None:
    await fn()


async def _keep(name: str, fn: Callable[[], Awaitable[None]]) -> None:
    pause = RESTART_FIRST_S
    loop = asyncio.get_running_loop()
    while True:
        begun = loop.time()
        try:
            await fn()
            return
        except StoreError as problem:
            log.warning("background loop %s begins again: %s", name, problem)
        except Exception:
            log.exception("background loop %s failed; it begins again", name)
        if loop.time() - begun > RESTART_MOST_S:
            pause = RESTART_FIRST_S
        await asyncio.sleep(pause)
        pause = min(pause * 2, RESTART_MOST_S)
