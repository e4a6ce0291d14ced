"""`GET /_freehold/export?account=ID` and `POST /_freehold/import`: an account out of this server, or into it, as a file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson

from freehold.front.body import Body
from freehold.kit.http import Request, Response
from freehold.ports.accounts import AccountError
from freehold.ports.platform import Platform

_ACCOUNT = re.compile(r"\d{12}", re.ASCII)


async def leave(platform: Platform, request: Request) -> Response:
    """The file, piece by piece; 409 where the account cannot be exported."""
    account = dict(request.query_pairs()).get("account", "")
    if not _ACCOUNT.fullmatch(account):
        return _json({"message": "Name an account of 12 digits: export?account=111111111111."}, 400)
    if (problem := _meant(platform, request)) is not None:
        return problem
    pieces = platform.accounts.leave(account)
    try:
        first = await anext(pieces)
    except AccountError as refusal:
        return _json({"message": str(refusal)}, 409)
    return Response(200, [("content-type", "application/octet-stream")], _following(first, pieces))


async def _following(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece


async def arrive(platform: Platform, request: Request, body: Body, *, digest: str | None) -> Response:
    """Import the file in the body. `digest` is its SHA-256 as the caller signed it, where it had to."""
    account = dict(request.query_pairs()).get("account")
    if (problem := _meant(platform, request)) is not None:
        return problem
    pieces = body.stream() if digest is None else _signed(body.stream(), digest)
    try:
        return _json(await platform.accounts.arrive(pieces, account))
    except AccountError as refusal:
        return _json({"message": str(refusal)}, 409)


def _meant(platform: Platform, request: Request) -> Response | None:
    """Refuse where another server's data directory is meant."""
    named, data = dict(request.query_pairs()).get("data"), platform.settings.data.absolute()
    if named is None or Path(named).resolve() == data.resolve():
        return None
    return _json({"message": f"This server has {data}, not {named}: set AWS_ENDPOINT_URL to the one that has it."}, 409)


async def _signed(pieces: AsyncIterator[bytes], digest: str) -> AsyncIterator[bytes]:
    """The pieces; when all have come they have to be what was signed."""
    found = hashlib.sha256()
    async for piece in pieces:
        found.update(piece)
        yield piece
    if found.hexdigest() != digest:
        raise AccountError("The file is not the one that was signed.")


def _json(value: Any, status: int = 200) -> Response:
    return Response(status, [("content-type", "application/json")], orjson.dumps(value))
