"""The load: one thread per workload, each at its own pace, and how long every operation took."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from soak.judging import Minute
from soak.samples import percentiles
from workloads.base import Workload
from workloads.cloud import Cloud


class Watch:
    """Latencies in milliseconds: all since the last look, and by minute and operation."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.minutes: defaultdict[tuple[int, str], list[float]] = defaultdict(list)
        self._recent: list[float] = []

    def record(self, operation: str, took_ms: float) -> None:
        """One call that was answered."""
        self.minutes[int(time.monotonic() - self.began) // 60, operation].append(took_ms)
        self._recent.append(took_ms)

    def by_minute(self) -> dict[tuple[int, str], Minute]:
        """What is judged and drawn."""
        return {
            key: Minute(len(values), *percentiles(values), max(values))
            for key, values in [(key, list(values)) for key, values in list(self.minutes.items())]
        }

    def recent(self) -> list[float]:
        """Those since this was called last."""
        taken, self._recent = self._recent, []
        return taken


class TimedCloud(Cloud):
    """A cloud that tells a watch how long every call took."""

    def __init__(self, url: str, watch: Watch, account: str) -> None:
        super().__init__(url, account)
        self._watch = watch
        self._session.events.register("before-call", self._begin)
        self._session.events.register("after-call", self._end)

    @staticmethod
    def _begin(context: dict[str, Any], **_: Any) -> None:
        context["soak"] = time.perf_counter()

    def _end(self, model: Any, context: dict[str, Any], **_: Any) -> None:
        if "soak" in context:
            took = (time.perf_counter() - context["soak"]) * 1e3
            self._watch.record(f"{model.service_model.service_name} {model.name}", took)

    def open(self, path: str, body: bytes | None = None) -> bytes:
        began = time.perf_counter()
        answer = super().open(path, body)
        self._watch.record("http " + path.lstrip("/").partition("/")[0], (time.perf_counter() - began) * 1e3)
        return answer


class Load:
    """Workloads, each with the seconds between its steps."""

    def __init__(self, workloads: Sequence[tuple[Workload, float]], seed: int) -> None:
        self._stopped = threading.Event()
        self.steps: Counter[str] = Counter()
        self.problems: Counter[str] = Counter()
        self._threads = [
            threading.Thread(target=self._work, args=(workload, pause, random.Random(seed + at)), daemon=True)
            for at, (workload, pause) in enumerate(workloads)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> list[str]:
        """End; names of those that hang."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(90)
        return [thread.name for thread in self._threads if thread.is_alive()]

    def _work(self, workload: Workload, pause: float, rng: random.Random) -> None:
        due = time.monotonic() + rng.random() * pause
        while not self._stopped.wait(max(0.0, due - time.monotonic())):
            due = max(due + pause, time.monotonic())  # a step that took long is not made up for
            try:
                workload.step(rng)
            except Exception as problem:  # noqa: BLE001 it is counted, and the run fails
                self.problems[f"{workload.name}: {type(problem).__name__}: {str(problem)[:300]}"] += 1
            self.steps[workload.name] += 1
