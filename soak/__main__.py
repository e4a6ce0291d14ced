"""`python -m soak`: all services mixed on a durable server; exit code 1 where something grew or failed."""

from __future__ import annotations

import argparse
import itertools
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import psutil

from freehold.testing import Freehold
from soak import samples
from soak.mix import Application

HERE = Path(__file__).parent
WORKERS = 4


class Load:
    """Workers that take turns, and how long the turns took."""

    def __init__(self, application: Application, pause_s: float) -> None:
        self._turns, self._pause = list(application.turns().items()), pause_s
        self._numbers = itertools.count()
        self._stopped = threading.Event()
        self.latencies: list[float] = []
        self.problems: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(WORKERS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(60)

    def _work(self) -> None:
        while not self._stopped.is_set():
            number = next(self._numbers)
            name, turn = self._turns[number % len(self._turns)]
            began = time.perf_counter()
            try:
                turn(number // len(self._turns))
            except Exception as problem:  # noqa: BLE001 it is counted, and the run fails
                self.problems[f"{name}: {type(problem).__name__}: {str(problem)[:200]}"] += 1
            self.latencies.append((time.perf_counter() - began) * 1e3)
            self._stopped.wait(self._pause)


def main() -> None:
    """Hold the load and judge."""
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between samples")
    parser.add_argument("--pause", type=float, default=0.01, help="seconds that each worker rests between turns")
    parser.add_argument("--output", type=Path, default=HERE / "RESULTS")
    given = parser.parse_args()
    where = Path(tempfile.mkdtemp(prefix="freehold-soak-"))
    where.chmod(0o711)
    taken: list[samples.Sample] = []
    with Freehold(data=where / "data") as server:
        application = Application(server.account())
        application.prepare()
        load, process = Load(application, given.pause), psutil.Process(server.process.pid)
        load.start()
        began = time.monotonic()
        while (at := time.monotonic() - began) < given.seconds:
            time.sleep(given.every)
            latencies, load.latencies = load.latencies, []
            taken.append(samples.take(at + given.every, process, where / "data", latencies))
            print(taken[-1], flush=True)
        load.stop()
        settled = application.settled()
    shutil.rmtree(where, ignore_errors=True)
    given.output.with_suffix(".csv").write_text(samples.table(taken))
    given.output.with_suffix(".svg").write_text(samples.picture(taken))
    wrong = [*samples.grown(taken).values(), *(f"{count} times {what}" for what, count in load.problems.items())]
    wrong += [] if settled else ["the queue of the worker was not worked off"]
    print(
        f"{sum(sample.turns for sample in taken)} turns in {given.seconds:.0f} s; "
        + ("flat" if not wrong else "; ".join(wrong))
    )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
