"""Reuse, growth, limits, expiry, and recovery of what the pool stands on."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.kit.clock import SystemClock
from freehold.kit.ids import Ids
from freehold.runtime import cgroups
from freehold.runtime.admission import Admission
from freehold.runtime.base import RuntimeUnavailable, Throttled
from freehold.runtime.pool import Pool
from tests.runtime.bench import Bench
from tests.runtime.gate import gate, until

Play = Callable[..., None]
ECHO = "def handler(e, c): return e\n"
SLEEP = "import time\ndef handler(e, c):\n    time.sleep(e)\n    return c.log_stream_name\n"


def test_the_instance_used_last_is_used_first(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        async with gate() as closed:
            spec = bench.function(closed.source)
            calls = [asyncio.ensure_future(bench.result(spec, 1)) for _ in range(3)]
            streams = await closed.came(3)
            assert len(set(streams)) == 3
            closed.open()
            assert sorted(await asyncio.gather(*calls)) == sorted(streams)
        last = await bench.result(spec, 0)
        assert [await bench.result(spec, 0) for _ in range(3)] == [last] * 3

    play(scenario)


def test_equal_keys_share_instances_and_others_do_not(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        first = bench.function("import os\ndef handler(e, c): return os.environ['V']\n", environment={"V": "1"})
        assert await bench.result(first) == "1"
        changed = bench.function("", key="changed", code=first.code, environment={"V": "2"})
        assert await bench.result(changed) == "2"
        assert await bench.result(first) == "1"
        assert bench.sink.started == 2

    play(scenario)


def test_beyond_the_instance_limit_calls_are_throttled(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        async with gate() as closed:
            spec = bench.function(closed.source)
            busy = [asyncio.ensure_future(bench.result(spec, 1)) for _ in range(2)]
            await closed.came(2)
            with pytest.raises(Throttled) as refused:
                await bench.invoke(spec, 0)
            assert refused.value.reason == "ConcurrentInvocationLimitExceeded"
            closed.open()
            await asyncio.gather(*busy)
        other = bench.function(ECHO)
        assert await bench.result(other, 1) == 1, "an idle instance makes room for another function"

    play(scenario, max_instances=2)


def test_retired_instances_finish_and_go(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        async with gate() as closed:
            spec = bench.function(closed.source)
            stream = await bench.result(spec, 0)
            busy = asyncio.ensure_future(bench.result(spec, 1))
            assert await closed.came() == [stream]
            bench.pool.retire(spec.arn)
            closed.open()
            assert await busy == stream
        assert await bench.result(spec, 0) != stream
        bench.pool.retire(spec.arn)
        assert await bench.result(spec, 0) != stream

    play(scenario)


def test_who_waits_for_a_start_gets_it_though_the_function_was_replaced_meanwhile(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        async with gate() as closed:
            spec = bench.function(closed.waiting + "wait('init')\n" + ECHO)
            waiting = asyncio.ensure_future(bench.result(spec, 1))
            await closed.came()
            bench.pool.retire(spec.arn)
            closed.open()
            assert await waiting == 1

    play(scenario)


def test_more_than_a_thousand_starts_in_ten_seconds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    now = [0.0]
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    admission = Admission(clock, 5000)
    assert sum(admission.take(1) for _ in range(1500)) == 1000
    now[0] = 1.0
    assert sum(admission.take(1) for _ in range(1500)) == 100
    now[0] = 61.0
    assert sum(admission.take(4) for _ in range(1500)) == 250, "four nodes share it"
    assert admission.has_room(4999) and not admission.has_room(5000)


def test_close_ends_who_still_waits(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        async with gate() as closed:
            spec = bench.function(closed.waiting + "wait('init')\n" + ECHO)
            waiting = asyncio.ensure_future(bench.invoke(spec, 1))
            await closed.came()
            await bench.pool.close()
            with pytest.raises(RuntimeUnavailable):
                await waiting
        with pytest.raises(RuntimeUnavailable):
            await bench.invoke(spec, 1)

    play(scenario)


def test_idle_instances_freeze_and_expire(play: Play) -> None:
    source = """
import threading, time
ticks = []
def tick():
    while True:
        ticks.append(time.monotonic())
        time.sleep(0.01)
