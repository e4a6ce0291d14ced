"""What users try on the first day: each ends with AWS's error for that function alone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from tests.runtime.bench import Bench
from tests.runtime.gate import gate

Play = Callable[..., None]
_QUICK = "def handler(e, c): return e\n"


async def _keeps_its_pace(bench: Bench, spec: object, during: asyncio.Task[object]) -> None:
    """Another function answers, again and again, while something bad goes on: about 50 ms or less on an idle machine, and
    on any machine more than once in the whole time, which is what would be if each waited for the bad one."""
    answered = 0
    while not during.done():
        assert await bench.result(spec, 1) == 1  # type: ignore[arg-type]
        answered += not during.done()
        await asyncio.sleep(0.02)
    assert answered > 1


def test_fork_bomb(play: Play) -> None:
    source = """
import os
def handler(event, context):
    while True:
        try:
            os.fork()
        except OSError:
            pass
"""

    async def scenario(bench: Bench) -> None:
        quick = bench.function(_QUICK)
        await bench.invoke(quick)
        spec = bench.function(source, timeout_s=2)
        bomb = asyncio.ensure_future(bench.error(spec))
        await _keeps_its_pace(bench, quick, bomb)
        assert (await bomb)["errorType"] in ("Sandbox.Timedout", "Runtime.ExitError")
        assert await bench.result(quick, 1) == 1

    play(scenario)


def test_infinite_loop_times_out(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        quick = bench.function(_QUICK)
        await bench.invoke(quick)
        spec = bench.function("def handler(e, c):\n    while True: pass\n", timeout_s=1)
        invocation = bench.invocation(spec)
        loop = asyncio.ensure_future(bench.pool.invoke(spec, invocation))
        await _keeps_its_pace(bench, quick, loop)
        outcome = await loop
        assert outcome.timed_out and outcome.function_error == "Unhandled" and outcome.duration_ms == 1000
        text = f"RequestId: {invocation.request_id} Error: Task timed out after 1.00 seconds"
        assert outcome.payload == b'{"errorType":"Sandbox.Timedout","errorMessage":"%b"}' % text.encode()
        assert f"Z {invocation.request_id} Task timed out after 1.00 seconds" in bench.sink.text

    play(scenario)


def test_700_mebibytes_in_a_128_mb_function(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        spec = bench.function("def handler(e, c):\n    x = b'x' * (700 << 20)\n    return len(x)\n", timeout_s=60)
        invocation = bench.invocation(spec)
        outcome = await bench.pool.invoke(spec, invocation)
        text = f"RequestId: {invocation.request_id} Error: Runtime exited with error: signal: killed"
        assert outcome.payload == b'{"errorType":"Runtime.ExitError","errorMessage":"%b"}' % text.encode()
        assert outcome.memory_used_mb == 128

    play(scenario)


def test_exits_and_signals(play: Play) -> None:
    source = """
import os, sys, signal
def handler(event, context):
    print("before")
    exec(event)
"""

    async def scenario(bench: Bench) -> None:
        spec = bench.function(source)
        for statement, words in (
            ("os._exit(7)", "Runtime exited with error: exit status 7"),
            ("sys.exit(1)", "Runtime exited with error: exit status 1"),
            ("os._exit(0)", "Runtime exited without providing a reason"),
            ("os.kill(os.getpid(), 9)", "Runtime exited with error: signal: killed"),
            ("os.abort()", "Runtime exited with error: signal: aborted"),
        ):
            document = await bench.error(spec, statement)
            assert document["errorType"] == "Runtime.ExitError"
            assert document["errorMessage"].startswith("RequestId: ")
            assert document["errorMessage"].endswith(f" Error: {words}")
        assert bench.sink.text.count("before") == 5
        assert await bench.result(spec, "1") is None, "the next invocation gets a new instance"

    play(scenario)


def test_a_killed_instance_ends_its_invocation_and_the_next_one_works(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        async with gate() as closed:
            spec = bench.function(closed.source)
            stream = await bench.result(spec, 0)
            (instance,) = bench.pool.instances
            waiting = asyncio.ensure_future(bench.error(spec, 1))
            assert await closed.came() == [stream]
            os.kill(instance.pid, 9)
            document = await waiting
            assert document["errorType"] == "Runtime.ExitError" and document["errorMessage"].endswith("signal: killed")
            assert await bench.result(spec, 0) != stream
            assert bench.sink.started == 2

    play(scenario)


def test_an_idle_instance_that_is_killed_is_not_used_again(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        spec = bench.function(_QUICK)
        await bench.result(spec, 1)
        (instance,) = bench.pool.instances
        os.kill(instance.pid, 9)
        await instance.gone()
        assert await bench.result(spec, 2) == 2

    play(scenario)


def test_one_gigabyte_to_tmp_ends_in_enospc_at_its_size(play: Play) -> None:
    source = """
