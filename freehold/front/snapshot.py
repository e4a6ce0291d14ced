"""`POST /_freehold/snapshot`: a consistent copy of this installation into a new directory on the server's machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import orjson

from freehold import __version__
from freehold.kit.http import Request, Response
from freehold.ports.platform import Platform
from freehold.work.snapshots import SnapshotError, take


class _Order(msgspec.Struct, forbid_unknown_fields=True):
    directory: str
    data: str | None = None
    """The data directory that is meant: another server's is refused."""


async def respond(platform: Platform, request: Request) -> Response:
    """`{"directory": "/an/absolute/path"}` answers what snapshot.json says, when the snapshot is complete and synced."""
    try:
        order = msgspec.json.decode(request.body, type=_Order)
    except (msgspec.DecodeError, msgspec.ValidationError) as problem:
        return _json({"message": f'Send {{"directory": "/path"}}: {problem}.'}, 400)
    directory = Path(order.directory)
    if not directory.is_absolute() or "\x00" in order.directory:
        return _json({"message": "The directory must be an absolute path on the server's machine."}, 400)
    data = platform.settings.data.absolute()
    if order.data is not None and Path(order.data).resolve() != data.resolve():
        return _json(
            {"message": f"This server has {data}, not {order.data}: set AWS_ENDPOINT_URL to the one that has it."}, 409
        )
    if directory.resolve().is_relative_to(data.resolve()):
        return _json({"message": "A snapshot lies outside the data directory."}, 400)
    try:
        facts = await take(platform.store, platform.blobs, directory, __version__)
    except SnapshotError as problem:
        return _json({"message": str(problem)}, 409)
    except OSError as problem:
        return _json({"message": f"The snapshot failed: {problem}."}, 507)
    return _json({**facts, "directory": str(directory), "data": str(data)})


def _json(value: Any, status: int = 200) -> Response:
    return Response(status, [("content-type", "application/json")], orjson.dumps(value))
