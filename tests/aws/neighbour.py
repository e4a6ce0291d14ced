"""A neighbour of functions that do something bad: invoked all the while, it must always answer soon."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.aws.functions import call, make

Client = Callable[..., Any]


SLOWEST = 3.0
"""Seconds that a call may take, at most."""
_PACE = 0.02
_QUICK = "def handler(event, context): return event"


class Neighbour:
    """A function of the same account that is invoked every 20 ms, in a thread of its own; each call must succeed within
    SLOWEST. The figures are printed (`pytest -rP` shows them)."""

    def __init__(self, client: Any, account: str) -> None:
        self._client = client
        self.seconds: list[float] = []
        self.problems: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        make(client, account, "neighbour", _QUICK)
        call(client, "neighbour", {"n": 0})

    def _run(self) -> None:
        while not self._over.is_set():
            began = time.perf_counter()
            try:
                got, _answer = call(self._client, "neighbour", {"n": len(self.seconds)})
                if got != {"n": len(self.seconds)}:
                    self.problems.append(str(got))
            except (BotoCoreError, ClientError, ValueError) as problem:
                self.problems.append(repr(problem))
            self.seconds.append(time.perf_counter() - began)
            self._over.wait(_PACE)

    def __enter__(self) -> Neighbour:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, _t: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        times = sorted(1000 * one for one in self.seconds)
        p50, p95 = times[len(times) // 2], times[len(times) * 95 // 100]
        print(f"neighbour: {len(times)} calls, p50 {p50:.1f} ms, p95 {p95:.1f} ms, slowest {times[-1]:.1f} ms")
        if problem is None:
            assert not self.problems, self.problems[:3]
            assert times[-1] < SLOWEST * 1000
