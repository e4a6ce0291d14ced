"""A pool for a test: real processes in the sandbox this host offers, a sink that records."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from freehold.kit.clock import SystemClock
from freehold.kit.ids import Ids
from freehold.runtime.base import FunctionSpec, Invocation, LogEvent, Outcome
from freehold.runtime.pool import Pool

ACCOUNT, REGION = "000000000000", "us-east-1"


@dataclass
class Recorder:
    """A sink that keeps everything."""

    lines: list[bytes] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)
    ended: list[Outcome] = field(default_factory=list)
    failed_inits: list[str] = field(default_factory=list)
    started: int = 0
    bytes_seen: int = 0

    def init_started(self, spec: FunctionSpec, stream: str) -> None:
        self.started += 1

    def init_failed(self, spec: FunctionSpec, stream: str, init_ms: float, error_type: str) -> None:
        self.failed_inits.append(error_type)

    def invocation_started(self, spec: FunctionSpec, stream: str, invocation: Invocation) -> None:
        pass

    def output(self, spec: FunctionSpec, stream: str, request_id: str | None, data: bytes) -> None:
        self.bytes_seen += len(data)
        if isinstance(data, LogEvent):
            self.events.append(bytes(data))
        if len(self.lines) < 10_000:
            self.lines += data.splitlines()

    def invocation_ended(self, spec: FunctionSpec, stream: str, invocation: Invocation, outcome: Outcome) -> None:
        self.ended.append(outcome)

    @property
    def text(self) -> str:
        return b"\n".join(self.lines).decode(errors="replace")


def credentials(spec: FunctionSpec) -> Mapping[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": "ASIATEST",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    }


class Bench:
    """A pool and quick ways to make and invoke functions."""

    def __init__(self, directory: Path, **options: Any) -> None:
        self.directory = directory
        self.ids = Ids(1)
        self.sink = Recorder()
        self.code = directory / "code"
        self.code.mkdir(exist_ok=True)
        self.pool = Pool(
            clock=SystemClock(),
            ids=self.ids,
            sink=self.sink,
            credentials=credentials,
            scratch=directory / "scratch",
            code_roots=[self.code],
            **options,
        )
        self.count = 0

    def function(self, source: str = "", files: Mapping[str, str] | None = None, **fields: Any) -> FunctionSpec:
        """A Python function from the source of app.py, or any other from `files`. It has time on the slowest machine."""
        self.count += 1
        directory = self.code / f"{self.count}"
        contents = dict(files or {})
        if source:
            contents["app.py"] = source
        for name, text in contents.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o755)
        name = f"function-{self.count}"
        values: dict[str, Any] = {
            "key": name,
            "arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}",
            "account": ACCOUNT,
            "region": REGION,
            "name": name,
            "version": "$LATEST",
            "runtime": "python3.11",
            "handler": "app.handler",
            "code": directory,
            "timeout_s": 30.0,
        }
        return FunctionSpec(**{**values, **fields})

    def invocation(self, spec: FunctionSpec, event: Any = None, **fields: Any) -> Invocation:
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        return Invocation(request_id=self.ids.uuid(), payload=payload, arn=spec.arn, **fields)

    async def invoke(self, spec: FunctionSpec, event: Any = None, **fields: Any) -> Outcome:
        return await self.pool.invoke(spec, self.invocation(spec, event, **fields))

    async def result(self, spec: FunctionSpec, event: Any = None) -> Any:
        """What the function returned; fails the test where it failed."""
        outcome = await self.invoke(spec, event)
        assert isinstance(outcome.payload, bytes)
        assert outcome.function_error is None, outcome.payload
        return json.loads(outcome.payload)

    async def error(self, spec: FunctionSpec, event: Any = None) -> dict[str, Any]:
        """The error document of a function that fails."""
        outcome = await self.invoke(spec, event)
        assert isinstance(outcome.payload, bytes)
        assert outcome.function_error == "Unhandled", outcome.payload
        document = json.loads(outcome.payload)
        assert outcome.error_type == document["errorType"]
        return dict(document)


Scenario = Callable[[Bench], Awaitable[None]]


async def _nothing() -> None:
    return None


@asynccontextmanager
async def bench_in(directory: Path, **options: Any) -> AsyncIterator[Bench]:
    bench = Bench(directory, **options)
    await bench.pool.start()
    # Templates start when a test needs them: boto3's would cost every test half a second of somebody's processor.
    bench.pool.crew().launcher.warm_up = _nothing  # type: ignore[method-assign]
    try:
        yield bench
    finally:
        await bench.pool.close()
