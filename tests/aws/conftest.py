"""A real server, driven through boto3. Each test gets an account of its own."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

from freehold.runtime import cgroups, sandbox
from freehold.testing import Freehold
from tests import postgres_server

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Server:
    """A running `freehold up`."""

    freehold: Freehold
    data: Path

    @property
    def url(self) -> str:
        return self.freehold.url

    @property
    def process(self) -> subprocess.Popen[str]:
        return self.freehold.process

    @property
    def said(self) -> str:
        """What it printed until it was ready: the root credentials of a new guarded installation."""
        return self.freehold.said

    def client(self, service: str, account: str = "000000000000", region: str = "us-east-1", **config: Any) -> Any:
        """A boto3 client of one account."""
        options: dict[str, Any] = {"retries": {"max_attempts": 0}, "read_timeout": 60, **config}
        return self.freehold.account(account).client(service, region_name=region, config=Config(**options))


STORE: list[str] = []
"""The PostgreSQL server that keeps the state in this run: one URL, or none, which is each server's own directory."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest tests/aws --store-url auto`: the same suite on PostgreSQL, of this machine's package or at a URL."""
    parser.addoption("--store-url", help="run on PostgreSQL: a URL whose role may create databases, or auto")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Snapshots copy a data directory; a database is copied by PostgreSQL's own tools."""
    if config.getoption("--store-url", None):
        for item in items:
            if item.path.name == "test_snapshots.py":
                item.add_marker(pytest.mark.skip(reason="a store in PostgreSQL is backed up by PostgreSQL's tools"))


@pytest.fixture(scope="session", autouse=True)
def store_url(request: pytest.FixtureRequest) -> Iterator[None]:
    """Set STORE as the option says."""
    url = request.config.getoption("--store-url")
    with contextlib.ExitStack() as until_the_end:
        if url == "auto":
            programs = postgres_server.binaries()
            if programs is None:
                pytest.skip("no PostgreSQL: name a server, or install Debian's postgresql package")
            url = until_the_end.enter_context(postgres_server.cluster(programs)).url
        STORE[:] = [url] if url else []
        yield


def start(data: Path, *flags: str) -> Server:
    """Start a server on a free port and wait for its ready line. On PostgreSQL each directory has its own database."""
    if STORE and "--ephemeral" not in flags:
        name = "freehold_" + hashlib.sha256(str(data).encode()).hexdigest()[:16]
        flags = (*flags, "--store", postgres_server.database(STORE[0], name))
    return Server(Freehold(data=data, flags=flags).start(), data)


def stop(server: Server) -> None:
    """Ctrl-C, and wait."""
    server.freehold.stop()


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