def handler(event, context):
    written = 0
    try:
        with open("/tmp/big", "wb", buffering=0) as file:
            for _ in range(1024):
                written += file.write(bytes(1 << 20))
    except OSError as problem:
        return [problem.errno, written >> 20]
"""

    async def scenario(bench: Bench) -> None:
        spec = bench.function(source, timeout_s=20, memory_mb=1024)
        number, mebibytes = await bench.result(spec)
        assert number == 28 and 510 <= mebibytes <= 512

    play(scenario)


def test_megabytes_to_stdout_neither_block_nor_fail(play: Play) -> None:
    source = """
import os
def handler(event, context):
    line = b"x" * 1023 + b"\\n"
    for _ in range(event):
        os.write(1, line * 64)
    return "done"
"""

    async def scenario(bench: Bench) -> None:
        quick = bench.function(_QUICK)
        await bench.invoke(quick)
        spec = bench.function(source, memory_mb=1769, timeout_s=10)
        flood = asyncio.ensure_future(bench.result(spec, 1000))
        await _keeps_its_pace(bench, quick, flood)
        assert await flood == "done"
        assert bench.sink.bytes_seen < 40 << 20, "beyond its budget output is dropped"
        assert "bytes of output were dropped" in bench.sink.text
        bench.sink.lines.clear()
        assert await bench.result(spec, 0) == "done"

    play(scenario)


def test_200_at_once(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        quick = bench.function(_QUICK)
        await bench.invoke(quick)
        async with gate() as closed:
            spec = bench.function(closed.source, timeout_s=120)
            calls = [asyncio.ensure_future(bench.result(spec, 1)) for _ in range(200)]
            streams = await closed.came(200)
            assert len(set(streams)) == 200, "each has an instance of its own while all wait"
            assert await bench.result(quick, 1) == 1
            closed.open()
            assert sorted(await asyncio.gather(*calls)) == sorted(streams)

    play(scenario)


def test_nothing_of_the_server_or_of_other_functions_is_in_sight(play: Play, directory: Path) -> None:
    source = """
import os
def handler(paths, context):
    found = {}
    for path in paths:
        try:
            found[path] = os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(64).decode("latin-1")
        except OSError as problem:
            found[path] = problem.errno
    pids = [name for name in os.listdir("/proc") if name.isdigit()]
    environments = b""
    for pid in pids:
        try:
            environments += open(f"/proc/{pid}/environ", "rb").read()
        except OSError:
            pass
    walked = [os.path.join(base, name) for top in ("/var", "/root", "/home", "/work", "/.code", "/opt")
              for base, _, names in os.walk(top) for name in names]
    return {"found": found, "pids": len(pids), "environments": environments.decode("latin-1"), "walked": walked,
            "root": sorted(os.listdir("/"))}
"""

    async def scenario(bench: Bench) -> None:
        secret = bench.function("SECRET = 'other'\n" + _QUICK)
        os.environ["FREEHOLD_TEST_SECRET"] = "x"
        mine = os.getpid()
        paths = [str(secret.code), str(directory), f"/proc/{mine}/environ", "/etc/shadow", "/proc/1/environ",
                 "/proc/1/root", "/proc/2/root/etc/shadow", "/proc/1/mem", "/.code/1", "/root/.bashrc"]  # fmt: skip
        got = await bench.result(bench.function(source), paths)
        seen = {path: answer for path, answer in got["found"].items() if not isinstance(answer, int)}
        assert not seen
        assert got["pids"] == 2
        assert "FREEHOLD" not in got["environments"]
        assert not [path for path in got["walked"] if path.endswith("app.py") and path != "/var/task/app.py"]
        assert "work" not in got["root"]

    play(scenario)


def test_writable_places_are_tmp_alone(play: Play) -> None:
    source = """
