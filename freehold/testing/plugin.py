"""The pytest plugin: `freehold` and `freehold_clock`.

- `freehold`: a fresh account on a server that lives as long as the session (one per worker under pytest-xdist). The
  environment points AWS SDKs there, so that the code under test needs no change: `boto3.client("sqs")` in it is enough.
- `freehold_clock`: the clock of that account's server, which then stands until the test advances it.

A test that asks for both gets an account on the server whose clock stands. Accounts share nothing, so there is nothing to
clean up between tests; tests share the time of `freehold_clock`, which only goes forward.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from freehold.testing.server import Account, Clock, Freehold


@pytest.fixture(scope="session")
def freehold_server() -> Iterator[Freehold]:
    """The server of the session."""
    from freehold.testing.server import Freehold

    with Freehold() as server:
        yield server


@pytest.fixture(scope="session")
def freehold_manual_server() -> Iterator[Freehold]:
    """The server of the session whose clock stands."""
    from freehold.testing.server import Freehold

    with Freehold(manual_clock=True) as server:
        yield server


@pytest.fixture
def freehold(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Account:
    """An account of the test's own; the environment points there."""
    manual = "freehold_clock" in request.fixturenames
    server: Freehold = request.getfixturevalue("freehold_manual_server" if manual else "freehold_server")
    account = server.account()
    for name, value in account.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)
    # Code under test may call boto3.client() without a session: it would keep the credentials of an earlier test.
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    return account


@pytest.fixture
def freehold_clock(freehold_manual_server: Freehold) -> Clock:
    """The clock of this test's server."""
    return freehold_manual_server.clock
