"""What users try on the first day, over the wire: each ends in AWS's documented error, for that function alone.

While something bad goes on, a neighbour is invoked every 20 ms: each call must succeed within `SLOWEST` seconds. Its
figures are printed (`pytest -rP` shows them).
"""

from __future__ import annotations

import base64
import concurrent.futures
import contextlib
import io
import json
import os
import shutil
import stat
import threading
import time
import zipfile
from collections.abc import Callable
from types import TracebackType
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.aws.conftest import Server, isolated
from tests.aws.test_lambda import call, make

Client = Callable[..., Any]

SLOWEST = 3.0
_PACE = 0.02
_QUICK = "def handler(event, context): return event"


class Neighbour:
    """A function of the same account that is invoked all the time, in a thread of its own."""

    def __init__(self, client: Any, account: str) -> None:
        self._client = client
        self.seconds: list[float] = []
        self.problems: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        make(client, account, "neighbour", _QUICK)
        call(client, "neighbour", {"n": 0})

    def _run(self) -> None:
        while not self._over.is_set():
            began = time.perf_counter()
            try:
                got, _answer = call(self._client, "neighbour", {"n": len(self.seconds)})
                if got != {"n": len(self.seconds)}:
                    self.problems.append(str(got))
            except (BotoCoreError, ClientError, ValueError) as problem:
                self.problems.append(repr(problem))
            self.seconds.append(time.perf_counter() - began)
            self._over.wait(_PACE)

    def __enter__(self) -> Neighbour:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, _t: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        times = sorted(1000 * one for one in self.seconds)
        p50, p95 = times[len(times) // 2], times[len(times) * 95 // 100]
        print(f"neighbour: {len(times)} calls, p50 {p50:.1f} ms, p95 {p95:.1f} ms, slowest {times[-1]:.1f} ms")
        if problem is None:
            assert not self.problems, self.problems[:3]
            assert times[-1] < SLOWEST * 1000


def failure(answer: dict[str, Any], kind: str, message: str) -> dict[str, str]:
    """The document of an invocation that the platform ended."""
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    request_id = answer["ResponseMetadata"]["RequestId"]
    return {"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {message}"}


TIMEOUT = ("Sandbox.Timedout", "Task timed out after 2.00 seconds")
KILLED = ("Runtime.ExitError", "Runtime exited with error: signal: killed")


@pytest.mark.parametrize(
    ("body", "settings", "kind", "message"),
    [
        pytest.param(
            "while True:\n        try: os.fork()\n        except OSError: pass", {"Timeout": 2, "MemorySize": 3008},
            *TIMEOUT, id="fork bomb",
        ),
        pytest.param(
            "while True: threading.Thread(target=time.sleep, args=(60,)).start()", {"Timeout": 10, "MemorySize": 3008},
            "RuntimeError", "can't start new thread", id="thread bomb",
        ),
        pytest.param("while True: pass", {"Timeout": 2}, *TIMEOUT, id="infinite loop"),
        pytest.param("time.sleep(60)", {"Timeout": 2}, *TIMEOUT, id="sleeps past its timeout"),
        pytest.param("return len(b'x' * (700 << 20))", {}, *KILLED, id="700 MiB in 128 MB"),
        pytest.param(
            "subprocess.run([sys.executable, '-c', 'b\"x\" * (700 << 20)'])", {}, *KILLED, id="700 MiB in a child",
        ),
        pytest.param("os._exit(0)", {}, "Runtime.ExitError", "Runtime exited without providing a reason", id="_exit 0"),
        pytest.param(
            "os._exit(1)", {}, "Runtime.ExitError", "Runtime exited with error: exit status 1", id="_exit 1"
        ),
        pytest.param("os.kill(os.getpid(), 9)", {}, *KILLED, id="kills itself"),
        pytest.param(
            "ctypes.string_at(0)", {}, "Runtime.ExitError",
            "Runtime exited with error: signal: segmentation fault", id="segmentation fault",
        ),
    ],
)  # fmt: skip
def test_it_ends_in_its_own_error(
    aws: Client, account: str, body: str, settings: dict[str, Any], kind: str, message: str
) -> None:
    client = aws("lambda")
    source = f"""
import ctypes, os, subprocess, sys, threading, time
def handler(event, context):
    if event.get("well"):
        return "well"
    {body}
"""
    make(client, account, "bad", source, **({"Timeout": 20} | settings))
    with Neighbour(client, account):
        got, answer = call(client, "bad")
    if kind == "RuntimeError":
        assert answer["FunctionError"] == "Unhandled" and (got["errorType"], got["errorMessage"]) == (kind, message)
    elif (kind, message) != TIMEOUT or got["errorType"] == TIMEOUT[0]:
        assert got == failure(answer, kind, message)
    else:
        # Where memory is judged by resident sizes, a thousand forks may exceed it before their time is over.
        assert "os.fork" in body and not isolated() and got == failure(answer, *KILLED)
    assert call(client, "bad", {"well": True})[0] == "well", "the next invocation gets an instance"


@pytest.mark.skipif(os.geteuid() != 0, reason="looks into the instance from outside")
def test_an_instance_killed_from_outside(aws: Client, account: str) -> None:
    client, mark = aws("lambda"), f"mark-{account}"
    source = f"""
import os, time
def handler(event, context):
    open("/tmp/{mark}", "w").close()
    time.sleep(event.get("s", 0))
    return "well"
"""
    make(client, account, "killed", source)
    with Neighbour(client, account), concurrent.futures.ThreadPoolExecutor(1) as threads:
        assert call(client, "killed")[0] == "well"
        sleeping = threads.submit(call, client, "killed", {"s": 15})
        time.sleep(0.2)
        victim = max(_processes_with(mark))
        os.kill(victim, 9)
        got, answer = sleeping.result(10)
    assert got == failure(answer, *KILLED)
    assert call(client, "killed")[0] == "well"


def _processes_with(mark: str) -> list[int]:
    """The host's pids of processes that see a file in their /tmp."""
    return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and os.path.exists(f"/proc/{pid}/root/tmp/{mark}")]


