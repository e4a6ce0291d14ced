"""A server for tests: a process of its own, gone with the `with` block."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from freehold.node import clock
from freehold.node.config import bare_environment

FIRST_ACCOUNT = 100_000_000_000
STOP_S = 20.0
COMPLAINTS = 20
"""Lines of a server's stderr that are told when it does not start."""


class StartError(Exception):
    """The server ended before it was ready; the text is what it said."""


class Clock:
    """Service time of a server that was started with `manual_clock=True`: it stands until it is moved."""

    def __init__(self, url: str) -> None:
        self._url = url

    @property
    def now(self) -> datetime:
        """What time it is on the platform (UTC)."""
        return datetime.fromtimestamp(clock.now(self._url)["now_ms"] / 1000, UTC)

    def advance(self, by: timedelta | float | str) -> datetime:
        """Move time forward by a timedelta, by seconds, or by "15m". When it returns, everything that became due on the
        way (retries, visibility timeouts, schedules, delays) has happened, in due order, and functions have ended.

        Raises freehold.node.clock.ClockError where time moves by itself.
        """
        clock.advance(self._url, _seconds(by))
        return self.now

    def until_quiet(self, within: timedelta | float | str = "1d") -> datetime:
        """Move time forward to the last thing that is due `within` this time; what repeats for ever is never quiet."""
        clock.advance(self._url, _seconds(within), until_quiet=True)
        return self.now


class Account:
    """One AWS account of a server: nothing in it but what its user puts there."""

    def __init__(self, server: Freehold, id: str, region: str) -> None:
        self.server, self.id, self.region = server, id, region
        self._clients: dict[str, Any] = {}

    @property
    def url(self) -> str:
        """The address of the server."""
        return self.server.url

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point AWS tools and SDKs to this account."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.id,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
        }

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client: `client("sqs")`. Options are those of `boto3.session.Session.client`; without any, it is the
        same client every time."""
        if options:
            return self._session().client(service, endpoint_url=self.url, **options)
        if service not in self._clients:
            self._clients[service] = self._session().client(service, endpoint_url=self.url)
        return self._clients[service]

    def resource(self, service: str, **options: Any) -> Any:
        """A boto3 resource: `resource("dynamodb")`."""
        return self._session().resource(service, endpoint_url=self.url, **options)

    def _session(self) -> Any:
        import boto3

        return boto3.session.Session(
            aws_access_key_id=self.id,
            aws_secret_access_key="test",
            region_name=self.region,
            botocore_session=_botocore_session(),
        )


class Freehold:
    """A running server, as a context manager. It keeps nothing unless `data` names a directory.

    `manual_clock`: time stands until `clock.advance`, at first where it names a time (a datetime with a zone, or
    "2026-01-01T09:00:00Z"). `seed`: ids and jitter are the same in every run; with a manual clock, time begins at
    2026-01-01T00:00:00Z unless it names one, since ids may hold the time. `flags`: further flags of `freehold up`.
    `log`: the file that its log is added to, which otherwise goes where this process's own errors go. Raises StartError.
    """

    def __init__(
        self,
        *,
        data: Path | str | None = None,
        manual_clock: bool | datetime | str = False,
        seed: int | None = None,
        region: str = "us-east-1",
        flags: tuple[str, ...] = (),
        log: Path | str | None = None,
    ) -> None:
        self.region = region
        self.log = None if log is None else Path(log)
        self._command = [sys.executable, "-m", "freehold", "up", "--port", "0", "--region", region]
        self._command += ["--ephemeral"] if data is None else ["--data", str(data)]
        self._command += ["--clock", _clock(manual_clock)] if manual_clock else []
        self._command += [] if seed is None else ["--seed", str(seed)]
        self._command += flags
        self._accounts = itertools.count(FIRST_ACCOUNT)
        self._default: Account | None = None
        self.said = ""
        """What it printed until it was ready."""

    def start(self) -> Freehold:
        """Start it and return when it serves."""
        complaints = self._launch()
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            found = re.search(r"ready at (http://\S+)", line)
            if found:
                self.url = found.group(1)
                self.clock = Clock(self.url)
                self._default = None
                return self
        code = self.process.wait()
        raise StartError(
            f"The server ended with {code} before it was ready: {self.said}{''.join(complaints())}".strip()
        )

    def _launch(self) -> Callable[[], Iterable[str]]:
        """Start the process; returns a function that tells the last lines of what it has logged when it has ended."""
        pipe = subprocess.PIPE
        if (path := self.log) is not None:
            with path.open("ab") as log:
                self.process = subprocess.Popen(
                    self._command, env=bare_environment(), stdout=pipe, stderr=log, text=True
                )
            return lambda: path.read_text(errors="replace").splitlines(keepends=True)[-COMPLAINTS:]
        self.process = subprocess.Popen(self._command, env=bare_environment(), stdout=pipe, stderr=pipe, text=True)
        assert self.process.stderr is not None
        complaints: deque[str] = deque(maxlen=COMPLAINTS)
        passing = threading.Thread(target=_pass_on, args=(self.process.stderr, complaints), daemon=True)
        passing.start()

        def heard() -> Iterable[str]:
            passing.join(STOP_S)
            return complaints

        return heard

    def stop(self) -> None:
        """Stop it and wait until it is gone."""
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End it as a crash would (SIGKILL)."""
        self.process.kill()
        self.process.wait()

    def account(self, id: str | None = None) -> Account:
        """An account: a fresh one, or the one with this id (12 digits)."""
        return Account(self, id or f"{next(self._accounts):012d}", self.region)

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client of the default account."""
        return self._default_account().client(service, **options)

    def resource(self, service: str, **options: Any) -> Any:
        """A boto3 resource of the default account."""
        return self._default_account().resource(service, **options)

    def _default_account(self) -> Account:
        self._default = self._default or self.account("000000000000")
        return self._default

    def __enter__(self) -> Freehold:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.stop()


@cache
def _loader() -> Any:
    """AWS's service models, read once: a client of another account then takes a tenth of the time to make."""
    from botocore.loaders import Loader

    return Loader()


def _botocore_session() -> Any:
    from botocore.session import Session

    session = Session()
    session.register_component("data_loader", _loader())
    return session


def _pass_on(stream: IO[str], kept: deque[str]) -> None:
    """What a server says on stderr is said here, too: pytest shows it with the test that failed."""
    with stream:
        for line in stream:
            kept.append(line)
            sys.stderr.write(line)


def _clock(manual: bool | datetime | str) -> str:
    if isinstance(manual, datetime):
        return manual.isoformat()
    return manual if isinstance(manual, str) else "manual"


def _seconds(by: timedelta | float | str) -> float:
    if isinstance(by, timedelta):
        return by.total_seconds()
    return clock.seconds(by) if isinstance(by, str) else by
