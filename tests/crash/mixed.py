"""Kill -9 under a mixed load over all services, again and again; what was acknowledged is asked for after each restart."""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from freehold.node.checks import check_directory, check_store
from freehold.node.config import bare_environment
from freehold.testing import Freehold, StartError
from tests.crash.seeds import chance
from workloads import LOADS, Cloud, Gone, Ledger, Workload
from workloads.cloud import Unclear
from workloads.complaints import complaints

CHECK_EVERY = 3
"""Kills between two checks of the directory."""
LIVES_S = (0.1, 1.6)
"""A server lives for a random time between these under load, every fourth one for up to LONG_S."""
LONG_S = 5.0
STILLBORN = 0.15
"""How often a server is killed before it is ready, too: recovery has to bear it."""
PATIENCE_S = 120.0
"""At the end, what was acknowledged has so long to arrive."""
Say = Callable[[str], None]


def free_port() -> int:
    """A port that nobody uses now: it stays the server's through all its lives."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def chosen(only: Iterable[str] | None) -> list[type[Workload]]:
    """The workloads with these names, or all. Raises ValueError for a name that there is not."""
    if not only:
        return list(LOADS)
    wanted = set(only)
    if unknown := wanted - {kind.name for kind in LOADS}:
        raise ValueError(f"no workload {', '.join(sorted(unknown))}: there are {', '.join(k.name for k in LOADS)}")
    return [kind for kind in LOADS if kind.name in wanted]


class Load:
    """Workloads, each in a thread of its own, on one server after the other."""

    def __init__(self, cloud: Cloud, kinds: Iterable[type[Workload]], ledger: Callable[[], Ledger] = Ledger) -> None:
        self.cloud = cloud
        self.workloads = [kind(cloud, ledger=ledger()) for kind in kinds]
        self.problems: list[str] = []
        self.steps = 0
        self._stopped = threading.Event()
        self._killed = False
        self._threads: list[threading.Thread] = []

    def setup(self) -> None:
        """Everything that the steps use, made side by side."""
        with ThreadPoolExecutor(len(self.workloads)) as pool:
            list(pool.map(lambda load: load.setup(), self.workloads))

    def start(self, seed: str) -> None:
        """Step, until the server is killed."""
        self._stopped.clear()
        self._killed = False
        self._threads = [
            threading.Thread(target=self._run, args=(load, chance(seed, load.name)), daemon=True)
            for load in self.workloads
        ]
        for thread in self._threads:
            thread.start()

    def kill(self, server: Freehold) -> None:
        """Kill the server in the middle, and wait until every thread has noticed."""
        self._killed = True
        server.kill()
        self.join()

    def join(self) -> None:
        """End the steps."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(90)
            if thread.is_alive():
                self.problems.append("a request did not come back within 90 s of the kill")

    def _run(self, load: Workload, rng: random.Random) -> None:
        try:
            while not self._stopped.is_set():
                self.steps += 1
                with contextlib.suppress(Unclear):
                    load.step(rng)
        except Gone as gone:
            if not self._killed:
                self.problems.append(f"{load.name}: the connection ended while the server lived: {gone}")
        except Exception as problem:  # noqa: BLE001 the run fails with it
            self.problems.append(f"{load.name}: {type(problem).__name__}: {problem}")

    def verify(self, patience: float, ledgers: Callable[[Workload], Ledger] = lambda load: load.ledger) -> list[str]:
        """What is wrong, of all of them, asked side by side."""

        def ask(load: Workload) -> list[str]:
            try:
                return [f"{load.name}: {line}" for line in load.verify(ledgers(load), patience)]
            except Exception as problem:  # noqa: BLE001 the run fails with it
                return [f"{load.name}: {type(problem).__name__}: {problem}"]

        with ThreadPoolExecutor(len(self.workloads)) as pool:
            return [line for lines in pool.map(ask, self.workloads) for line in lines]

    def facts(self) -> Counter[str]:
        """How many were acknowledged, by workload."""
        return Counter({load.name: load.ledger.acknowledged for load in self.workloads})

    def unknown(self) -> int:
        """How many attempts ended with a kill."""
        return sum(load.ledger.unknown for load in self.workloads)


class Killing:
    """A directory (or a store in PostgreSQL) whose server is killed; `wrong` is everything that should not be."""

    def __init__(self, data: Path, seed: int, only: Iterable[str] | None = None, *, store: str = "") -> None:
        self._data, self._seed, self._port = data, seed, free_port()
        self._log = data.with_name(f"{data.name}.log")
        self._chance = chance(seed, "kills")
        self._only = chosen(only)
        self._store, self._flags = store, ("--store", store) if store else ()
        self.kills = 0
        self.stillborn = 0
        """Kills before the server was ready, besides."""
        self.checks = 0
        self.starts_s: list[float] = []
        """How long the server took to be ready after each kill."""
        self.wrong: list[str] = []

    def run(self, kills: int, say: Say = lambda line: None) -> Load:
        """Kill so many times, ask each time, and at the end wait for what is still to arrive."""
        server = self._start()
        load = self.load = Load(Cloud(server.url), self._only)
        try:
            load.setup()
            while self.kills < kills and not self.wrong:
                load.start(f"{self._seed}-{self.kills}")
                shortest, longest = LIVES_S
                time.sleep(self._chance.uniform(shortest, LONG_S if self._chance.random() < 0.25 else longest))
                load.kill(server)
                self.kills += 1
                if self.kills % CHECK_EVERY == 0 or self.kills == kills:
                    self._check("after a kill")
                if self._chance.random() < STILLBORN:
                    self._kill_while_it_starts()
                began = time.monotonic()
                server = self._start()
                self.starts_s.append(time.monotonic() - began)
                last = self.kills == kills
                self.wrong += [f"after kill {self.kills}: {line}" for line in load.verify(PATIENCE_S if last else 0.0)]
                self.wrong += [f"before kill {self.kills}: {line}" for line in load.problems]
                if self.kills % 10 == 0 or last or self.wrong:
                    say(
                        f"{self.kills} kills, {sum(load.facts().values())} facts acknowledged, {load.unknown()} unknown"
                    )
            server.stop()
            if not self.wrong:
                self._check("after it was stopped")
            self.wrong += complaints(self._log)
        finally:
            if server.process.poll() is None:
                server.kill()
        return load

    def _start(self) -> Freehold:
        server = Freehold(data=self._data, flags=("--port", str(self._port), *self._flags), log=self._log)
        try:
            return server.start()
        except StartError:
            server.kill()
            raise

    def _kill_while_it_starts(self) -> None:
        command = Freehold(data=self._data, flags=("--port", str(self._port), *self._flags))._command
        process = subprocess.Popen(command, env=bare_environment(), stdout=subprocess.DEVNULL)
        time.sleep(self._chance.uniform(0.1, 1.0))
        process.kill()
        process.wait()
        self.stillborn += 1

    def _check(self, when: str) -> None:
        lines: list[str] = []
        self.checks += 1
        if check_store(self._store, lines.append) if self._store else check_directory(self._data, lines.append):
            self.wrong += [f"{when} {self.kills}: {line}" for line in lines if line.startswith("broken: ")]
