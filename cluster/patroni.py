"""PostgreSQL with a standby, run by Patroni and etcd, with the very lines of docs/operations.md; on ports of loopback."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import textwrap
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from cluster.balancer import PAGE
from tests import postgres_server

START_S = 90.0
PASSWORD = "of-the-cluster"


def settings_of_the_page() -> str:
    """The page's lines for Patroni: those that begin with `bootstrap:`. Raises ValueError."""
    found = re.search(r"^    bootstrap:\n(?:     +.*\n)+", PAGE.read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"{PAGE} has no lines for Patroni")
    return textwrap.dedent(found.group(0))


class Member:
    """One Patroni with its PostgreSQL: a host of the database."""

    def __init__(self, name: str, directory: Path, port: int, etcd: int, drop: tuple[str, ...], lines: str) -> None:
        self.name, self.port, self.api = name, port, port + 10
        self._directory, self._drop = directory, drop
        programs = postgres_server.binaries()
        self._file = directory / f"{name}.yml"
        self._file.write_text(
            lines
            + textwrap.dedent(f"""\
              initdb:
                - encoding: UTF8
                - data-checksums
            scope: freehold
            name: {name}
            restapi:
              listen: 127.0.0.1:{self.api}
              connect_address: 127.0.0.1:{self.api}
            etcd3:
              hosts: 127.0.0.1:{etcd}
            postgresql:
              listen: 127.0.0.1:{port}
              connect_address: 127.0.0.1:{port}
              data_dir: {directory}/{name}
              bin_dir: {programs}
              pgpass: {directory}/{name}.pgpass
              authentication:
                superuser: {{username: postgres, password: {PASSWORD}}}
                replication: {{username: replicator, password: {PASSWORD}}}
              parameters:
                unix_socket_directories: {directory}
              pg_hba:
                - host replication replicator 127.0.0.1/32 scram-sha-256
                - host all all 127.0.0.1/32 scram-sha-256
            """)
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start Patroni, which starts PostgreSQL."""
        with (self._directory / f"{self.name}.log").open("a") as log:
            self.process = subprocess.Popen(
                [*self._drop, "patroni", str(self._file)],
                stdout=log,
                stderr=log,
                cwd=self._directory,
                start_new_session=True,
                env={"PATH": os.environ["PATH"] + ":/usr/bin"},
            )

    def kill(self) -> None:
        """As if the host had vanished: kill -9 of Patroni, then of everything of PostgreSQL's."""
        assert self.process is not None
        self.process.kill()
        self.kill_postgres()
        self.process.wait()

    def kill_postgres(self) -> None:
        """kill -9 of PostgreSQL alone, first of the process that answers for the others."""
        leader = self._pid()
        for pid in [leader, *_children(leader)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def log(self) -> str:
        return (self._directory / f"{self.name}.log").read_text()

    def _pid(self) -> int:
        return int((self._directory / self.name / "postmaster.pid").read_text().splitlines()[0])


class Patroni:
    """Two members and an etcd. Freehold's role and database are made as the page says."""

    def __init__(self, directory: Path, port: int, *, synchronous: bool = True) -> None:
        if shutil.which("patroni") is None or shutil.which("etcd") is None:
            raise SystemExit("There is no Patroni: apt-get install patroni etcd-server python3-psycopg2 postgresql")
        directory.mkdir()
        user = "postgres" if any(entry.pw_name == "postgres" for entry in pwd.getpwall()) else "nobody"
        entry = pwd.getpwnam(user)
        drop = ("setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups")
        self._drop = drop if os.geteuid() == 0 else ()
        if self._drop:
            shutil.chown(directory, user)
        self._directory = directory
        client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}"
        flags = {
            "data-dir": directory / "etcd",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"default={peer}",
        }
        with (directory / "etcd.log").open("w") as log:
            self._etcd = subprocess.Popen(
                [*self._drop, "etcd", *(f"--{name}={value}" for name, value in flags.items())], stdout=log, stderr=log
            )
        self._synchronous = synchronous
        lines = settings_of_the_page()
        if not synchronous:
            lines = lines.replace("synchronous_mode: true", "synchronous_mode: false")
        self.members = [Member(f"db{at}", directory, port + 1 + at, port, self._drop, lines) for at in (1, 2)]
        self.address = ", ".join(f"127.0.0.1:{member.port}" for member in self.members)
        for member in self.members:
            member.start()
        self.wait_in_sync()
        self._sql(f"CREATE ROLE freehold LOGIN PASSWORD '{PASSWORD}'")
        self._sql("CREATE DATABASE freehold OWNER freehold")

    def url(self, source: str) -> str:
        """The page's URL: all members, the password elsewhere."""
        hosts = ",".join(f"127.0.0.1:{member.port}" for member in self.members)
        return f"postgresql://freehold@{hosts}/freehold"

    def primary(self) -> Member | None:
        """Who leads, by Patroni's own word."""
        return next((member for member in self.members if _asked(member, "primary") is not None), None)

    def wait_writable(self, *, but: Member | None = None) -> float:
        """Wait until one takes writes, by PostgreSQL's own word; for how many seconds. `but`: another than this one."""
        import psycopg

        began = time.monotonic()
        while time.monotonic() - began < START_S:
            for member in self.members:
                try:
                    with psycopg.connect(self._as_superuser(member), connect_timeout=2) as connection:
                        found = connection.execute("SELECT pg_is_in_recovery()").fetchone()
                except psycopg.Error:
                    continue
                if found == (False,) and member is not but:
                    return time.monotonic() - began
            time.sleep(0.05)
        raise RuntimeError("nobody takes writes")

    def wait_in_sync(self) -> float:
        """Wait until one leads and the other is its synchronous standby; for how many seconds. Raises RuntimeError."""
        began, seen = time.monotonic(), 0
        while time.monotonic() - began < START_S:
            primary = self.primary()
            others = [member for member in self.members if member is not primary]
            role = "synchronous" if self._synchronous else "replica"
            if primary is None or any(_asked(member, role) is None for member in others):
                seen = 0
            elif (seen := seen + 1) == 10:  # what Patroni says of itself may be seconds old
                return time.monotonic() - began
            time.sleep(0.3)
        raise RuntimeError("\n".join(member.log()[-1500:] for member in self.members))

    def switch_over(self) -> None:
        """What an operator asks for before he works on the primary's host."""
        primary = self.primary()
        assert primary is not None
        body = json.dumps({"leader": primary.name}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{primary.api}/switchover", body, method="POST")
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 200

    def _sql(self, statement: str) -> None:
        import psycopg

        primary = self.primary()
        assert primary is not None
        with psycopg.connect(self._as_superuser(primary), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _as_superuser(self, member: Member) -> str:
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{member.port}/postgres"

    def crash(self) -> None:
        """End everything."""
        for member in self.members:
            if member.process is not None and member.process.poll() is None:
                member.kill()
        self._etcd.kill()
        self._etcd.wait()


def _asked(member: Member, what: str) -> Any:
    """What a member says of itself, if it says yes."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{member.api}/{what}", timeout=2) as answer:
            return json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return None


def _children(pid: int) -> list[int]:
    """Processes that this one started."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
