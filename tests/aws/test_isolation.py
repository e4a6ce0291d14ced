"""What a function cannot see, touch or answer, over the wire: the server, other functions, other instances of its own."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import shutil

import pytest

from tests.aws.conftest import Server
from tests.aws.functions import call, executable, make
from tests.aws.neighbour import Client, Neighbour
from tests.aws.waiting import eventually

SPY = """
import os

def look(path):
    try:
        if os.path.isdir(path):
            return os.listdir(path)
        with open(path, "rb") as file:
            return file.read(4096).decode("latin-1")
    except OSError as problem:
        return problem.errno

def handler(event, context):
    found = {path: look(path) for path in event["paths"]}
    everything, code = "", []
    for base, directories, files in os.walk("/", followlinks=False):
        directories[:] = [name for name in directories if os.path.join(base, name) not in ("/usr", "/sys", "/etc/ssl")]
        for name in files:
            path = os.path.join(base, name)
            if name == "app.py" and path != "/var/task/app.py":
                code.append(path)
            if name in ("environ", "cmdline"):
                everything += str(look(path))
    return {"found": found, "everything": everything, "code": code, "root": os.listdir("/"),
            "mine": look("/var/task/app.py")[:9], "environ": str(dict(os.environ))}
"""


def test_nothing_of_the_server_or_of_others_is_in_sight(aws: Client, account: str, server: Server) -> None:
    client = aws("lambda")
    make(
        client,
        account,
        "other",
        "SECRET = 'open sesame'\ndef handler(event, context): pass",
        Environment={"Variables": {"PASS": "sesame"}},
    )
    call(client, "other")
    make(client, account, "spy", SPY, MemorySize=1769, Timeout=60)
    pid = server.process.pid
    paths = [str(server.data), str(server.data / "store.db"), str(server.data / "functions"), "/root", "/home",
             f"/proc/{pid}/environ", f"/proc/{pid}/maps", f"/proc/{pid}/root", "/proc/1/environ", "/proc/1/root",
             "/proc/1/cwd", "/proc/1/fd/4", "/proc/1/mem", "/etc/shadow", "/.code", "/.code/0", "/var/task/../other",
             "/proc/kcore", "/dev/mem", "/proc/sysrq-trigger", "/sys/fs/cgroup", os.getcwd(), os.path.abspath(__file__),
             "/dev/pts/0", "/var/lib", "/var/run"]  # fmt: skip
    with Neighbour(client, account):
        got, _answer = call(client, "spy", {"paths": paths})
    assert got["mine"] == "\nimport o", "it does read its own code"
    assert "python" in got["everything"], "it did look into processes"
    seen = {path: answer for path, answer in got["found"].items() if not isinstance(answer, int) and answer}
    assert not seen, "directories that answer are empty"
    assert got["code"] == []
    assert "sesame" not in json.dumps(got)
    for secret in ("FREEHOLD_", "PYTEST_CURRENT_TEST", str(server.data)):
        assert secret not in got["everything"] + got["environ"]


MISCHIEF = """
import ctypes, os, signal, socket
libc = ctypes.CDLL(None, use_errno=True)

def system(name, *arguments):
    ctypes.set_errno(0)
    return ctypes.get_errno() if getattr(libc, name)(*arguments) < 0 else "worked"

def attempt(act):
    try:
        act()
        return "worked"
    except OSError as problem:
        return problem.errno

def handler(event, context):
    if event.get("well"):
        return "well"
    pid = event["server"]
    got = {
        "signal server": attempt(lambda: os.kill(pid, signal.SIGTERM)),
        "signal neighbours": [attempt(lambda: os.kill(other, signal.SIGKILL)) for other in event["pids"]],
        "ptrace": system("ptrace", 16, pid, 0, 0),
        "ptrace init": system("ptrace", 16, 1, 0, 0),
        "process_vm_readv": system("process_vm_readv", pid, None, 0, None, 0, 0),
        "mount": system("mount", b"none", b"/tmp", b"tmpfs", 0, None),
        "bind": system("mount", b"/", b"/tmp", None, 4096, None),
        "umount": system("umount2", b"/var/task", 2),
        "remount": system("mount", None, b"/var/task", None, 32 | 4096, None),
        "unshare": system("unshare", 0x10000000),
        "setns": system("setns", 0, 0),
        "chroot": system("chroot", b"/tmp"),
        "setuid": attempt(lambda: os.setuid(0)),
        "nice": attempt(lambda: os.nice(-5)),
        "own code": attempt(lambda: open("/var/task/new", "w")),
        "raise limit": system("setrlimit", 6, (ctypes.c_ulong * 2)(1 << 20, 1 << 20)),
        "reboot": system("reboot", 0),
        "device": attempt(lambda: os.mknod("/tmp/sda", 0o60600, os.makedev(8, 0))),
        "raw socket": attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)),
        "group": attempt(lambda: open("/sys/fs/cgroup/memory/memory.limit_in_bytes", "w")),
        "oom": attempt(lambda: os.write(os.open("/proc/1/oom_score_adj", os.O_WRONLY), b"-1000")),
        "signal everybody in sight": attempt(lambda: os.kill(-1, signal.SIGKILL)),
    }
    return got
