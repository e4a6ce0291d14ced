"""Scale to zero and back: what is left of functions when nobody calls them, and what the first call after that takes."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench import short_lived
from bench.scenarios.context import Context, Row, client, function
from bench.servers import Server
from bench.tree import Usage, usage

TITLE = "Scale to zero and back"
FUNCTIONS = 4
EACH = 8
"""Instances of each function, made by so many calls at once."""
WORK_MS = 500
WORK = "import time\n\n\ndef handler(event, context):\n    time.sleep(0.5)\n    return {'hello': 'world'}\n"
DEFAULT_IDLE_S = 300
LATER_S = 20
"""Seconds by which instances may outlive their idle time."""
KEPT_MB = 20
"""MB that may stay: the template process of the runtime, and what Python's allocator keeps."""
FIRST_MS = 60


class Scale:
    """Up at once; down while others are measured; then looked at. Use as a context manager around the waiting."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._idle_s = short_lived.IDLE_SECONDS if context.quick else DEFAULT_IDLE_S
        self._stack = contextlib.ExitStack()
        self._found: dict[str, Any] = {"idle_s": self._idle_s}

    def __enter__(self) -> Scale:
        try:
            self._begin()
        except BaseException:
            self._stack.close()
            raise
        return self

    def _begin(self) -> None:
        module = "bench.short_lived" if self._context.quick else "freehold"
        self._server = server = self._stack.enter_context(self._context.server(module=module))
        time.sleep(2)
        self._found["empty"] = _figures(usage(server.process.pid))
        for number in range(FUNCTIONS):
            function(server, f"scale{number}", WORK)
        calls = [f"scale{number % FUNCTIONS}" for number in range(FUNCTIONS * EACH)]
        with ThreadPoolExecutor(len(calls)) as pool:
            answers = list(pool.map(lambda name: _call(server, name)[1], calls))
        if not all(answers):
            raise RuntimeError("a function did not run")
        self._quiet_since = time.monotonic()
        self._found["busy"] = _figures(usage(server.process.pid))

    def __exit__(self, *problem: object) -> None:
        self._stack.close()

    def finish(self) -> dict[str, Any]:
        """Wait until the instances are gone, or should be, and call again."""
        pid = self._server.process.pid
        empty = self._found["empty"]["processes"]
        until = self._quiet_since + self._idle_s + LATER_S
        left = self._quiet_since + self._idle_s - time.monotonic()
        time.sleep(max(0.0, left))
        while usage(pid).processes > empty and time.monotonic() < until:
            time.sleep(0.5)
        self._found["gone_s"] = time.monotonic() - self._quiet_since
        time.sleep(1)
        self._found["zero"] = _figures(usage(pid))
        took, right = _call(self._server, "scale0", warm_client=True)
        self._found.update(first_ms=took, errors=0 if right else 1)
        return self._found


def run(context: Context) -> dict[str, Any]:
    """All of it, one after the other."""
    with Scale(context) as scale:
        return scale.finish()


def _figures(now: Usage) -> dict[str, Any]:
    return {"memory_mb": now.memory_mb, "server_mb": now.server_mb, "processes": now.processes}


def _call(server: Server, name: str, *, warm_client: bool = False) -> tuple[float, bool]:
    functions = client(server, "lambda")
    if warm_client:
        functions.get_function_configuration(FunctionName=name)
    began = time.perf_counter()
    answer = functions.invoke(FunctionName=name, Payload=b"{}")
    right = b"world" in answer["Payload"].read()
    return (time.perf_counter() - began) * 1e3, right


def rows(found: dict[str, Any]) -> list[Row]:
    """Memory and processes before, at work and after, and the first call."""
    empty, busy, zero = found["empty"], found["busy"], found["zero"]
    instances = FUNCTIONS * EACH
    kept = zero["memory_mb"] - empty["memory_mb"]
    left = max(0, zero["processes"] - empty["processes"])
    at = f"idle for {found['gone_s']:.0f} s (instances live for {found['idle_s']} s)"
    first = found["first_ms"] - WORK_MS
    return [
        Row("empty server", f"{empty['memory_mb']:.0f} MB, {empty['processes']} processes"),
        Row(
            f"{instances} instances of {FUNCTIONS} functions",
            f"{busy['memory_mb']:.0f} MB, {busy['processes']} processes",
        ),
        Row(at, f"{zero['memory_mb']:.0f} MB, {zero['processes']} processes"),
        Row("processes that are left of them", str(left), "0", left == 0),
        Row("memory that stays", f"{kept:.0f} MB", f"≤ {KEPT_MB} MB", kept <= KEPT_MB),
        Row(
            f"first call after it, beyond the function's own {WORK_MS} ms",
            f"{first:.1f} ms" if not found["errors"] else "a wrong answer",
            f"≤ {FIRST_MS} ms",
            first <= FIRST_MS and not found["errors"],
        ),
    ]
