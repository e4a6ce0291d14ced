"""A throwaway PostgreSQL: Debian's package, in a temporary directory, on a unix socket, as a user that is not root."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

SETTINGS = "-c listen_addresses= -c fsync=off -c max_connections=60"
"""Tests ask what is committed, not what is on the disk."""


def binaries() -> Path | None:
    """Where the newest server's programs are; None: there is none on this machine."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


class Cluster:
    """A running server. `url` names its database `postgres`."""

    def __init__(self, programs: Path, directory: Path) -> None:
        self._programs, self._directory = programs, directory
        self.url = f"postgresql://freehold@/postgres?host={directory}"

    def run(self, program: str, *arguments: str | Path) -> None:
        """Run one of PostgreSQL's programs as the user that the server runs as."""
        options: dict[str, Any] = {"user": _user(), "extra_groups": []} if os.geteuid() == 0 else {}
        command = [str(self._programs / program), *map(str, arguments)]
        subprocess.run(command, check=True, timeout=60, cwd=self._directory, stdout=subprocess.DEVNULL, **options)

    def start(self) -> None:
        settings = f"{SETTINGS} -c unix_socket_directories={self._directory}"
        self.run("pg_ctl", "-w", "-D", self._directory / "data", "-l", self._directory / "log", "-o", settings, "start")

    def stop(self, mode: str = "immediate") -> None:
        """`immediate` is what a crash leaves behind."""
        self.run("pg_ctl", "-w", "-D", self._directory / "data", "-m", mode, "stop")


@contextlib.contextmanager
def cluster(programs: Path) -> Iterator[Cluster]:
    """A server for the `with` block."""
    directory = Path(tempfile.mkdtemp(prefix="freehold-pg-"))
    if os.geteuid() == 0:
        shutil.chown(directory, _user())
    running = Cluster(programs, directory)
    try:
        running.run("initdb", "-N", "-A", "trust", "-U", "freehold", "-D", directory / "data")
        running.start()
        try:
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(directory)


def database(url: str, name: str) -> str:
    """The URL of the database `name` on the server of `url`, made if it is missing."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(url, autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _user() -> str:
    """PostgreSQL refuses to run as root."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
