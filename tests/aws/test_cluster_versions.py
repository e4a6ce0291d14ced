"""An upgrade of a cluster: versions of one format run side by side, another format is refused and says what to do."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from freehold.testing import Freehold, StartError
from freehold.work.format import FORMAT
from tests import postgres_server
from tests.aws.nodes import at, bodies, needs_postgresql, queue
from tests.aws.waiting import eventually
from tests.versions import Another

pytestmark = needs_postgresql


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    programs = postgres_server.binaries()
    assert programs is not None
    with postgres_server.cluster(programs) as server:
        yield server.url


def versions(node: Freehold) -> dict[str, str]:
    """Of the nodes that live, as one of them sees it: version by URL."""
    with urllib.request.urlopen(node.url + "/_freehold/cluster", timeout=10) as answer:
        return {member["url"]: member["version"] for member in json.load(answer)["members"]}


def duties(node: Freehold) -> set[str]:
    """The duties that a node has, as it sees it."""
    with urllib.request.urlopen(node.url + "/_freehold/cluster", timeout=10) as answer:
        found = json.load(answer)
    ours = next(member["id"] for member in found["members"] if member["self"])
    return {name for name, owner in found["duties"].items() if owner == ours}


def test_nodes_of_two_versions_and_one_format_are_a_cluster(database: str, tmp_path: Path) -> None:
    flags = ("--store", postgres_server.database(database, "mixed"), "--blobs", str(tmp_path / "blobs"))
    with Freehold(data=tmp_path / "old", flags=flags) as old:
        url, _ = queue(old, "orders")
        with Another("7.0.0", data=tmp_path / "new", flags=flags) as new:
            assert eventually(lambda: versions(old).get(new.url)) == "7.0.0"
            assert versions(old) == versions(new)
            new.client("sqs").send_message(QueueUrl=at(new, url), MessageBody="from the new one")
            assert bodies(old, url, 5) == ["from the new one"]
            eventually(lambda: duties(new) and duties(old))  # both have their share of the work
            old.client("sqs").send_message(QueueUrl=url, MessageBody="from the old one")
            assert bodies(new, url, 5) == ["from the old one"]
        assert eventually(lambda: new.url not in versions(old)), "it leaves"
        eventually(lambda: "timers:scheduler" in duties(old))
        old.client("sqs").send_message(QueueUrl=url, MessageBody="the old one goes on")
        assert bodies(old, url, 5) == ["the old one goes on"]


def test_a_newer_format_waits_until_all_nodes_have_stopped_and_then_stays(database: str, tmp_path: Path) -> None:
    flags = ("--store", postgres_server.database(database, "raised"), "--blobs", str(tmp_path / "blobs"))
    newer = Another("7.0.0", FORMAT + 1, data=tmp_path / "new", flags=flags)
    with Freehold(data=tmp_path / "old", flags=flags) as old:
        url, _ = queue(old, "orders")
        with pytest.raises(StartError) as refusal:
            newer.start()
        line = str(refusal.value)
        assert f"the data is in format {FORMAT} and nodes of that format run ({old.url}: 0.1.0)" in line
        assert (
            f"this is Freehold 7.0.0 and would raise it to {FORMAT + 1}: stop all of them, then start this one" in line
        )
        old.client("sqs").send_message(QueueUrl=url, MessageBody="kept")
    with newer, Another("7.0.1", FORMAT + 1, data=tmp_path / "other", flags=flags) as other:
        assert bodies(newer, url, 5) == ["kept"]
        assert eventually(lambda: sorted(versions(other).values()) == ["7.0.0", "7.0.1"])
    with pytest.raises(StartError, match=r"format 2, which came with Freehold 7.0.0; this is Freehold 0.1.0 and knows"):
        Freehold(data=tmp_path / "old", flags=flags).start()


def test_a_directory_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    with Another("7.0.0", FORMAT + 1, data=tmp_path) as newer:
        queue(newer, "orders")
    with pytest.raises(StartError, match=r"install 7.0.0 or newer, or restore a backup from before that upgrade"):
        Freehold(data=tmp_path).start()
