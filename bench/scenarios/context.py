"""What scenarios get: how to start a server of their own, clients, functions, and how long they may take."""

from __future__ import annotations

import contextlib
import io
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from bench.cold import ROLE, RUNTIME
from bench.servers import Server, freehold, scratch

HELLO = "def handler(event, context):\n    return {'hello': 'world'}\n"


@dataclass(frozen=True)
class Row:
    """A line of a scenario's table: what it is, what was found, what is wanted, and whether it was met (None: no target)."""

    what: str
    found: str
    target: str = ""
    met: bool | None = None


@dataclass(frozen=True)
class Context:
    """`quick` runs take a third of the time and say less; `tool` is load.py."""

    tool: Path
    quick: bool = False

    @contextlib.contextmanager
    def server(self, *flags: str, module: str = "freehold") -> Iterator[Server]:
        """A Freehold of one's own, durable, with a fresh directory."""
        with scratch() as directory:
            server = freehold(Path(directory) / "data", *flags, module=module)
            server.start(Path(directory))
            try:
                yield server
            finally:
                server.stop()


def client(server: Server, service: str) -> Any:
    """A boto3 client that never tries twice."""
    make: Any = boto3.client
    return make(
        service,
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}, read_timeout=60, max_pool_connections=50),
    )


def zipped(source: str) -> bytes:
    """A function's package."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        package.writestr("index.py", source)
    return buffer.getvalue()


def function(server: Server, name: str, source: str = HELLO) -> str:
    """Create a function and wait until it is active; its ARN."""
    functions = client(server, "lambda")
    made = functions.create_function(
        FunctionName=name, Runtime=RUNTIME, Handler="index.handler", Role=ROLE, Code={"ZipFile": zipped(source)},
        MemorySize=256, Timeout=30,
    )  # fmt: skip
    until = time.monotonic() + 30
    while functions.get_function_configuration(FunctionName=name)["State"] != "Active":
        if time.monotonic() > until:
            raise RuntimeError(f"{name} does not become active")
        time.sleep(0.02)
    arn: str = made["FunctionArn"]
    return arn
