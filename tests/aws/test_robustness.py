"""What users try on the first day, over the wire: each ends in AWS's documented error, for that function alone."""

from __future__ import annotations

import base64
import concurrent.futures
import os
from typing import Any

import pytest

from tests.aws.conftest import isolated
from tests.aws.functions import call, make
from tests.aws.neighbour import Client, Neighbour
from tests.aws.waiting import eventually


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
    if event.get("s"):
        open("/tmp/{mark}", "w").close()
        time.sleep(event["s"])
    return "well"
"""
    make(client, account, "killed", source)
    with Neighbour(client, account), concurrent.futures.ThreadPoolExecutor(1) as threads:
        assert call(client, "killed")[0] == "well"
        sleeping = threads.submit(call, client, "killed", {"s": 15})
        victims = eventually(lambda: _processes_with(mark))
        os.kill(max(victims), 9)
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
    expected = {f"{second}-{line}" for second in range(3) for line in range(1000)}

    def kept() -> bool:
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName="/aws/lambda/loud"):
            seen.update(one["message"].split(" ")[0] for one in page["events"] if one["message"].endswith("xxx\n"))
        return len(seen) >= len(expected)

    eventually(kept)
    assert seen == expected


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
    where = {"logGroupName": "/aws/lambda/loud", "filterPattern": '"bytes of output were dropped"'}
    pages = logs.get_paginator("filter_log_events")
    assert eventually(lambda: any(page["events"] for page in pages.paginate(**where)))


def test_200_concurrent_sleepers(aws: Client, account: str) -> None:
    client = aws("lambda", max_pool_connections=210)
    make(client, account, "sleeper", "import time\ndef handler(e, c): time.sleep(2); return c.aws_request_id")
    with Neighbour(client, account), concurrent.futures.ThreadPoolExecutor(200) as threads:
        answers = list(threads.map(lambda _: call(client, "sleeper"), range(200)))
    assert {got for got, _ in answers} == {answer["ResponseMetadata"]["RequestId"] for _, answer in answers}
    assert len({got for got, _ in answers}) == 200