threading.Thread(target=tick, daemon=True).start()
def handler(event, context):
    time.sleep(0.1)  # for the other thread to notice how late it is
    return max((b - a for a, b in zip(ticks, ticks[1:])), default=0)
"""

    async def scenario(bench: Bench) -> None:
        spec = bench.function(source, memory_mb=1769)
        await bench.result(spec)
        (instance,) = bench.pool.instances
        await until(lambda: instance.frozen)
        await asyncio.sleep(0.5)
        assert await bench.result(spec) > 0.4, "the function's threads stood still while it was idle"
        bench.pool._watch._idle_seconds = 0.5
        bench.pool._watch.rouse()
        await until(lambda: not bench.pool.instances)
        await instance.gone()
        with pytest.raises(ProcessLookupError):
            os.kill(instance.pid, 0)

    if cgroups.detect()[0] is None:
        pytest.skip("this host offers no freezer")
    play(scenario)


def test_an_instance_that_is_roused_thaws_and_freezes_again_when_nothing_comes(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        spec = bench.function(ECHO)
        bench.pool.rouse(spec)  # no instance yet: nothing to thaw
        await bench.result(spec, 1)
        (instance,) = bench.pool.instances
        await until(lambda: instance.frozen)
        bench.pool.rouse(spec)
        assert not instance.frozen
        assert await bench.result(spec, 2) == 2
        await until(lambda: instance.frozen)
        bench.pool.rouse(spec)
        assert not instance.frozen
        await until(lambda: instance.frozen)

    if cgroups.detect()[0] is None:
        pytest.skip("this host offers no freezer")
    play(scenario)


def test_a_template_that_dies_is_replaced(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.result(bench.function(SLEEP), 0)
        launcher = bench.pool.crew().launcher
        if launcher.mode != "zygote":
            pytest.skip("no templates on this host")
        async with gate() as closed:
            spec = bench.function(closed.source)
            busy = asyncio.ensure_future(bench.error(spec, 1))
            await closed.came()
            for pid in launcher.template_pids().values():
                os.kill(pid, signal.SIGKILL)
            assert (await busy)["errorType"] == "Runtime.ExitError"
            assert await bench.result(spec, 0)
        assert launcher.mode == "zygote"

    play(scenario)


def test_packages_outside_the_known_directories_run_too(play: Play, directory: Path) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.result(bench.function(ECHO), 1)
        elsewhere = directory / "elsewhere" / "package"
        elsewhere.mkdir(parents=True)
        (elsewhere / "app.py").write_text(ECHO)
        assert await bench.result(bench.function("", code=elsewhere), 2) == 2

    play(scenario)


def test_a_caller_who_gives_up_does_not_lose_the_instance(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        async with gate() as closed:
            spec = bench.function(closed.source)
            stream = await bench.result(spec, 0)
            caller = asyncio.ensure_future(bench.result(spec, 1))
            await closed.came()
            caller.cancel()
            closed.open()
            await until(lambda: len(bench.sink.ended) == 2)
        assert await bench.result(spec, 0) == stream
        assert len(bench.sink.ended) == 3

    play(scenario)


def test_init_that_takes_too_long_continues_in_the_invocation(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """Init is limited to 10 s; then it begins again under the function's own timeout."""
    monkeypatch.setattr("freehold.runtime.pool.starts.INIT_SECONDS", 0.3)

    async def scenario(bench: Bench) -> None:
        source = "import time\ntime.sleep(0.6)\n" + ECHO
        slow = bench.function(source)
        outcome = await bench.invoke(slow, 1)
        assert outcome.payload == b"1" and outcome.duration_ms > 600 and outcome.init_ms is None
        assert bench.sink.failed_inits == ["Sandbox.Timedout"]
        document = await bench.error(bench.function(source, timeout_s=0.4))
        assert document["errorType"] == "Sandbox.Timedout"
        assert document["errorMessage"].endswith("Task timed out after 0.40 seconds")

    play(scenario)


def test_nothing_remains_after_close(play: Play, directory: Path) -> None:
    pids: list[int] = []

    async def scenario(bench: Bench) -> None:
        spec = bench.function(SLEEP)
        await asyncio.gather(*[bench.result(spec, 0.1) for _ in range(3)])
        pids.extend(one.pid for one in bench.pool.instances)
        pids.extend(bench.pool.crew().launcher.template_pids().values())

    play(scenario)
    deadline = time.monotonic() + 60
    while [pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes()]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(pids) >= 3
    assert not (directory / "scratch").exists()
    owner = cgroups._owner()
    assert not list(Path("/sys/fs/cgroup").glob(f"*/freehold/{owner}"))