"""


def test_others_cannot_be_signalled_traced_or_mounted_over(aws: Client, account: str, server: Server) -> None:
    client = aws("lambda")
    make(client, account, "bad", MISCHIEF)
    with Neighbour(client, account):
        pids = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if pid > 20]
        got, answer = call(client, "bad", {"server": server.process.pid, "pids": pids})
        assert "FunctionError" not in answer, got
        assert call(client, "bad", {"well": True})[0] == "well"
    assert server.process.poll() is None
    assert set(got.pop("signal neighbours")) <= {1, 3}, "no permission, or no such process"
    assert got["own code"] == 30, "a read-only file system"
    assert "worked" not in got.values(), got
    for name in ("ptrace", "ptrace init", "mount", "bind", "umount", "remount", "unshare", "chroot"):
        assert got[name] == 1, name


TWINS = """
import boto3, os, time
def handler(event, context):
    with open("/tmp/" + event["name"], "w") as file:
        file.write("secret of " + event["name"])
    sqs = boto3.client("sqs")
    sqs.create_queue(QueueName=event["name"])  # says that the file is there; both look when both are
    while len(sqs.list_queues(QueueNamePrefix="twin-").get("QueueUrls", [])) < 2:
        time.sleep(0.05)
    seen, content = set(), ""
    for base, directories, files in os.walk("/"):
        directories[:] = [name for name in directories if os.path.join(base, name) not in ("/usr", "/sys", "/etc")]
        seen.update(name for name in files if name.startswith("twin-"))
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            seen.update(name for name in os.listdir(f"/proc/{pid}/root/tmp"))
        except OSError:
            pass
    return [context.log_stream_name, sorted(seen)]
"""


def test_two_instances_do_not_find_each_other_s_tmp(aws: Client, account: str) -> None:
    client = aws("lambda")
    make(client, account, "twin", TWINS, MemorySize=1769)
    with Neighbour(client, account), concurrent.futures.ThreadPoolExecutor(2) as threads:
        names = ["twin-a", "twin-b"]
        got = list(threads.map(lambda name: call(client, "twin", {"name": name})[0], names))
    assert got[0][0] != got[1][0], "two instances"
    assert [seen for _stream, seen in got] == [["twin-a"], ["twin-b"]]


BOOTSTRAP = """#!/bin/bash
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
  event=$(curl -sS -D /tmp/head "$api/next")
  id=$(grep -Fi Lambda-Runtime-Aws-Request-Id /tmp/head | tr -d '[:space:]' | cut -d: -f2)
  sleep 3
  curl -sS "$api/$id/response" -d "{\\"honest\\": $event}" > /dev/null
done
"""


BURGLAR = """
import http.client, socket

def ask(port, method, path, body=None):
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        connection.request(method, "/2018-06-01/runtime/invocation/" + path, body)
        answer = connection.getresponse()
        head = {name.lower() for name in answer.headers}
        return "event" if "lambda-runtime-aws-request-id" in head else answer.status
    except (OSError, http.client.HTTPException) as problem:
        return type(problem).__name__

def abstract(name):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET if name.startswith("?") else socket.SOCK_STREAM) as one:
        try:
            one.connect("\\0" + name)
            return "connected"
        except OSError as problem:
            return problem.errno

def handler(event, context):
    forged = '{"forged": true}'
    answers = {}
    for port in event["ports"]:
        answers[port] = [ask(port, "GET", "next"), ask(port, "POST", "x/response", forged)]
    with open("/proc/net/unix") as table:
        names = [line.split()[-1][1:] for line in table.read().splitlines()[1:] if line.split()[-1].startswith("@")]
    return {"answers": answers, "abstract": [abstract(name) for name in names]}
"""


@pytest.mark.skipif(shutil.which("curl") is None, reason="the bootstrap uses curl")
def test_another_function_s_runtime_api_is_closed(aws: Client, account: str, server: Server) -> None:
    client = aws("lambda")
    make(client, account, "victim", "", Runtime="provided.al2023", Code={"ZipFile": executable(BOOTSTRAP)})
    make(client, account, "burglar", BURGLAR, MemorySize=1769, Timeout=60)
    before = _listening(server.process.pid)
    with Neighbour(client, account), concurrent.futures.ThreadPoolExecutor(1) as threads:
        honest = threads.submit(call, client, "victim", {"n": 1})
        opened = eventually(lambda: _listening(server.process.pid) - before)  # a custom runtime has an address
        got, answer = call(client, "burglar", {"ports": sorted(opened | before)})
        assert "FunctionError" not in answer, got
        assert honest.result(20)[0] == {"honest": {"n": 1}}
    for port in opened:
        assert set(got["answers"][str(port)]) <= {"ConnectionResetError", "RemoteDisconnected", "BrokenPipeError"}, got[
            "answers"
        ]
    assert not [port for port, answers in got["answers"].items() if "event" in answers]
    assert "connected" not in got["abstract"]
    assert call(client, "victim", {"n": 2})[0] == {"honest": {"n": 2}}, "and its owner goes on"


def _listening(pid: int) -> set[int]:
    """The TCP ports on which a process listens."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.read().splitlines()[1:]]
    own = set()
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            own.add(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
    return {int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in own}
