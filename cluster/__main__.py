"""`python -m cluster`: three nodes under load; each is killed and cut off in turn, PostgreSQL restarts once.

Exit code 1 where an acknowledged message is not in the table, FIFO order or deduplication did not hold, reserved
concurrency was exceeded, an object was not what was acknowledged, or a node ended by itself.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cluster import application, judge, report
from cluster.client import Cluster
from cluster.load import BATCH, Load
from cluster.machines import PORT, POSTGRES_PORT, Blobs, Node, Postgres, root_keys
from cluster.network import Loopback, Namespaces, Network, why_no_namespaces

HERE = Path(__file__).parent.parent / "bench"


def main() -> None:
    """Build the cluster, load it, break it, judge it; `rolling` and `failover` are modules of their own."""
    if sys.argv[1:2] in (["rolling"], ["failover"]):
        importlib.import_module(f"cluster.{sys.argv[1]}").main(sys.argv[2:])  # and exits
    parser = argparse.ArgumentParser(prog="./dev cluster", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="how often every node is killed and cut off")
    parser.add_argument("--down", type=float, default=5.0, help="seconds that a node stays down or cut off")
    parser.add_argument("--calm", type=float, default=6.0, help="seconds between events")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--producers", type=int, default=3, help="per queue")
    parser.add_argument("--pause", type=float, default=0.05, help="seconds that a producer rests between batches of 5")
    parser.add_argument("--backlog", type=int, default=500, help="messages in a queue at which producers wait")
    parser.add_argument("--loopback", action="store_true", help="no network namespaces, even where they can be had")
    parser.add_argument("--quiet-only", action="store_true", help="no events: only what the cluster does by itself")
    parser.add_argument("--output", type=Path, default=HERE)
    parser.add_argument("--port", type=int, default=5300, help="first port, on loopback")
    given = parser.parse_args()
    refused = "as asked" if given.loopback else why_no_namespaces()
    if refused:
        print(f"No network namespaces ({refused}): on loopback, behind relays.", flush=True)
    directory = Path(tempfile.mkdtemp(prefix="freehold-cluster-"))
    directory.chmod(0o711)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # clean up, as after Ctrl-C
    network: Network = Loopback() if refused else Namespaces()
    run = Run(given, network, directory, given.port if refused else None)
    try:
        wrong = run.all()
    except BaseException:
        for node in run.nodes:
            print(f"--- {node.name}: {node.log()[-1500:]}", file=sys.stderr)
        raise
    finally:
        run.close()
        network.close()
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(bool(wrong))


class Run:
    """One run."""

    def __init__(self, given: argparse.Namespace, network: Network, directory: Path, first_port: int | None) -> None:
        self._given, self._network, self._directory, self._first = given, network, directory, first_port
        self.nodes: list[Node] = []
        self._events: list[report.Event] = []
        self._wrong: list[str] = []
        self._postgres: Postgres | None = None
        self._blobs: Blobs | None = None

    def all(self) -> list[str]:
        """Everything; what was wrong."""
        self._build()
        keys = root_keys(self.nodes)
        boto = application.boto_at(self.nodes[0].url, keys)
        queues = application.deploy(boto)
        cluster = Cluster([node.url for node in self.nodes], keys)
        load = Load(cluster, queues, self._given.producers, self._given.pause, self._given.backlog)
        began, began_wall = time.monotonic(), time.time()
        load.start()
        self._break(began)
        load.stop()
        ended = time.monotonic()
        say(f"load ended after {ended - began:.0f} s; waiting until all has arrived")
        verdict = judge.judge(load, cluster, boto("dynamodb", True).Table("arrived"), ended)
        verdict.wrong += self._wrong
        verdict.facts |= judge.complaints(boto("logs"))
        seconds = int(ended - began) + int(verdict.facts["drained_s"]) + 1
        self._write(cluster, verdict, report.series(cluster, began, began_wall, verdict.arrived, seconds, BATCH))
        return verdict.wrong

    def _build(self) -> None:
        given = self._given
        self._postgres = Postgres(self._network, self._directory / "db", (self._first or POSTGRES_PORT - 90) + 90)
        self._blobs = Blobs(self._network, self._directory / "blobs")
        for number in range(1, given.nodes + 1):
            port = PORT if self._first is None else self._first + number
            self.nodes.append(
                Node(number, self._network, self._postgres, self._blobs, self._directory / f"n{number}", port)
            )
        say(f"{self._network.name}; PostgreSQL at {self._postgres.address}, blobs in {self._blobs.kind}")
        for node in self.nodes:
            node.begin()
            say(f"{node.name} answers at {node.url} after {node.ready():.1f} s")

    def _break(self, began: float) -> None:
        given = self._given
        time.sleep(given.calm + 4)
        if given.quiet_only:
            time.sleep(30)
            return
        for round_ in range(given.rounds):
            for node in self.nodes:
                self._event(began, f"kill {node.name}", lambda node=node: self._kill(node))
            for node in self.nodes:
                self._event(began, f"cut {node.name}", lambda node=node: self._cut(node))
            if round_ == 0:
                self._event(began, "PostgreSQL crashes", self._restart_database)
        for node in self.nodes:
            if node.ended is not None:
                self._wrong.append(f"{node.name} is not there at the end: exit code {node.ended}")

    def _event(self, began: float, what: str, do: Any) -> None:
        for node in self.nodes:
            self._revive(node)
        event = report.Event(what, time.monotonic() - began)
        self._events.append(event)
        say(f"{event.began:6.1f} s  {what}")
        event.said = do()
        event.ended = time.monotonic() - began
        say(f"{event.ended:6.1f} s  over: {event.said}")
        time.sleep(self._given.calm)

    def _kill(self, node: Node) -> str:
        node.kill()
        time.sleep(self._given.down)
        node.begin()
        return f"answers again after {node.ready():.1f} s"

    def _cut(self, node: Node) -> str:
        self._network.cut(node.name)
        time.sleep(self._given.down)
        self._network.restore(node.name)
        began = time.monotonic()
        while time.monotonic() - began < 40 and not node.answers():
            self._revive(node)
            time.sleep(0.1)
        return f"answers again after {time.monotonic() - began:.1f} s"

    def _restart_database(self) -> str:
        assert self._postgres is not None
        began = time.monotonic()
        self._postgres.crash()
        time.sleep(2.0)
        self._postgres.start()
        return f"recovered after {time.monotonic() - began:.1f} s"

    def _revive(self, node: Node) -> None:
        """A node may end itself when it cannot know whether it was replaced (70): its supervisor starts it again."""
        if node.ended is None:
            return
        if node.ended != 70:
            self._wrong.append(f"{node.name} ended by itself with {node.ended}: {node.log()[-800:]}")
        say(f"{node.name} ended with {node.ended}; its supervisor starts it again")
        node.begin()
        node.ready()

    def _write(self, cluster: Cluster, verdict: judge.Verdict, found: report.Series) -> None:
        given = self._given
        repeated: Counter[str] = Counter()
        for kind in cluster.measured.values():
            repeated.update(what for _, what in kind.repeated if "429" not in what)
        header = {
            "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "machine": f"{os.cpu_count()} cores for {given.nodes} nodes, PostgreSQL, the object store and the load itself",
            "others on it": f"load average {os.getloadavg()[1]:.0f} over the last five minutes, this run included",
            "hosts": self._network.name,
            "blobs": self._blobs.kind if self._blobs else "",
            "load": f"{2 * given.producers} producers of batches of {BATCH}, resting {given.pause * 1000:.0f} ms; "
            "6 callers; 1 writer of objects",
            "events": f"{given.rounds} round(s); a node is down or cut off for {given.down:.0f} s",
        }
        given.output.mkdir(exist_ok=True)
        figures = report.table(found, self._events)
        (given.output / "cluster.svg").write_text(report.picture(found, self._events))
        (given.output / "CLUSTER.md").write_text(report.page(header, verdict.facts, verdict.wrong, figures, repeated))
        print(figures)
        for name, value in verdict.facts.items():
            print(f"{name}: {value}")
        print("\n".join(verdict.wrong) if verdict.wrong else "nothing was lost", flush=True)

    def close(self) -> None:
        """End every program."""
        for node in self.nodes:
            if node.process is not None:
                node.stop()
        if self._blobs is not None:
            self._blobs.stop()
        if self._postgres is not None:
            self._postgres.crash()


def say(what: str) -> None:
    print(what, flush=True)


if __name__ == "__main__":
    main()
