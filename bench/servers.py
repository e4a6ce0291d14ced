"""The servers that are measured: Freehold on its durable default, and two peers from PyPI, which keep all in memory."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench import environments

HERE = Path(__file__).parent
START_SECONDS = 60
PROBE = (
    b'{"Limit":1}',
    {"X-Amz-Target": "DynamoDB_20120810.ListTables", "Content-Type": "application/x-amz-json-1.0"},
)
"""The first call that a server has to answer: a ListTables."""


def lists_tables(port: int) -> bool:
    """Whether a server of AWS's protocols answers its first call."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", "/", *PROBE)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def listens(port: int) -> bool:
    """Whether anybody takes connections."""
    try:
        socket.create_connection(("127.0.0.1", port), 10).close()
    except OSError:
        return False
    return True


def healthy(port: int) -> bool:
    """Whether Freehold says that it is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/_freehold/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@dataclass
class Server:
    """A running server; `started` is seconds from the command to the first successful call."""

    name: str
    command: list[str]
    environment: dict[str, str]
    port: int
    ready: Callable[[int], bool] = lists_tables
    process: subprocess.Popen[bytes] = field(init=False)
    started: float = 0.0
    said: Path = field(init=False)
    """Where it writes what it says."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, where: Path) -> None:
        """Start in the directory `where` and wait for the first answer. Raises RuntimeError when there is none."""
        self.said = where / f"{self.name}.log"
        log = self.said.open("ab")
        began = time.perf_counter()
        self.process = subprocess.Popen(
            self.command, cwd=where, env=self.environment, stdout=log, stderr=log, start_new_session=True
        )
        while not self.ready(self.port):
            if self.process.poll() is not None or time.perf_counter() - began > START_SECONDS:
                raise RuntimeError(f"{self.name} does not start; see {log.name}")
            time.sleep(0.002)
        self.started = time.perf_counter() - began

    def credentials(self) -> dict[str, str]:
        """The variables of a key that it takes: the root's, where it has told it, else any."""
        found = dict(re.findall(r"export (AWS_\w+)=(\S+)", self.said.read_text()))
        return found or {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

    def stop(self) -> None:
        """Stop it, and whatever it left in its session."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def freehold(data: Path, *flags: str, module: str = "freehold") -> Server:
    """Freehold from this checkout, durable, sandboxed, in open mode; `flags` go to `freehold up`."""
    port = free_port()
    command = [sys.executable, "-m", module, "up", "--port", str(port), "--data", str(data), *flags]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    return Server("freehold", command, environment, port)


def guarded(data: Path) -> Server:
    """Freehold that verifies the signature of every call."""
    server = freehold(data, "--guarded")
    server.name, server.ready = "guarded", healthy
    return server


def ministack() -> Server:
    """The first peer, on loopback only, as its makers start it."""
    port, program = free_port(), environments.program("ministack")
    environment = {
        **os.environ,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "PATH": f"{program.parent}:{os.environ.get('PATH', os.defpath)}",
    }
    return Server("ministack", [str(program)], environment, port)


def moto() -> Server:
    """The second peer, as its makers start it."""
    port = free_port()
    command = [str(environments.program("moto")), "-H", "127.0.0.1", "-p", str(port)]
    return Server("moto", command, dict(os.environ), port)


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A directory for data and logs that functions' processes can pass through."""
    made = tempfile.TemporaryDirectory(prefix="freehold-bench-", ignore_cleanup_errors=True)
    Path(made.name).chmod(0o711)
    return made


def resident_mb(pid: int) -> float:
    """Resident memory of one process, in MB of 1,000,000 bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def zygotes(server: Server) -> list[int]:
    """The template processes of functions, below a Freehold server."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        pid = int(entry.parent.name)
        python = words[0].rpartition(b"/")[2].startswith(b"python")
        template = python and any(word.endswith(b"freehold_zygote.py") for word in words)
        if template and server.process.pid in _ancestors(pid):
            found.append(pid)
    return sorted(found)


def _ancestors(pid: int) -> list[int]:
    found: list[int] = []
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
        found.append(pid)
    return found
