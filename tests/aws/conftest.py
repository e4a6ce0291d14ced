"""A real server, driven through boto3. Each test gets an account of its own."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from freehold.runtime import cgroups, sandbox

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Server:
    """A running `freehold up`."""

    url: str
    process: subprocess.Popen[str]
    data: Path
    said: str = ""
    """What it printed until it was ready: the root credentials of a new guarded installation."""

    def client(self, service: str, account: str = "000000000000", region: str = "us-east-1", **config: Any) -> Any:
        """A boto3 client of one account."""
        session = boto3.session.Session(aws_access_key_id=account, aws_secret_access_key="test", region_name=region)
        options: dict[str, Any] = {"retries": {"max_attempts": 0}, "read_timeout": 60, **config}
        return session.client(service, endpoint_url=self.url, config=Config(**options))


def start(data: Path, *flags: str) -> Server:
    """Start a server on a free port and wait for its ready line."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "FREEHOLD_"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "freehold", "up", "--port", "0", "--data", str(data), *flags],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        found = re.search(r"ready at (http://\S+)", line)
        if found:
            return Server(found.group(1), process, data, said)
    raise RuntimeError(f"the server ended with {process.wait()} before it was ready")


def stop(server: Server) -> None:
    """Ctrl-C, and wait."""
    server.process.terminate()
    try:
        server.process.wait(20)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()
        raise


def isolated() -> bool:
    """Does this host offer what a guarded server asks for before it runs functions?"""
    hierarchy, _how = cgroups.detect()
    if hierarchy is not None:
        hierarchy.close()
    return hierarchy is not None and sandbox.Host.find_bubblewrap() is not None


needs_isolation = pytest.mark.skipif(not isolated(), reason="guarded servers run functions only in full isolation")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the session, on the durable engine."""
    running = start(tmp_path_factory.mktemp("server") / "data")
    yield running
    stop(running)


_accounts = itertools.count(100_000_000_000 + os.getpid() * 10_000)


@pytest.fixture
def account() -> str:
    """A fresh account id."""
    return f"{next(_accounts):012d}"


@pytest.fixture
def aws(server: Server, account: str) -> Callable[..., Any]:
    """`aws("dynamodb")`: a boto3 client of this test's own account."""

    def client(service: str, **options: Any) -> Any:
        return server.client(service, account, **options)

    return client
