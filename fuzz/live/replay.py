"""A reproducer, sent once more."""

from __future__ import annotations

import base64
import json
import tempfile
import urllib.parse
from pathlib import Path

from fuzz.live import server
from fuzz.live.prologue import Prologue
from fuzz.live.run import ACCOUNT, FUNCTIONS_S, OTHERWISE, shown
from fuzz.live.sending import Clients, Sender, Wire
from fuzz.live.values import Memory


def replay(path: Path) -> bool:
    """Send the requests of a reproducer to a new server; prints the last answers. True where nothing is wrong."""
    kept = json.loads(path.read_text())
    about, fine = kept["live"], True
    with tempfile.TemporaryDirectory(prefix="freehold-fuzz-") as directory:
        Path(directory).chmod(0o711)
        running = server.start(Path(directory), about["seed"], guarded=about["guarded"])
        try:
            parts = urllib.parse.urlsplit(running.url)
            key, secret = server.credentials(running.said) if about["guarded"] else (ACCOUNT, "test")
            Prologue(Clients(running.url, key, secret), Memory(), account=ACCOUNT).run()
            sender = Sender(parts.hostname or "", parts.port or 0)
            for request in kept["requests"]:
                if not request["method"]:
                    continue
                wire = Wire(request["method"], request["path"], request["headers"], base64.b64decode(request["body"]))
                reply = sender.send(wire, alone=True, patience=FUNCTIONS_S)
                if reply.status == 0 or (reply.status >= 500 and reply.status not in OTHERWISE):
                    fine = False
                    print(
                        f"{wire.method} {wire.path[:200]} {shown(wire)}\n"
                        f"-> {reply.status} {reply.problem} {reply.body[:500]!r}"
                    )
        finally:
            server.stop(running)
        log = (Path(directory) / "log").read_text(errors="replace")
        if server.TRACE in log:
            fine = False
            print(log[-6_000:])
    print(f"was: {kept['finding'][:600]}\n{'nothing went wrong' if fine else 'it went wrong again'}")
    return fine