import os
def handler(event, context):
    writable = []
    for base, directories, _files in os.walk("/"):
        directories[:] = [name for name in directories if os.path.join(base, name) not in ("/proc", "/usr", "/root")]
        try:
            path = os.path.join(base, ".probe")
            open(path, "w").close()
            os.unlink(path)
            writable.append(base)
        except OSError:
            pass
    return writable
"""

    async def scenario(bench: Bench) -> None:
        assert await bench.result(bench.function(source, timeout_s=10, memory_mb=1769)) == ["/tmp"]

    play(scenario)


def test_two_instances_do_not_share_tmp(play: Play) -> None:
    source = """
import os
def handler(event, context):
    before = os.listdir("/tmp")
    open("/tmp/mine", "w").write(context.aws_request_id)
    wait("here")
    return [before, os.listdir("/tmp"), open("/tmp/mine").read() == context.aws_request_id]
"""

    async def scenario(bench: Bench) -> None:
        async with gate() as closed:
            spec = bench.function(closed.waiting + source)
            both = asyncio.gather(bench.result(spec), bench.result(spec))
            await closed.came(2)
            closed.open()
            assert list(await both) == [[[], ["mine"], True]] * 2
            assert (await bench.result(spec))[0] == ["mine"], "an instance keeps its own /tmp"

    play(scenario)


def test_no_way_back_to_privilege(play: Play) -> None:
    source = """
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, *args):
    ctypes.set_errno(0)
    return [getattr(libc, name)(*args), ctypes.get_errno()]
def refused(call):
    try:
        call()
    except OSError as problem:
        return problem.errno
def handler(event, context):
    status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines() if ":" in line)
    return {
        "unshare": attempt("unshare", 0x10000000),
        "mount": attempt("mount", b"none", b"/tmp", b"tmpfs", 0, None),
        "setuid": attempt("setuid", 0),
        "ptrace": attempt("ptrace", 16, 1, 0, 0),
        "chroot": attempt("chroot", b"/tmp"),
        "vsock": refused(lambda: socket.socket(40, socket.SOCK_STREAM)),
        "raw": refused(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)),
        "kill": refused(lambda: os.kill(1, 9)) or refused(lambda: os.kill(1, 0)),
        "capabilities": [int(status[name], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapBnd", "CapAmb")],
        "no_new_privs": status["NoNewPrivs"].strip(), "seccomp": status["Seccomp"].strip(),
    }
"""

    async def scenario(bench: Bench) -> None:
        got = await bench.result(bench.function(source))
        for name in ("unshare", "mount", "setuid", "ptrace", "chroot"):
            assert got[name] in ([-1, 1], [-1, 22]), name
        assert got["vsock"] == 97 and got["raw"] == 1
        assert got["capabilities"] == [0] * 5
        assert (got["no_new_privs"], got["seccomp"]) == ("1", "2")

    play(scenario)


def test_abstract_sockets_of_others_are_out_of_reach(play: Play) -> None:
    source = """
import socket
def handler(name, context):
    with socket.socket(socket.AF_UNIX) as other:
        try:
            other.connect("\\0" + name)
        except OSError as problem:
            return problem.errno
"""

    async def scenario(bench: Bench) -> None:
        import socket

        with socket.socket(socket.AF_UNIX) as server:
            name = f"freehold-test-{os.getpid()}"
            server.bind("\0" + name)
            server.listen()
            assert await bench.result(bench.function(source), name) == 1

    import platform

    if tuple(int(part) for part in platform.release().split(".")[:2]) >= (6, 12):
        play(scenario)


def test_garbage_on_the_runtime_api_harms_only_its_sender(play: Play) -> None:
    source = """
import os
def handler(event, context):
    os.write(3, b"\\0\\xff garbage \\r\\n\\r\\n" * 1000)
    return 1
"""

    async def scenario(bench: Bench) -> None:
        assert (await bench.error(bench.function(source)))["errorType"] == "Runtime.ExitError"
        assert await bench.result(bench.function(_QUICK), 5) == 5

    play(scenario)


def test_a_function_cannot_answer_for_another_request(play: Play) -> None:
    source = """
import os
def handler(event, context):
    body = b'"forged"'
    path = b"/2018-06-01/runtime/invocation/00000000-0000-0000-0000-000000000000/response"
    os.write(3, b"POST %b HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: %d\\r\\n\\r\\n%b" % (path, len(body), body))
    return "honest"
"""

    async def scenario(bench: Bench) -> None:
        assert await bench.result(bench.function(source)) == "honest"

    play(scenario)