@pytest.mark.parametrize("memory", [128, 1769])
def test_a_gigabyte_to_tmp_ends_at_its_size(aws: Client, account: str, memory: int) -> None:
    client = aws("lambda")
    source = """
def handler(event, context):
    with open("/tmp/big", "wb", buffering=0) as file:
        for _ in range(1024):
            file.write(bytes(1 << 20))
"""
    make(client, account, "bad", source, MemorySize=memory, EphemeralStorage={"Size": 512}, Timeout=60)
    with Neighbour(client, account):
        got, answer = call(client, "bad")
    assert answer["FunctionError"] == "Unhandled"
    assert (got["errorType"], got["errorMessage"]) == ("OSError", "[Errno 28] No space left on device")


def test_a_megabyte_a_second_to_stdout_is_kept_whole(aws: Client, account: str) -> None:
    client, logs = aws("lambda"), aws("logs")
    source = """
import time
def handler(event, context):
    for second in range(3):
        for line in range(1000):
            print(f"{second}-{line} ".ljust(1023, "x"))
        time.sleep(1)
    return "done"
"""
    make(client, account, "loud", source, MemorySize=1769)
    with Neighbour(client, account):
        assert call(client, "loud")[0] == "done"
    seen: set[str] = set()
    deadline = time.monotonic() + 20
    while len(seen) < 3000 and time.monotonic() < deadline:
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName="/aws/lambda/loud"):
            seen |= {one["message"].split(" ")[0] for one in page["events"] if one["message"].endswith("xxx\n")}
    assert seen == {f"{second}-{line}" for second in range(3) for line in range(1000)}


def test_fifty_megabytes_to_stdout_at_once(aws: Client, account: str) -> None:
    client, logs = aws("lambda"), aws("logs")
    source = """
import os
def handler(event, context):
    for _ in range(50 * 16):
        os.write(1, b"x" * 65535 + b"\\n")
    return "done"
"""
    make(client, account, "loud", source, MemorySize=1769)
    with Neighbour(client, account):
        got, answer = call(client, "loud", LogType="Tail")
    assert got == "done" and "FunctionError" not in answer
    tail = base64.b64decode(answer["LogResult"]).decode()
    assert len(tail) == 4096 and "xxx\n" in tail and "REPORT RequestId: " in tail
    deadline, said = time.monotonic() + 20, False
    while not said and time.monotonic() < deadline:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName="/aws/lambda/loud", filterPattern='"bytes of output were dropped"'
        )
        said = any(page["events"] for page in pages)
    assert said


def test_200_concurrent_sleepers(aws: Client, account: str) -> None:
    client = aws("lambda", max_pool_connections=210)
    make(client, account, "sleeper", "import time\ndef handler(e, c): time.sleep(2); return c.aws_request_id")
    with Neighbour(client, account), concurrent.futures.ThreadPoolExecutor(200) as threads:
        answers = list(threads.map(lambda _: call(client, "sleeper"), range(200)))
    assert {got for got, _ in answers} == {answer["ResponseMetadata"]["RequestId"] for _, answer in answers}
    assert len({got for got, _ in answers}) == 200


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
    make(client, account, "other", "SECRET = 'open sesame'\n" + _QUICK, Environment={"Variables": {"PASS": "sesame"}})
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
import os, time
def handler(event, context):
    with open("/tmp/" + event["name"], "w") as file:
        file.write("secret of " + event["name"])
    time.sleep(1)
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
        deadline = time.monotonic() + 10
        while not (opened := _listening(server.process.pid) - before) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert opened, "a custom runtime has an address"
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


def executable(text: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = (stat.S_IFREG | 0o755) << 16
        opened.writestr(entry, text)
    return packed.getvalue()