def test_what_a_killed_server_left_is_swept(play: Play, directory: Path) -> None:
    script = f"""
import asyncio, os, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.runtime.bench import bench_in
async def main():
    async with bench_in(Path({str(directory / "first")!r})) as bench:
        spec = bench.function("def handler(e, c): return 1\\n")
        await bench.result(spec)
        print(os.getpid(), *[one.pid for one in bench.pool.instances], flush=True)
        os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    (directory / "first").mkdir()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    server, instance = (int(word) for word in done.stdout.split())

    async def scenario(bench: Bench) -> None:
        assert await bench.result(bench.function(ECHO), 1) == 1
        while list(Path("/sys/fs/cgroup").glob(f"*/freehold/{server}-*")):
            await asyncio.sleep(0.05)
        with pytest.raises(ProcessLookupError):
            os.kill(instance, 0)

    play(scenario)


def test_start_returns_at_once(directory: Path) -> None:
    """It waits for nothing: what takes time is done by tasks of its own."""

    async def scenario() -> None:
        pool = Pool(clock=SystemClock(), ids=Ids(1), scratch=directory / "scratch")
        starting = pool.start()
        with pytest.raises(StopIteration):
            starting.send(None)
        await pool.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("weaker", [1, 2])
def test_weaker_ways_where_the_host_refuses(play: Play, weaker: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Templates refused: a bubblewrap per instance. That refused too: a plain process, and isolation says so."""

    async def scenario(bench: Bench) -> None:
        launcher = bench.pool.crew().launcher
        for _ in range(weaker):
            launcher.weaken("refused for this test")
        assert await bench.result(bench.function(ECHO), {"a": 1}) == {"a": 1}
        document = await bench.error(bench.function("import os\ndef handler(e, c): os._exit(2)\n"))
        assert document["errorMessage"].endswith("exit status 2")
        document = await bench.error(bench.function("def handler(e, c):\n    while True: pass\n", timeout_s=0.5))
        assert document["errorType"] == "Sandbox.Timedout"
        sdk = bench.function("import boto3\ndef handler(e, c): return boto3.__name__\n", timeout_s=10, memory_mb=512)
        assert await bench.result(sdk) == "boto3"
        assert "refused for this test" in bench.pool.isolation()["namespaces"]

    if weaker == 2 and os.geteuid() == 0 and sys.base_prefix.startswith("/root"):
        pytest.skip("this interpreter is out of reach of unprivileged users")
    play(scenario)


def test_a_broken_bubblewrap_is_noticed(play: Play, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = directory / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr("freehold.runtime.sandbox.Host.find_bubblewrap", staticmethod(lambda: str(broken)))

    async def scenario(bench: Bench) -> None:
        spec = bench.function(ECHO)
        try:
            await bench.invoke(spec, 1)
        except RuntimeUnavailable:
            assert sys.base_prefix.startswith("/root")
        assert bench.pool.isolation()["namespaces"].startswith("none: ")

    play(scenario)


def test_guarded_refuses_less_than_full_isolation(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freehold.runtime.sandbox.Host.find_bubblewrap", staticmethod(lambda: None))

    async def scenario(bench: Bench) -> None:
        with pytest.raises(RuntimeUnavailable, match="full isolation"):
            await bench.invoke(bench.function(ECHO), 1)

    play(scenario, guarded=True)


def test_another_minor_version_runs_where_installed(play: Play) -> None:
    async def scenario(bench: Bench) -> None:
        found = await asyncio.to_thread(bench.pool._interpreters.pythons)
        others = [minor for minor in found if minor != sys.version_info.minor]
        if not others:
            pytest.skip("only one Python is installed")
        source = "import sys\ndef handler(e, c): return sys.version_info[1]\n"
        for minor in others:
            assert bench.pool.resolve(f"python3.{minor}") == f"python3.{minor}"
            assert await bench.result(bench.function(source, runtime=f"python3.{minor}")) == minor

    play(scenario)
