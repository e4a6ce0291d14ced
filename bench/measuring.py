"""One measurement by load.py, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.cold import RUNTIME
from bench.servers import HERE, Server

LOAD_TOOL = HERE.parent.parent / "shared" / "tools" / "load.py"
Found = dict[str, Any]


def load(tool: Path, server: Server, operation: str, connections: int, seconds: float) -> Found:
    """What load.py found. An operation that the server cannot do is reported as `unsupported`."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as out:
        command = [sys.executable, "-m", "bench.operations", str(tool), "--endpoint", server.url, "--ops", operation]
        command += ["--conns", str(connections), "--seconds", str(seconds), "--pid", str(server.process.pid)]
        command += ["--json", out.name, "--runtime", RUNTIME]
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        found: Found = json.loads(out.read().splitlines()[-1])
    return found
