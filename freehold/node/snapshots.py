"""`freehold snapshot` and `freehold restore`."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from freehold import __version__
from freehold.node import checks
from freehold.node.config import Config
from freehold.node.places import files_of
from freehold.store.base import StoreBusy
from freehold.work import snapshots
from freehold.work.snapshots import SnapshotError


def snapshot(endpoint: str, config: Config, target: Path, *, data_named: bool) -> str:
    """Copy an installation into `target`: of the server that has the data directory, else the directory itself.

    Where nobody named a data directory (`data_named`), a server that answers at `endpoint` is meant. Raises SnapshotError.
    """
    if not data_named and _health(endpoint) is not None:
        return _told(_ask(endpoint, target, None), target)
    try:
        return _told(snapshots.take_stopped(config.data, target, __version__, files_of(config.blobs)), target)
    except StoreBusy as busy:
        if _health(endpoint) is None:
            raise SnapshotError(
                f"{busy}. No server answers at {endpoint}: set AWS_ENDPOINT_URL to the one that has it."
            ) from busy
        return _told(_ask(endpoint, target, config.data), target)


def restore(snapshot: Path, data: Path) -> int:
    """Put a snapshot into an empty directory and check it; answers the exit code. Raises SnapshotError, StoreError."""
    facts = snapshots.restore(snapshot, data)
    print(f"{data} is {snapshot} again: as of {facts['service_time']}, {facts['blobs']} blobs.")
    return checks.command(data)


def _told(facts: dict[str, Any], target: Path) -> str:
    return (
        f"{target}: as of {facts['service_time']}, a store of {facts['store_bytes']} bytes and {facts['blobs']} blobs of "
        f"{facts['blob_bytes']} bytes"
    )


def _health(endpoint: str) -> dict[str, Any] | None:
    """What the server says of itself; None where no Freehold answers."""
    try:
        with urllib.request.urlopen(f"{endpoint}/_freehold/health", timeout=2) as answer:
            found = json.load(answer)
            return found if isinstance(found, dict) else None
    except (OSError, ValueError):
        return None


def _ask(endpoint: str, target: Path, data: Path | None) -> dict[str, Any]:
    """Have the server take it. `data`: it has to be the one that has this directory."""
    url = f"{endpoint}/_freehold/snapshot"
    order: dict[str, Any] = {"directory": str(target.absolute())}
    if data is not None:
        order["data"] = str(data.absolute())
    body = json.dumps(order).encode()
    health = _health(endpoint) or {}
    headers = _signed(url, body) if health.get("guarded") else {"content-type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
            facts: dict[str, Any] = json.load(answer)
            return facts
    except urllib.error.HTTPError as problem:
        raise SnapshotError(json.load(problem)["message"]) from problem
    except OSError as problem:
        raise SnapshotError(f"The server at {endpoint} went away: {problem}.") from problem


def _signed(url: str, body: bytes) -> dict[str, str]:
    """Headers of a call that is signed with the environment's AWS credentials: a guarded server wants its root's."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.session import Session

    credentials = Session().get_credentials()
    if credentials is None:
        raise SnapshotError("The server is guarded: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to its root's.")
    request = AWSRequest("POST", url, data=body, headers={"content-type": "application/json"})
    SigV4Auth(credentials, "freehold", "us-east-1").add_auth(request)
    return dict(request.headers.items())
