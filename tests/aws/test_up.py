"""`freehold up` as people start and stop it: one ready line, or one line that says why not."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from freehold.testing import Freehold
from tests.aws.conftest import ROOT, Server, start, stop
from tests.aws.functions import call, make

ACCOUNT = "000000000000"


def refused(*flags: str, **environment: str) -> str:
    """What a start that fails says: one line, and exit code 1."""
    done = subprocess.run(
        [sys.executable, "-m", "freehold", "up", *flags],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stdout) == (1, ""), done
    (line,) = done.stderr.splitlines()
    assert line.startswith("freehold: ")
    return line


def descendants(pid: int) -> set[int]:
    """The processes below one, by the kernel's tables."""
    parents: dict[int, int] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents[int(name)] = int(fields[1])
    found = {pid}
    while grown := {child for child, parent in parents.items() if parent in found} - found:
        found |= grown
    return found - {pid}


def alive(pids: set[int]) -> set[int]:
    """Those that still run."""
    states = {}
    for pid in pids:
        try:
            states[pid] = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
    return {pid for pid, state in states.items() if state != "Z"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("flags", [(), ("--ephemeral",)], ids=["durable", "ephemeral"])
def test_a_signal_ends_it_cleanly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, flags: tuple[str, ...]
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    running = start(tmp_path / "data", *flags)
    client = running.client("lambda")
    make(client, ACCOUNT, source="def handler(event, context): print('last words')")
    call(client)
    below = descendants(running.process.pid)
    assert below, "templates and an instance"
    running.process.send_signal(number)
    assert running.process.wait(20) == 0
    deadline = time.monotonic() + 5
    while alive(below) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(below)
    assert os.listdir(temporary) == []
    if not flags:
        assert os.listdir(tmp_path / "data" / "scratch") == []
        again = start(tmp_path / "data")
        try:
            events = again.client("logs").filter_log_events(logGroupName="/aws/lambda/hello")["events"]
            assert "last words\n" in [event["message"] for event in events], "logs are flushed at the end"
        finally:
            stop(again)


def test_a_call_under_way_is_told_that_the_server_stops(tmp_path: Path) -> None:
    running = start(tmp_path / "data")
    client = running.client("lambda")
    make(client, ACCOUNT, source="import time\ndef handler(event, context): time.sleep(event['s'])", Timeout=60)
    seen: list[int] = []

    def wait() -> None:
        try:
            call(client, event={"s": 50})
        except ClientError as problem:
            seen.append(problem.response["ResponseMetadata"]["HTTPStatusCode"])

    call(client, event={"s": 0})
    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.3)
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(20) == 0
    waiting.join()
    assert seen == [503]


def test_a_server_that_drains_serves_on_while_its_health_sends_others_away(tmp_path: Path) -> None:
    running = start(tmp_path / "data", "--drain", "600")
    sqs = running.client("sqs")
    assert health(running) == (200, "ready")
    running.process.terminate()
    deadline = time.monotonic() + 10
    while health(running) != (503, "about to stop"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert sqs.create_queue(QueueName="late")["QueueUrl"], "it serves"
    running.process.terminate()  # a second one does not wait
    assert running.process.wait(20) == 0


def health(running: Server) -> tuple[int, str]:
    """What whoever balances load is told."""
    try:
        with urllib.request.urlopen(f"{running.url}/_freehold/health", timeout=5) as answer:
            return answer.status, json.load(answer)["status"]
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)["status"]


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused("--port", str(port), "--data", str(tmp_path / "data"))
    assert line == (
        f"freehold: Port {port} on 127.0.0.1 cannot be used: Address already in use. "
        "Stop what listens there, or choose another with --port."
    )


def test_a_second_server_on_the_same_directory(tmp_path: Path) -> None:
    running = start(tmp_path / "data")
    try:
        line = refused("--port", "0", "--data", str(tmp_path / "data"))
        assert f"in use by another Freehold (process {running.process.pid})" in line
    finally:
        stop(running)


def test_a_directory_of_a_newer_version(tmp_path: Path) -> None:
    stop(Server(Freehold(data=tmp_path / "data").start(), tmp_path))  # on SQLite, whatever the others run on
    with sqlite3.connect(tmp_path / "data" / "store.db") as database:
        database.execute("PRAGMA user_version=99")
    database.close()
    assert "was written by a newer Freehold (store version 99" in refused(
        "--port", "0", "--data", str(tmp_path / "data")
    )


def test_directories_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nothing")):
        assert f"cannot use {place} as the data directory" in refused("--port", "0", "--data", str(place))
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    with sqlite3.connect(foreign / "store.db") as database:
        database.execute("CREATE TABLE theirs (x)")
    database.close()
    assert str(foreign) in refused("--port", "0", "--data", str(foreign))
    (foreign / "store.db").write_bytes(b"not a database at all" * 1000)
    assert str(foreign) in refused("--port", "0", "--data", str(foreign))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_is_not_writable(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    assert "Permission denied" in refused("--port", "0", "--data", str(tmp_path / "locked" / "data"))


@pytest.mark.parametrize(
    ("flags", "environment", "words"),
    [
        (("--port", "65536"), {}, "between 0 and 65535"),
        (("--bind", "0.0.0.0"), {}, "Add --guarded"),
        (("--account", "12"), {}, "12 digits"),
        (("--region", "nowhere"), {}, "like us-east-1"),
        (("--store", "mysql://host"), {}, "a URL like postgresql://"),
        (("--store", "postgresql://host/db", "--ephemeral"), {}, "choose either --ephemeral or --store"),
        ((), {"FREEHOLD_PORT": "x"}, "port must be a number"),
        ((), {"FREEHOLD_GUARDED": "perhaps"}, "guarded must be true or false"),
    ],
)
def test_settings_that_make_no_sense(flags: tuple[str, ...], environment: dict[str, str], words: str) -> None:
    assert words in refused(*flags, **environment)


def test_the_other_loopback_address(tmp_path: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    running = start(tmp_path / "data", "--bind", "::1", "--ephemeral")
    try:
        assert running.url.startswith("http://[::1]:")
        client = running.client("lambda")
        source = (
            "import boto3\ndef handler(event, context): return boto3.client('sts').get_caller_identity()['Account']"
        )
        make(client, ACCOUNT, source=source)
        assert call(client)[0] == ACCOUNT
    finally:
        stop(running)
