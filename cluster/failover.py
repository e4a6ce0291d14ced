"""`./dev cluster failover`: Freehold on PostgreSQL with a standby, run by Patroni with the lines of docs/operations.md; what
clients see while the primary dies, is moved, restarts, and while the standby is gone; and whether anything was lost.

Exit code 1 where the judge of ./dev cluster finds something, or a node ended by itself.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cluster import application, judge
from cluster.client import Cluster
from cluster.load import Load
from cluster.machines import Blobs, Node, root_keys
from cluster.network import Unbroken
from cluster.patroni import PASSWORD, Member, Patroni

WRITES = ("send", "send to FIFO", "put")


@dataclass(slots=True)
class Seen:
    """What clients saw while something happened to the database."""

    what: str
    began: float
    ended: float = 0.0
    said: str = ""
    silence: float = 0.0
    """The longest time, in seconds, in which no write at all was answered."""
    repeated: Counter[str] = field(default_factory=Counter)


def main(arguments: list[str]) -> None:
    """Build it, load it, break its database, judge it."""
    parser = argparse.ArgumentParser(prog="./dev cluster failover", description=__doc__)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--calm", type=float, default=6.0, help="seconds between events")
    parser.add_argument("--producers", type=int, default=2, help="per queue")
    parser.add_argument("--pause", type=float, default=0.1, help="seconds that a producer rests between batches of 5")
    parser.add_argument("--rounds", type=int, default=1, help="how often the primary is killed")
    parser.add_argument(
        "--asynchronous", action="store_true", help="without synchronous_mode: this is to lose something"
    )
    parser.add_argument("--port", type=int, default=4740, help="first port, on loopback")
    given = parser.parse_args(arguments)
    directory = Path(tempfile.mkdtemp(prefix="freehold-failover-"))
    directory.chmod(0o711)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # clean up, as after Ctrl-C
    run = Failover(given, directory)
    try:
        wrong = run.all()
    except BaseException:
        for text in run.logs():
            print(text, file=sys.stderr)
        raise
    finally:
        run.close()
        shutil.rmtree(directory, ignore_errors=True)
    print("\n".join(wrong) if wrong else "nothing acknowledged was lost", flush=True)
    sys.exit(bool(wrong))


class Failover:
    """One run."""

    def __init__(self, given: argparse.Namespace, directory: Path) -> None:
        self._given, self._directory, self._network = given, directory, Unbroken()
        self.seen: list[Seen] = []
        self._wrong: list[str] = []
        self.database = Patroni(directory / "db", given.port, synchronous=not given.asynchronous)
        self._blobs = Blobs(self._network, directory / "blobs")
        self.nodes = [
            Node(at, self._network, self.database, self._blobs, directory / f"n{at}", given.port + 30 + at)
            for at in range(1, given.nodes + 1)
        ]

    def all(self) -> list[str]:
        """Everything; what was wrong."""
        for node in self.nodes:
            node.settings["PGPASSWORD"] = PASSWORD
            node.begin()
            print(f"{node.name} answers at {node.url} after {node.ready():.1f} s", flush=True)
        keys = root_keys(self.nodes)
        boto = application.boto_at(self.nodes[0].url, keys)
        queues = application.deploy(boto)
        self._cluster = Cluster([node.url for node in self.nodes], keys)
        load = Load(self._cluster, queues, self._given.producers, self._given.pause, 500)
        load.start()
        time.sleep(self._given.calm + 4)
        self._events()
        load.stop()
        verdict = judge.judge(load, self._cluster, boto("dynamodb", True).Table("arrived"), time.monotonic())
        print(table(self.seen))
        for name in ("acknowledged", "in the table", "violations", "objects written", "of them at once"):
            print(f"{name}: {verdict.facts[name]}")
        return self._wrong + verdict.wrong

    def _events(self) -> None:
        self._see("nothing", lambda: "")
        for _ in range(self._given.rounds):
            self._see("the primary's host dies (kill -9 of PostgreSQL and Patroni)", self._kill_host)
        if self._given.asynchronous:
            return
        self._see("PostgreSQL alone is killed, Patroni starts it again", self._kill_postgres)
        self._see("switchover (`patronictl switchover`)", self._switch_over)
        self._see("the standby's host dies", self._kill_standby)

    def _kill_host(self) -> str:
        before = self._primary()
        if self._given.asynchronous:
            standby = next(member for member in self.database.members if member is not before)
            standby.kill()
            time.sleep(3.0)
            before.kill()
            standby.start()
        else:
            before.kill()
        led = self.database.wait_writable(but=before)
        time.sleep(8.0)
        before.start()
        in_step = self.database.wait_in_sync()
        return f"the other takes writes after {led:.1f} s; in step again {in_step:.1f} s after a restart"

    def _kill_postgres(self) -> str:
        before = self._primary()
        before.kill_postgres()
        led = self.database.wait_writable()
        in_step = self.database.wait_in_sync()
        after = "the same" if self._primary() is before else "the other"
        return f"{after} takes writes after {led:.1f} s; in step {in_step:.1f} s later"

    def _switch_over(self) -> str:
        before = self._primary()
        began = time.monotonic()
        self.database.switch_over()
        self.database.wait_writable(but=before)
        led = time.monotonic() - began
        return f"the other takes writes after {led:.1f} s; in step {self.database.wait_in_sync():.1f} s later"

    def _kill_standby(self) -> str:
        primary = self._primary()
        standby = next(member for member in self.database.members if member is not primary)
        standby.kill()
        time.sleep(25.0)
        standby.start()
        return f"in step again {self.database.wait_in_sync():.1f} s after a restart"

    def _primary(self) -> Member:
        found = self.database.primary()
        assert found is not None
        return found

    def _see(self, what: str, do: Callable[[], str]) -> None:
        seen = Seen(what, time.monotonic())
        self.seen.append(seen)
        print(what, flush=True)
        seen.said = do()
        time.sleep(self._given.calm)
        seen.ended = time.monotonic()
        answered = sorted(
            at
            for kind in WRITES
            for at, _ in list(self._cluster.of(kind).answered)
            if seen.began - 1 <= at <= seen.ended
        )
        gaps = [after - before for before, after in itertools.pairwise([seen.began, *answered, seen.ended])]
        seen.silence = max(gaps)
        for measured in self._cluster.measured.values():
            why = [
                why.partition(" ")[2] for at, why in list(measured.repeated) if at >= seen.began and "429" not in why
            ]
            seen.repeated.update(why)
        for node in self.nodes:
            if node.ended is not None:
                self._wrong.append(f"{node.name} ended by itself with {node.ended}: {node.log()[-1500:]}")
                node.begin()
                node.ready()
        print(f"  no write answered for {seen.silence:.1f} s, repeated: {dict(seen.repeated)}, {seen.said}", flush=True)

    def logs(self) -> list[str]:
        """The ends of everybody's logs."""
        found = [f"--- {member.name}: {member.log()[-2500:]}" for member in self.database.members]
        return found + [f"--- {node.name}: {node.log()[-1500:]}" for node in self.nodes if node.starts]

    def close(self) -> None:
        """End every program."""
        for node in self.nodes:
            if node.process is not None:
                node.stop()
        self._blobs.stop()
        self.database.crash()
        self._network.close()


def table(seen: list[Seen]) -> str:
    """Markdown."""
    lines = ["| event | no write answered for | what clients had to repeat | |", "|---|---|---|---|"]
    for one in seen:
        repeated = ", ".join(f"{count} times {why.strip()}" for why, count in one.repeated.most_common()) or "nothing"
        lines.append(f"| {one.what} | {one.silence:.1f} s | {repeated} | {one.said} |")
    return "\n".join(lines) + "\n"
