"""Power cuts under the mixed load: the disk as each leaves it is opened, checked, and asked for what was acknowledged."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from freehold.node.checks import check_directory
from freehold.testing import Freehold, StartError
from tests.crash.mixed import Load, Say, chosen, free_port
from tests.crash.power.disk import SECTOR, Coin, Disk, Record, records
from tests.crash.seeds import chance
from workloads import Cloud, Ledger

PER_RECORD = 24
"""Cuts of one recorded run; then another is recorded."""
RECORD_S = 90.0
"""A run is recorded until every workload has ENOUGH facts, at most for so long."""
ENOUGH = 12
PATIENCE_S = 120.0
PATIENT = 3
"""Every third cut waits until what was to arrive elsewhere has; the others ask for what is there at once."""

ANYWHERE = "anywhere"
ANSWERED = "right after an answer"
BLOB = "after the sync of a blob, before the commit that names it"
COMMIT = "after a commit was written, before its sync"
CHECKPOINT = "in a checkpoint"
RESTART = "when the write-ahead log begins anew"
KINDS = (ANSWERED, BLOB, COMMIT, CHECKPOINT, RESTART, ANYWHERE)
MODES: dict[str, int | None] = {"dropped": None, "torn": SECTOR, "reordered": 1 << 62}
"""What happens to what was not synced: it is gone, or each sector or write of it is there by the throw of a coin."""


def wanted(path: str) -> bool:
    """What lasts: the database with its log, and blobs. The log's index is made anew at every start."""
    return path.endswith("/data") or "/data/blobs" in path or (path.rpartition("/")[2] in ("store.db", "store.db-wal"))


def moments(log: Path, first: int) -> dict[str, list[int]]:
    """Lengths of the log at moments of interest, by kind, once the load had begun."""
    what: dict[int, str] = {}
    found: dict[str, list[int]] = {kind: [] for kind in KINDS}
    for record in records(log):
        if record.op == "C":
            path = record.data.decode()
            what[record.inode] = "blob" if "/blobs/" in path and not record.a else path.rpartition("/")[2]
            continue
        if record.end <= first:
            continue
        found[ANYWHERE].append(record.end)
        file = what.get(record.inode, "")
        if file == "blob" and record.op == "S":
            found[BLOB].append(record.end)
        elif file == "store.db" and record.op == "W":
            found[CHECKPOINT].append(record.end)
        elif file == "store.db-wal" and record.op == "W":
            found[RESTART if record.a == 0 else COMMIT].append(record.end)
    return found


