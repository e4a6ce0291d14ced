"""Which interpreter runs an AWS runtime name on this host: the declared version where installed, else the nearest one."""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from freehold.runtime.base import RuntimeUnavailable

OLDEST_PYTHON = 10
"""Minor version: the bootstrap needs 3.8, but the SDK that functions find beside it needs 3.10."""
_PYTHON = re.compile(r"python3\.(\d+)$")
_NODE = re.compile(r"nodejs(\d+)\.x$")
_PROBE = "import ctypes, json, logging, socket, ssl, sys, zlib; print(*sys.version_info[:2], sys.base_prefix)"
_PROBE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An installed Python (`minor` of 3) or Node.js (`minor` is its major version)."""

    name: str
    path: str
    minor: int
    prefix: str


class Interpreters:
    """What is installed. Looking runs each candidate once; the server's own Python is known without looking."""

    def __init__(self) -> None:
        # Of a virtual environment the interpreter below it, also where the environment holds a copy.
        own = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
        minor = sys.version_info.minor
        self.own = Interpreter(f"python3.{minor}", own, minor, os.path.realpath(sys.base_prefix))
        self._pythons: dict[int, Interpreter] | None = None
        self._node: Interpreter | None = None
        self._node_sought = False

    def resolve(self, runtime: str) -> Interpreter | None:
        """The interpreter of an AWS runtime name; None for provided runtimes, which bring their own.

        Raises RuntimeUnavailable.
        """
        if match := _PYTHON.match(runtime):
            return self._nearest_python(int(match[1]))
        if _NODE.match(runtime):
            node = self.node()
            if node is None:
                raise RuntimeUnavailable(f"{runtime} needs Node.js, which is not installed here: apt install nodejs")
            return node
        if runtime in ("provided", "provided.al2", "provided.al2023"):
            return None
        raise RuntimeUnavailable(
            f"Freehold does not run {runtime or 'container images'}: it runs python3.x, nodejs*.x and provided.*. "
            "Package the function with its own runtime as a bootstrap executable for provided.al2023."
        )

    def _nearest_python(self, minor: int) -> Interpreter:
        if minor == self.own.minor:
            return self.own
        found = self.pythons()
        return found[min(found, key=lambda have: (abs(have - minor), -have))]

    def pythons(self) -> dict[int, Interpreter]:
        """Working interpreters by minor version."""
        if self._pythons is None:
            found = {self.own.minor: self.own}
            for path in _candidates():
                minor = int(path.rsplit(".", 1)[-1])
                if minor not in found and (interpreter := _probe(path)) is not None:
                    found.setdefault(interpreter.minor, interpreter)
            self._pythons = found
        return self._pythons

    def look_around(self) -> None:
        """Find everything, so that nobody waits for it later. Takes a second of a worker thread."""
        self.node()
        self.pythons()

    def node(self) -> Interpreter | None:
        """The installed Node.js, if any."""
        if not self._node_sought:
            self._node = _find_node()
            self._node_sought = True
        return self._node


def node_path() -> str | None:
    """Node.js as installed, not yet run."""
    path = shutil.which("node") or shutil.which("node", path="/usr/bin:/usr/local/bin")
    return os.path.realpath(path) if path else None


def _candidates() -> list[str]:
    """Executables named python3.N with N from the oldest on, newest first; wrappers of version managers left out."""
    directories = [directory for directory in os.get_exec_path() if "shims" not in directory]
    patterns = [*directories, "/usr/bin", "/usr/local/bin", "/opt/python*/bin", "/opt/python/*/bin"]
    for home in {os.path.expanduser("~"), "/root"}:
        patterns += [f"{home}/.pyenv/versions/*/bin", f"{home}/.local/share/uv/python/*/bin"]
    found: list[str] = []
    for pattern in patterns:
        found += [path for path in glob.glob(f"{pattern}/python3.*") if _PYTHON.search(path)]
    usable = [path for path in found if int(path.rsplit(".", 1)[-1]) >= OLDEST_PYTHON and os.access(path, os.X_OK)]
    return sorted(dict.fromkeys(usable), key=lambda path: -int(path.rsplit(".", 1)[-1]))


def _probe(path: str) -> Interpreter | None:
    real = os.path.realpath(path)
    try:
        done = subprocess.run([real, "-I", "-S", "-c", _PROBE], capture_output=True, timeout=_PROBE_SECONDS, text=True)
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = done.stdout.split()
    if done.returncode or len(words) < 3 or words[0] != "3":
        return None
    return Interpreter(f"python3.{words[1]}", real, int(words[1]), os.path.realpath(words[2]))


def _find_node() -> Interpreter | None:
    real = node_path()
    if real is None:
        return None
    try:
        done = subprocess.run([real, "--version"], capture_output=True, timeout=_PROBE_SECONDS, text=True)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.match(r"v(\d+)\.", done.stdout)
    if done.returncode or not match:
        return None
    return Interpreter(f"nodejs{match[1]}.x", real, int(match[1]), str(Path(real).parent.parent))


def sdk_packages() -> dict[str, Path]:
    """boto3 and what it needs, as installed beside the server: name in the sandbox -> file or directory."""
    from importlib.util import find_spec

    found: dict[str, Path] = {}
    for name in ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six"):
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            path = Path(spec.origin)
            found[path.name if name == "six" else name] = path if name == "six" else path.parent
    return found
