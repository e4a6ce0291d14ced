"""`freehold snapshot` and `restore`: a running server under load, and a stopped one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError

from tests.aws.conftest import STORE, Server, needs_isolation, start, stop
from tests.aws.functions import call, make

pytestmark = pytest.mark.skipif(bool(STORE), reason="snapshots are of data directories")
LARGE = b"0123456789abcdef" * 8192


def freehold(*arguments: str, url: str = "http://127.0.0.1:9") -> tuple[int, str]:
    """Run the command; its exit code and what it said."""
    command = [sys.executable, "-m", "freehold", *arguments]
    done = subprocess.run(command, env={**os.environ, "AWS_ENDPOINT_URL": url}, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


class Load:
    """Threads that write and delete until they are stopped; what was acknowledged, in order."""

    def __init__(self, server: Server) -> None:
        self.done: dict[str, list[str]] = {}
        self._stopping = False
        server.client("s3").create_bucket(Bucket="bucket")
        self.url = server.client("sqs").create_queue(QueueName="queue")["QueueUrl"]
        acts = {"put": self._put, "replace": self._replace, "send": self._send}
        self._threads = [threading.Thread(target=self._run, args=(name, act(server))) for name, act in acts.items()]
        for thread in self._threads:
            thread.start()

    def _put(self, server: Server) -> Callable[[str], Any]:
        s3 = server.client("s3")
        return lambda name: s3.put_object(Bucket="bucket", Key=name, Body=name.encode() + LARGE)

    def _replace(self, server: Server) -> Callable[[str], Any]:
        """Each write releases the file that was written before."""
        s3 = server.client("s3")
        return lambda name: s3.put_object(Bucket="bucket", Key="same", Body=name.encode() + LARGE)

    def _send(self, server: Server) -> Callable[[str], Any]:
        sqs = server.client("sqs")
        return lambda name: sqs.send_message(QueueUrl=self.url, MessageBody=name)

    def _run(self, kind: str, act: Callable[[str], Any]) -> None:
        kept = self.done.setdefault(kind, [])
        while not self._stopping:
            name = f"{kind}-{len(kept)}"
            try:
                act(name)
            except (BotoCoreError, ClientError):
                return
            kept.append(name)

    def wait_for(self, count: int) -> None:
        while any(len(self.done.get(kind, [])) < count for kind in ("put", "replace", "send")):
            assert any(thread.is_alive() for thread in self._threads)
            threading.Event().wait(0.01)

    def stop(self) -> None:
        self._stopping = True
        for thread in self._threads:
            thread.join()


def test_a_snapshot_of_a_server_under_load_is_whole(tmp_path: Path) -> None:
    server = start(tmp_path / "data")
    try:
        make(server.client("lambda"), "000000000000", "function", "def handler(event, context): return 'here'")
        load = Load(server)
        load.wait_for(5)
        before = {kind: list(names) for kind, names in load.done.items()}
        code, said = freehold("snapshot", str(tmp_path / "copy"), url=server.url)
        assert code == 0, said
        load.wait_for(max(map(len, before.values())) + 5)
        load.stop()
        assert len(load.done["send"]) > len(before["send"])
    finally:
        stop(server)
    code, said = freehold("restore", str(tmp_path / "copy"), "--data", str(tmp_path / "again"))
    assert code == 0 and "all invariants hold" in said, said
    server = start(tmp_path / "again")
    try:
        s3, sqs = server.client("s3"), server.client("sqs")
        for name in before["put"]:
            assert s3.get_object(Bucket="bucket", Key=name)["Body"].read() == name.encode() + LARGE
        assert s3.get_object(Bucket="bucket", Key="same")["Body"].read().endswith(LARGE)
        url = sqs.get_queue_url(QueueName="queue")["QueueUrl"]
        shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
        assert len(before["send"]) <= int(shown["ApproximateNumberOfMessages"]) <= len(load.done["send"])
        assert call(server.client("lambda"), "function")[0] == "here", "its package is unpacked again"
    finally:
        stop(server)
    assert freehold("check", "--data", str(tmp_path / "again"))[0] == 0


def test_a_stopped_installation_is_copied_by_the_command_alone(tmp_path: Path) -> None:
    server = start(tmp_path / "data")
    try:
        server.client("s3").create_bucket(Bucket="bucket")
        server.client("s3").put_object(Bucket="bucket", Key="key", Body=LARGE)
    finally:
        stop(server)
    assert freehold("snapshot", str(tmp_path / "copy"), "--data", str(tmp_path / "data"))[0] == 0
    (linked,) = (path for path in (tmp_path / "copy" / "blobs").glob("*/*/*"))
    assert linked.stat().st_nlink == 2, "files of blobs are linked"
    code, said = freehold("snapshot", str(tmp_path / "copy"), "--data", str(tmp_path / "data"))
    assert code == 1 and "is there already" in said
    code, said = freehold("restore", str(tmp_path / "copy"), "--data", str(tmp_path / "data"))
    assert code == 1 and "is not empty" in said
    (tmp_path / "copy" / "snapshot.json").unlink()
    code, said = freehold("restore", str(tmp_path / "copy"), "--data", str(tmp_path / "again"))
    assert code == 1 and "no complete snapshot" in said
    assert not (tmp_path / "again").exists()


def test_a_snapshot_that_lacks_a_blob_is_told_by_restore(tmp_path: Path) -> None:
    server = start(tmp_path / "data")
    try:
        server.client("s3").create_bucket(Bucket="bucket")
        server.client("s3").put_object(Bucket="bucket", Key="key", Body=LARGE)
    finally:
        stop(server)
    assert freehold("snapshot", str(tmp_path / "copy"), "--data", str(tmp_path / "data"))[0] == 0
    (linked,) = (path for path in (tmp_path / "copy" / "blobs").glob("*/*/*"))
    linked.unlink()
    code, said = freehold("restore", str(tmp_path / "copy"), "--data", str(tmp_path / "again"))
    assert code == 1 and "its file is missing" in said


def ask(url: str, order: Any, keys: Credentials | None = None) -> tuple[int, Any]:
    request = AWSRequest("POST", f"{url}/_freehold/snapshot", data=json.dumps(order).encode())
    if keys is not None:
        SigV4Auth(keys, "freehold", "us-east-1").add_auth(request)
    sent = urllib.request.Request(f"{url}/_freehold/snapshot", request.data, dict(request.headers.items()))
    try:
        with urllib.request.urlopen(sent) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as problem:
        return problem.code, json.load(problem)


def test_the_control_api_refuses_what_it_cannot_do(server: Server, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for order, code, word in (
        ({"directory": str(tmp_path / "there")}, 409, "is there already"),
        ({"directory": str(tmp_path / "no" / "where")}, 409, "cannot be made"),
        ({"directory": "relative"}, 400, "absolute"),
        ({"directory": str(server.data / "inside")}, 400, "outside"),
        ({"directory": str(tmp_path / "new"), "data": str(tmp_path)}, 409, "This server has"),
        ({}, 400, "directory"),
    ):
        status, answer = ask(server.url, order)
        assert status == code and word in answer["message"], answer
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_an_ephemeral_server_has_no_snapshots(tmp_path: Path) -> None:
    server = start(tmp_path / "unused", "--ephemeral")
    try:
        status, answer = ask(server.url, {"directory": str(tmp_path / "copy")})
        assert status == 409 and "ephemeral" in answer["message"]
        assert not (tmp_path / "copy").exists()
    finally:
        stop(server)


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Server]:
    running = start(tmp_path / "guarded", "--guarded")
    yield running
    stop(running)


@needs_isolation
def test_a_guarded_server_takes_the_order_of_its_root_only(guarded: Server, tmp_path: Path) -> None:
    said = dict(word.split("=", 1) for word in guarded.said.split() if word.startswith("AWS_"))
    root = Credentials(said["AWS_ACCESS_KEY_ID"], said["AWS_SECRET_ACCESS_KEY"])
    order = {"directory": str(tmp_path / "copy")}
    assert ask(guarded.url, order)[0] == 403
    assert ask(guarded.url, order, Credentials("AKIAIOSFODNN7EXAMPLE", "wrong"))[0] == 403
    assert not (tmp_path / "copy").exists()
    assert ask(guarded.url, order, root)[0] == 200
    command = [sys.executable, "-m", "freehold", "snapshot", str(tmp_path / "second")]
    environment = {**os.environ, **said, "AWS_ENDPOINT_URL": guarded.url}
    assert subprocess.run(command, env=environment, capture_output=True).returncode == 0
    assert (tmp_path / "second" / "snapshot.json").exists()


@pytest.mark.parametrize("command", [("snapshot", "copy"), ("restore", "copy")])
def test_what_is_about_directories_refuses_a_store_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("FREEHOLD_STORE", "postgresql://nobody@127.0.0.1:9/nothing")
    monkeypatch.chdir(tmp_path)
    code, said = freehold(*command)
    assert code == 1 and "The state is in PostgreSQL" in said
    assert list(tmp_path.iterdir()) == []
