"""HAProxy in front of the nodes, with the very lines of docs/operations.md."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from cluster.machines import Node

PAGE = Path(__file__).parent.parent / "docs" / "operations.md"

DEBIAN = """
global
    maxconn 2000
    log {log} format raw local0 info
defaults
    log global
    mode http
    option httplog
    option dontlognull
    timeout connect 5000
    timeout client 50000
    timeout server 50000
"""
"""What stands above them in Debian's /etc/haproxy/haproxy.cfg; the log goes to a file of ours."""


def lines_of_the_page() -> str:
    """The page's lines for HAProxy: its first code block with a backend. Raises ValueError."""
    for block in re.findall(r"(?:^    .*\n|^\n)+", PAGE.read_text(), re.MULTILINE):
        if "backend freehold" in block:
            return "\n".join(line[4:] for line in block.splitlines()) + "\n"
    raise ValueError(f"{PAGE} has no lines for HAProxy")


def drain_of_the_page() -> str:
    """How many seconds the page has a node go on serving when it is told to stop. Raises ValueError."""
    found = re.search(r"^    FREEHOLD_DRAIN=(\d+)", PAGE.read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"{PAGE} does not set FREEHOLD_DRAIN")
    return found.group(1)


def configured(lines: str, servers: Sequence[tuple[str, str]], port: int) -> str:
    """The page's lines with these servers (name, address:port), listening on this port of loopback. Raises ValueError."""
    given = re.findall(r"^( *server) \S+ \S+(.*)$", lines, re.MULTILINE)
    if len(given) != 3 or len(set(given)) != 1:
        raise ValueError(f"the page has not three servers alike: {given}")
    word, options = given[0]
    ours = "\n".join(f"{word} {name} {address}{options}" for name, address in servers)
    kept = re.sub(r"^ *server .*\n", "", lines, flags=re.MULTILINE).rstrip()
    bound = re.sub(r"^( *bind) \S+.*$", rf"\1 127.0.0.1:{port}", kept, flags=re.MULTILINE)
    return f"{bound}\n{ours}\n"


class Balancer:
    """A running HAProxy."""

    def __init__(self, directory: Path, nodes: Sequence[Node], port: int) -> None:
        program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
        if program is None:
            raise SystemExit("There is no HAProxy: apt-get install haproxy")
        directory.mkdir()
        self.url = f"http://127.0.0.1:{port}"
        file = directory / "haproxy.cfg"
        servers = [(node.name, node.url.removeprefix("http://")) for node in nodes]
        file.write_text(DEBIAN.format(log="stdout") + configured(lines_of_the_page(), servers, port))
        said = subprocess.run([program, "-c", "-f", str(file)], capture_output=True, text=True)
        if said.returncode or "[WARNING]" in said.stderr + said.stdout:
            raise RuntimeError(f"HAProxy does not like the page's lines: {said.stderr}{said.stdout}")
        self._log = directory / "log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen([program, "-db", "-f", str(file)], stdout=log, stderr=log)

    def ready(self) -> None:
        """Return when a node answers through it. Raises RuntimeError."""
        for _ in range(200):
            try:
                with urllib.request.urlopen(f"{self.url}/_freehold/health", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise RuntimeError(f"HAProxy does not answer: {self.log()[-2000:]}")

    def log(self) -> str:
        return self._log.read_text()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
