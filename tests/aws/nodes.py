"""Three nodes on one PostgreSQL, and queues as each of them names them: what tests of a cluster share."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from freehold.kit.tuples import span
from freehold.testing import Freehold
from freehold.work.duties import preferred
from tests import postgres_server
from tests.aws.test_scheduler import role
from tests.aws.waiting import eventually

psycopg = pytest.importorskip("psycopg")

needs_postgresql = pytest.mark.skipif(
    postgres_server.binaries() is None, reason="no PostgreSQL: install Debian's postgresql package"
)


@dataclass
class Nodes:
    """The cluster: three servers, each with a data directory of its own."""

    directory: Path
    url: str
    running: list[Freehold] = field(default_factory=list)
    role: str = ""
    """One that schedules may take."""

    def make(self, number: int) -> Freehold:
        flags = ("--store", self.url, "--blobs", str(self.directory / "blobs"))
        return Freehold(data=self.directory / f"node{number}", flags=flags)

    def whole(self) -> list[Freehold]:
        """All three, started again where they were killed."""
        for number, node in enumerate(self.running):
            if node.process.poll() is not None:
                self.running[number] = self.make(number).start()
        eventually(self._shared_out)
        return self.running

    def _shared_out(self) -> bool:
        """Do all three live, and has each duty gone where it belongs?"""
        described = self._described()
        members = [member["id"] for member in described["members"]]
        return len(members) == 3 and all(
            owner == preferred(name, members)
            for name, owner in described["duties"].items()
            if not name.startswith(("stack:", "imports"))  # these stay where they began
        )

    def _described(self) -> dict[str, Any]:
        """What a node that answers says of the cluster."""
        for node in self.running:
            if node.process.poll() is None:
                try:
                    with urllib.request.urlopen(node.url + "/_freehold/cluster", timeout=3) as answer:
                        return dict(json.load(answer))
                except OSError:
                    continue
        raise AssertionError("no node answers")

    def owner(self, duty: str) -> Freehold:
        """The node that has the duty of this name; or, where it ends with a colon, the first one whose name begins so."""

        def found() -> Freehold | None:
            described = self._described()
            members = {member["id"]: member["url"] for member in described["members"]}
            named = [
                owner
                for name, owner in described["duties"].items()
                if name == duty or (duty.endswith(":") and name.startswith(duty))
            ]
            return next((node for node in self.running if named and node.url == members.get(named[0])), None)

        node: Freehold = eventually(found)
        return node

    def others(self, but: Freehold) -> list[Freehold]:
        return [node for node in self.running if node is not but]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    programs = postgres_server.binaries()
    assert programs is not None
    with postgres_server.cluster(programs) as server:
        cluster = Nodes(tmp_path_factory.mktemp("cluster"), postgres_server.database(server.url, "cluster"))
        try:
            for number in range(3):
                cluster.running.append(cluster.make(number).start())
            cluster.role = role(cluster.running[0].client)
            yield cluster
        finally:
            stopped = [node for node in cluster.running if node.process.poll() is None]
            for node in stopped:
                node.stop()
        with psycopg.connect(cluster.url) as connection:
            query = "SELECT v FROM freehold.kv WHERE k >= %s AND k < %s"
            left = b"".join(bytes(row[0]) for row in connection.execute(query, span("node", "member")))
        assert not any(node.url.encode() in left for node in stopped), "nodes that stop take their rows along"


def queue(node: Freehold, name: str, **attributes: str) -> tuple[str, str]:
    """URL and ARN of a new queue."""
    sqs = node.client("sqs")
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def at(node: Freehold, url: str) -> str:
    """A queue's URL at another node."""
    return node.url + url[url.index("/", 8) :]


def bodies(node: Freehold, url: str, wait: int = 0) -> list[str]:
    """What a queue gives out at once, or within some seconds; it is not seen again for as long as it is invisible."""
    got = node.client("sqs").receive_message(QueueUrl=at(node, url), MaxNumberOfMessages=10, WaitTimeSeconds=wait)
    return [message["Body"] for message in got.get("Messages", [])]


def create_rate(nodes: Nodes, node: Freehold, arn: str, said: str) -> None:
    """A schedule of this name that says so to a queue now, and then in an hour."""
    node.client("scheduler").create_schedule(
        Name=said,
        ScheduleExpression="rate(1 hour)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": arn, "RoleArn": nodes.role, "Input": said},
    )
