"""`./dev cluster rolling`: three nodes behind HAProxy, with the lines of docs/operations.md; what a client sees that asks
the balancer alone while a node is killed, and while all three are replaced, one after the other, by another version.

Exit code 1 where a call failed while nodes were replaced, or the judge of ./dev cluster finds something.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from cluster import application, judge
from cluster.balancer import Balancer, drain_of_the_page
from cluster.client import Client, Cluster, Stoppable
from cluster.load import Load
from cluster.machines import PORT, POSTGRES_PORT, Blobs, Node, Postgres, root_keys
from cluster.network import Loopback, Namespaces, Network, why_no_namespaces
from freehold.work import format
from tests import versions

POLL_S = 6
"""Seconds that a long poll waits; the client gives up after eight."""


@dataclass(slots=True)
class Seen:
    """What clients saw while something happened."""

    what: str
    began: float
    ended: float = 0.0
    said: str = ""
    answered: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    reopened: int = 0
    slowest: float = 0.0


class Waiter(Stoppable):
    """Asks an empty queue for messages, over and over: long polls that a stopping node has to end."""

    def __init__(self, cluster: Cluster, number: int, queue: str) -> None:
        super().__init__(f"waiter {number}")
        self._client, self._queue = Client(cluster), queue

    def work(self) -> None:
        request = {"QueueUrl": self._queue, "WaitTimeSeconds": POLL_S}
        while not self.stopping.is_set():
            self._client.json("long poll", "sqs", "AmazonSQS.ReceiveMessage", request)


class Asker(Stoppable):
    """Asks a small question, over and over, on a connection that stays open."""

    def __init__(self, cluster: Cluster, number: int, queue: str) -> None:
        super().__init__(f"asker {number}")
        self._client, self._queue = Client(cluster), queue

    def work(self) -> None:
        request = {"QueueUrl": self._queue, "AttributeNames": ["VisibilityTimeout"]}
        while not self.stopping.is_set():
            self._client.json("ask", "sqs", "AmazonSQS.GetQueueAttributes", request)
            self.stopping.wait(0.005)


def main(arguments: list[str]) -> None:
    """Build it, load it, replace its nodes, judge it."""
    parser = argparse.ArgumentParser(prog="./dev cluster rolling", description=__doc__)
    parser.add_argument("--calm", type=float, default=4.0, help="seconds between events")
    parser.add_argument("--down", type=float, default=5.0, help="seconds that the killed node stays down")
    parser.add_argument("--producers", type=int, default=2, help="per queue")
    parser.add_argument("--pause", type=float, default=0.1, help="seconds that a producer rests between batches of 5")
    parser.add_argument("--askers", type=int, default=6, help="threads that ask small questions without rest")
    parser.add_argument("--drain", help="seconds, instead of the page's; 0 is to fail, with enough askers")
    parser.add_argument("--version", default="7.0.0", help="what the new nodes say they are")
    parser.add_argument("--new", type=Path, help="a checkout of another version, which the new nodes then really are")
    parser.add_argument("--loopback", action="store_true", help="no network namespaces, even where they can be had")
    parser.add_argument("--port", type=int, default=4700, help="first port, on loopback; the balancer's is ten more")
    given = parser.parse_args(arguments)
    refused = "as asked" if given.loopback else why_no_namespaces()
    directory = Path(tempfile.mkdtemp(prefix="freehold-rolling-"))
    directory.chmod(0o711)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # clean up, as after Ctrl-C
    network: Network = Loopback() if refused else Namespaces()
    run = Rolling(given, network, directory, given.port if refused else None)
    try:
        wrong = run.all()
    finally:
        run.close()
        network.close()
        shutil.rmtree(directory, ignore_errors=True)
    print("\n".join(wrong) if wrong else "no request was lost to the upgrade, and nothing acknowledged", flush=True)
    sys.exit(bool(wrong))


class Rolling:
    """One run."""

    def __init__(self, given: argparse.Namespace, network: Network, directory: Path, first_port: int | None) -> None:
        self._given, self._network, self._directory = given, network, directory
        self.seen: list[Seen] = []
        self._wrong: list[str] = []
        self._postgres = Postgres(network, directory / "db", POSTGRES_PORT if first_port is None else first_port + 90)
        self._blobs = Blobs(network, directory / "blobs")
        ports = [PORT if first_port is None else first_port + number for number in (1, 2, 3)]
        self.nodes = [
            Node(at + 1, network, self._postgres, self._blobs, directory / f"n{at + 1}", port)
            for at, port in enumerate(ports)
        ]
        self._balancer: Balancer | None = None

    def all(self) -> list[str]:
        """Everything; what was wrong."""
        for node in self.nodes:
            node.settings["FREEHOLD_DRAIN"] = self._given.drain or drain_of_the_page()
            node.begin()
            print(f"{node.name} answers at {node.url} after {node.ready():.1f} s", flush=True)
        self._balancer = Balancer(self._directory / "haproxy", self.nodes, self._given.port + 10)
        self._balancer.ready()
        keys = root_keys(self.nodes)
        boto = application.boto_at(self._balancer.url, keys)
        queues = application.deploy(boto)
        idle = boto("sqs").create_queue(QueueName="idle")["QueueUrl"]
        self._cluster = Cluster([self._balancer.url], keys)
        load = Load(self._cluster, queues, self._given.producers, self._given.pause, 500)
        waiters: list[Stoppable] = [Waiter(self._cluster, number, idle) for number in range(3)]
        waiters += [Asker(self._cluster, number, idle) for number in range(self._given.askers)]
        load.start()
        for waiter in waiters:
            waiter.start()
        time.sleep(self._given.calm + 6)
        self._events()
        for waiter in waiters:
            waiter.stopping.set()
        load.stop()
        verdict = judge.judge(load, self._cluster, boto("dynamodb", True).Table("arrived"), time.monotonic())
        print(table(self.seen))
        for name in ("acknowledged", "in the table", "violations", "objects written", "of them at once"):
            print(f"{name}: {verdict.facts[name]}")
        return self._wrong + verdict.wrong + [waiter.problem for waiter in waiters if waiter.problem]

    def _events(self) -> None:
        self._see("nothing", lambda: time.sleep(6.0))
        self._see("kill -9 n1, and start it again", lambda: self._kill(self.nodes[0]))
        self._see("stop n2 (SIGTERM), and start it again", lambda: self._replace(self.nodes[1]), lossless=True)
        new = versions.command(self._given.version, format.FORMAT)
        if self._given.new:
            start = (
                f"import sys; sys.path.insert(0, {str(self._given.new)!r}); from freehold.node import cli; cli.main()"
            )
            new = [sys.executable, "-c", start]
        for node in self.nodes:
            node.program = new
            self._see(
                f"replace {node.name} by {self._given.new or self._given.version}",
                partial(self._replace, node),
                lossless=True,
            )

    def _kill(self, node: Node) -> None:
        node.kill()
        time.sleep(self._given.down)
        node.begin()
        node.ready()
        time.sleep(3.0)

    def _replace(self, node: Node) -> None:
        began = time.monotonic()
        code = node.stop()
        stopped = time.monotonic()
        if code != 0:
            self._wrong.append(f"{node.name} ended with {code}: {node.log()[-1500:]}")
        node.begin()
        node.ready()
        self.seen[-1].said = f"stopped in {stopped - began:.1f} s, answers {time.monotonic() - stopped:.1f} s later"
        time.sleep(3.0)

    def _see(self, what: str, do: Callable[[], None], *, lossless: bool = False) -> None:
        seen = Seen(what, time.monotonic())
        self.seen.append(seen)
        print(what, flush=True)
        do()
        seen.ended = time.monotonic()
        for kind, measured in self._cluster.measured.items():
            took = [long for at, long in list(measured.answered) if seen.began <= at <= seen.ended]
            seen.answered += len(took)
            if kind != "long poll":
                seen.slowest = max([seen.slowest, *took])
            seen.failed.update(why for at, why in list(measured.repeated) if at >= seen.began and "429" not in why)
            seen.reopened += sum(at >= seen.began for at in list(measured.reopened))
        if lossless and (seen.failed or seen.reopened):
            self._wrong.append(f"{what}: clients met {dict(seen.failed)}, closed connections: {seen.reopened}")
        print(f"  {seen.answered} answered, failed: {dict(seen.failed)}, {seen.said}", flush=True)
        time.sleep(self._given.calm)

    def close(self) -> None:
        """End every program."""
        if self._balancer is not None:
            self._balancer.stop()
        for node in self.nodes:
            if node.process is not None:
                node.stop()
        self._blobs.stop()
        self._postgres.crash()


def table(seen: list[Seen]) -> str:
    """Markdown."""
    lines = ["| event | lasted | calls answered | calls that failed | slowest | |", "|---|---|---|---|---|---|"]
    for one in seen:
        failed = ", ".join(f"{count} times {why.partition(' ')[2]}" for why, count in one.failed.items())
        if one.reopened:
            failed += f"{', ' if failed else ''}{one.reopened} connections closed"
        lines.append(
            f"| {one.what} | {one.ended - one.began:.1f} s | {one.answered} | {failed or '0'} | {one.slowest:.1f} s "
            f"| {one.said} |"
        )
    return "\n".join(lines) + "\n"
