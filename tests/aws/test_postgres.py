"""A server whose state is in PostgreSQL: what a second one takes over, and what a restart of the database costs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from freehold.kit.tuples import pack
from freehold.testing import Freehold
from tests import postgres_server
from tests.aws.test_scheduler import role
from tests.aws.test_up import refused

pytest.importorskip("psycopg")

pytestmark = pytest.mark.skipif(
    postgres_server.binaries() is None, reason="no PostgreSQL: install Debian's postgresql package"
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[postgres_server.Cluster]:
    """A server of PostgreSQL's of this module's own."""
    programs = postgres_server.binaries()
    assert programs is not None
    with postgres_server.cluster(programs) as running:
        yield running


def freehold(data: Path, url: str) -> Freehold:
    """A server on the database at `url`; time stands."""
    return Freehold(data=data, manual_clock=True, flags=("--store", url)).start()


def queue(server: Freehold) -> tuple[Any, str]:
    sqs = server.client("sqs")
    return sqs, sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "3600"})["QueueUrl"]


def received(sqs: Any, url: str) -> list[str]:
    bodies: list[str] = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        bodies += [message["Body"] for message in messages]
    return sorted(bodies)


def test_a_second_server_takes_over_when_the_first_is_killed(tmp_path: Path, cluster: postgres_server.Cluster) -> None:
    url = postgres_server.database(cluster.url, "takeover")
    first = freehold(tmp_path / "first", url)
    sqs, at = queue(first)
    sqs.send_message(QueueUrl=at, MessageBody="at once")
    sqs.send_message(QueueUrl=at, MessageBody="after a delay", DelaySeconds=600)
    arn = sqs.get_queue_attributes(QueueUrl=at, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    first.client("scheduler").create_schedule(
        Name="s",
        ScheduleExpression="rate(30 minutes)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": arn, "RoleArn": role(first.client), "Input": "on time"},
    )

    line = refused("--port", "0", "--data", str(tmp_path / "second"), "--store", url)
    assert "the database is in use by another Freehold (on this host, since " in line

    first.kill()
    second = freehold(tmp_path / "second", url)
    try:
        sqs, at = queue(second)
        second.clock.advance("1s")
        assert received(sqs, at) == ["at once", "on time"]  # a rate begins with its creation
        second.clock.advance("50m")
        assert received(sqs, at) == ["after a delay", "on time"]
    finally:
        second.stop()


def test_calls_wait_while_the_database_restarts(tmp_path: Path, cluster: postgres_server.Cluster) -> None:
    server = freehold(tmp_path / "data", postgres_server.database(cluster.url, "restart"))
    try:
        sqs, at = queue(server)
        acknowledged: list[str] = []
        under_way = threading.Event()

        def send(name: int) -> None:
            for n in range(40):
                body = f"{name}/{n}"
                sqs.send_message(QueueUrl=at, MessageBody=body)
                acknowledged.append(body)
                if len(acknowledged) > 20:
                    under_way.set()

        with ThreadPoolExecutor(3) as threads:
            senders = [threads.submit(send, name) for name in range(3)]
            assert under_way.wait(30)
            cluster.stop()
            cluster.start()
            for sender in senders:
                sender.result(60)
        assert received(sqs, at) == sorted(acknowledged)
        assert len(acknowledged) == 120
    finally:
        server.stop()


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    url = "postgresql://somebody:secret@/nothing?host=/nowhere"
    line = refused("--port", "0", "--data", str(tmp_path), FREEHOLD_STORE=url)
    assert "PostgreSQL cannot be reached" in line and "secret" not in line


def test_a_store_is_checked_while_servers_run(tmp_path: Path, cluster: postgres_server.Cluster) -> None:
    import psycopg

    from freehold.node import checks
    from freehold.store.base import StoreUnusable

    url = postgres_server.database(cluster.url, "checked")
    with pytest.raises(StoreUnusable, match="no store of Freehold's"):
        checks.check_store(url)
    server = freehold(tmp_path / "data", url)
    try:
        sqs, at = queue(server)
        for number in range(5):
            sqs.send_message(QueueUrl=at, MessageBody=str(number))
        lines: list[str] = []
        assert checks.command(tmp_path, lines.append, store=url) == 0, lines
        with psycopg.connect(url, autocommit=True) as connection:
            row = "SELECT k FROM freehold.kv WHERE k >= %s ORDER BY k LIMIT 1"
            total = connection.execute(row, (pack("sqs", None, "g"),)).fetchone()
            connection.execute("DELETE FROM freehold.kv WHERE k = %s", total)
        lines.clear()
        assert checks.command(tmp_path, lines.append, store=url) == 1
        assert any(line.startswith("broken: sqs: ") for line in lines), lines
    finally:
        server.kill()