class Cutting:
    """Runs that are recorded and cut; `wrong` is everything that should not be."""

    def __init__(self, where: Path, shim: Path, seed: int, only: Iterable[str] | None = None) -> None:
        self._where, self._shim, self._seed = where, shim, seed
        self._only = chosen(only)
        self._chance = chance(seed, "cuts")
        self._cloud: Cloud | None = None
        self._flags = ("--port", str(free_port()))
        self.cuts = 0
        self.kinds: Counter[str] = Counter()
        """How many cuts were of which kind."""
        self.facts: Counter[str] = Counter()
        """Acknowledged facts that were asked for, over all cuts, by workload."""
        self.wrong: list[str] = []

    def run(self, cuts: int, say: Say = lambda line: None) -> None:
        """Cut so many times."""
        number = 0
        while self.cuts < cuts and not self.wrong:
            number += 1
            run = self._where / f"run-{number}"
            run.mkdir(mode=0o711)
            self._one(run, number, min(PER_RECORD, cuts - self.cuts), say)
            if not self.wrong:
                shutil.rmtree(run)

    def _one(self, run: Path, number: int, cuts: int, say: Say) -> None:
        """Record one run and cut it."""
        root, log = run / "disk", run / "log"
        root.mkdir(mode=0o711)
        load, first = self._record(root, log, f"{self._seed}-{number}", say)
        if self.wrong:
            return
        known = moments(log, first)
        known[ANSWERED] = sorted({end for each in load.workloads for end in each.ledger.ends() if end > first})
        disk, history, read = Disk(root, wanted), records(log), 0
        for cut, kind, mode in self._cuts(known, cuts):
            read = forward(disk, history, read, cut)
            image = run / f"cut-{self.cuts}"
            image.mkdir(mode=0o711)
            disk.image(image, self._coin(mode), MODES[mode] or SECTOR)
            wrong = self._open(image / "data", load, read)
            self.cuts += 1
            self.kinds[kind] += 1
            self.wrong += [f"cut {self.cuts} of run {number}, {kind}, {mode}: {line}" for line in wrong]
            if wrong:
                return
            shutil.rmtree(image)
            if self.cuts % 10 == 0 or self.cuts == cuts:
                say(f"{self.cuts} cuts, {self.facts.total()} acknowledged facts asked for")

    def _record(self, root: Path, log: Path, seed: str, say: Say) -> tuple[Load, int]:
        """The load, ended by a kill, and how long the log was when it began."""
        server = Freehold(data=root / "data", flags=self._flags)
        variables = [f"LD_PRELOAD={self._shim}", f"POWER_ROOT={root}", f"POWER_LOG={log}"]
        server._command = ["env", *variables, *server._command]
        server.start()
        try:
            self._cloud = self._cloud or Cloud(server.url)
            load = Load(self._cloud, self._only, lambda: Ledger(lambda: log.stat().st_size))
            load.setup()
            first = log.stat().st_size
            load.start(seed)
            until = time.monotonic() + RECORD_S
            while min(load.facts().values()) < ENOUGH and time.monotonic() < until and not load.problems:
                threading.Event().wait(0.05)
            load.kill(server)
        finally:
            if server.process.poll() is None:
                server.kill()
        self.wrong += [f"while recording: {line}" for line in load.problems]
        say(f"recorded {log.stat().st_size / 1e6:.0f} MB of writes, {load.facts().total()} facts acknowledged")
        return load, first

    def _cuts(self, known: dict[str, list[int]], count: int) -> list[tuple[int, str, str]]:
        """Moments with their kinds and modes, in the order of time."""
        kinds = [kind for kind in KINDS if known[kind]]
        chosen = []
        for at in range(count):
            kind = kinds[at % len(kinds)]
            chosen.append((self._chance.choice(known[kind]), kind, self._chance.choice(list(MODES))))
        return sorted(chosen)

    def _coin(self, mode: str) -> Coin | None:
        throw = chance(self._seed, "coin", self.cuts)
        return (lambda: throw.random() < 0.5) if MODES[mode] is not None else None

    def _open(self, data: Path, load: Load, read: int) -> list[str]:
        """Check the image, serve it, ask, check again."""
        wrong = broken(data)
        if wrong:
            return wrong
        then = {each.name: each.ledger.as_of(read) for each in load.workloads}
        self.facts.update({name: len(ledger.present()) for name, ledger in then.items()})
        server = Freehold(data=data, flags=self._flags)
        try:
            server.start()
            wrong = load.verify(0.0 if self.cuts % PATIENT else PATIENCE_S, lambda each: then[each.name])
            server.kill()
        except StartError as problem:
            wrong = [str(problem)]
        finally:
            if server.process.poll() is None:
                server.kill()
        return wrong or [f"after the server ran: {line}" for line in broken(data)]


def broken(data: Path) -> list[str]:
    """Invariants that do not hold."""
    lines: list[str] = []
    check_directory(data, lines.append)
    return [line for line in lines if line.startswith("broken: ")]


def forward(disk: Disk, history: Iterator[Record], read: int, cut: int) -> int:
    """Apply records up to a length of the log; answers the length of what was applied."""
    while read < cut:
        record = next(history)
        disk.apply(record)
        read = record.end
    return read
