"""`freehold export` and `freehold import`: by the server that has the account, or in what no server uses."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode, urlsplit

from freehold.kit.clock import SystemClock
from freehold.kit.ids import Ids
from freehold.node.accounts import envelope
from freehold.node.config import Config
from freehold.ports.accounts import AccountError
from freehold.store.base import Store, StoreBusy
from freehold.work.blobs import Blobs

_PIECE = 1 << 20


def passphrase(path: str | None) -> bytes | None:
    """The first line of a file. Raises AccountError."""
    if path is None:
        return None
    lines = Path(path).read_bytes().splitlines()
    if not lines or not lines[0]:
        raise AccountError(f"{path} has no passphrase in its first line.")
    return lines[0]


def leave(endpoint: str, config: Config, account: str, file: str, secret: bytes | None, *, named: bool) -> str:
    """Write the file, which must not be there yet and which only its owner can read. Raises AccountError, StoreError."""
    if len(account) != 12 or not account.isdecimal() or not account.isascii():
        raise AccountError(f"An account has 12 digits; {account!r} has not.")
    target = Path(file)
    if target.exists():
        raise AccountError(f"{target} is there already.")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as out:
            size = _export(endpoint, config, account, out, secret, named=named)
            out.flush()
            os.fsync(out.fileno())
        os.link(part, target)  # unlike a rename it replaces nothing
    except FileExistsError as problem:
        raise AccountError(f"{target} is there already.") from problem
    finally:
        part.unlink(missing_ok=True)
    sealed = "sealed with the passphrase" if secret else "with secrets in the clear"
    return f"{target}: account {account}, {size} bytes, {sealed}; only you can read it, keep it so."


def _export(endpoint: str, config: Config, account: str, out: IO[bytes], secret: bytes | None, *, named: bool) -> int:
    if not named and _serves(endpoint):
        return _write(out, _ask_export(endpoint, {"account": account}), secret)
    try:
        return _write(out, _offline_export(config, account), secret)
    except StoreBusy as busy:
        asked = {"account": account, **_busy(endpoint, config, busy)}
        return _write(out, _ask_export(endpoint, asked), secret)


def arrive(endpoint: str, config: Config, account: str | None, file: str, secret: bytes | None, *, named: bool) -> str:
    """Bring in the account of a file. Raises AccountError, StoreError."""
    asked = {} if account is None else {"account": account}
    with open(file, "rb") as source:
        if not named and _serves(endpoint):
            facts = _ask_import(endpoint, asked, source, secret)
        else:
            try:
                facts = asyncio.run(_offline_import(config, account, source, secret))
            except StoreBusy as busy:
                asked |= _busy(endpoint, config, busy)
                facts = _ask_import(endpoint, asked, source, secret)
    return f"Account {facts['account']} is here: {facts['rows']} rows and {facts['blobs']} blobs, all invariants hold."


def _write(out: IO[bytes], pieces: Iterable[bytes], secret: bytes | None) -> int:
    for piece in envelope.seal(pieces, secret) if secret else pieces:
        out.write(piece)
    return out.tell()


def _read(source: IO[bytes], secret: bytes | None) -> Iterator[bytes]:
    """What is in a file, sealed or not. Raises AccountError."""
    source.seek(0)
    sealed = source.read(len(envelope.MAGIC)) == envelope.MAGIC
    source.seek(0)
    if sealed and secret is None:
        raise AccountError("The file is sealed with a passphrase: name a file that holds it with --passphrase-file.")
    if secret is not None and not sealed:
        raise AccountError("The file is not sealed with a passphrase.")
    if sealed:
        assert secret is not None
        yield from envelope.unseal(source, secret)
        return
    while piece := source.read(_PIECE):
        yield piece


# What no server uses


@asynccontextmanager
async def _opened(config: Config) -> AsyncIterator[tuple[Store, Blobs]]:
    """Store and blobs that the configuration names. Raises StoreError, BlobError: StoreBusy where a server has them."""
    from freehold.node.places import backend_of
    from freehold.node.stores import open_alone

    if config.ephemeral:
        raise AccountError("An ephemeral server keeps nothing: ask it while it runs.")
    if not config.store and not (config.data / "store.db").is_file():
        raise AccountError(f"{config.data} is no data directory of Freehold, and no server answers.")
    async with AsyncExitStack() as stack:
        store = await open_alone(config, config.data.absolute())
        stack.push_async_callback(store.close)
        clock = SystemClock()
        backend, keep_s = backend_of(config.blobs, clock, Ids())
        blobs = Blobs(store, clock, Ids(), config.data.absolute() / "blobs", backend=backend, keep_s=keep_s)
        await blobs.prepare()
        stack.push_async_callback(blobs.close)
        yield store, blobs


def _offline_export(config: Config, account: str) -> Iterator[bytes]:
    from freehold.node.accounts.leaving import leave as leaving

    with asyncio.Runner() as runner:
        opened = _opened(config)
        store, blobs = runner.run(opened.__aenter__())
        try:
            pieces = leaving(store, blobs, account, config.data / "scratch")
            while (piece := runner.run(_next(pieces))) is not None:
                yield piece
        finally:
            runner.run(opened.__aexit__(None, None, None))


async def _next(pieces: AsyncIterator[bytes]) -> bytes | None:
    return await anext(pieces, None)


async def _offline_import(
    config: Config, account: str | None, source: IO[bytes], secret: bytes | None
) -> dict[str, Any]:
    from freehold.node.accounts.arriving import arrive as arriving
    from freehold.node.servicetime import service_time_floor

    async def pieces() -> AsyncIterator[bytes]:
        for piece in _read(source, secret):
            yield piece

    async with _opened(config) as (store, blobs):
        now_ms = SystemClock(await service_time_floor(store)).now_ms()
        return await arriving(store, blobs, pieces(), config.data / "scratch", now_ms=now_ms, account=account)


# What a server has


def _health(endpoint: str) -> dict[str, Any] | None:
    """What the server says of itself; None where no Freehold answers."""
    try:
        connection = _connection(endpoint, timeout=2)
        connection.request("GET", "/_freehold/health")
        found = json.load(connection.getresponse())
        return found if isinstance(found, dict) and "guarded" in found else None
    except (OSError, ValueError, http.client.HTTPException):
        return None


def _serves(endpoint: str) -> bool:
    return _health(endpoint) is not None


def _busy(endpoint: str, config: Config, busy: StoreBusy) -> dict[str, str]:
    """A server has what was named. The one at `endpoint` is asked, which has to be it. Raises AccountError."""
    if _health(endpoint) is None:
        raise AccountError(
            f"{busy}. No server answers at {endpoint}: set AWS_ENDPOINT_URL to the one that has it."
        ) from busy
    return {} if config.store else {"data": str(config.data.absolute())}


def _connection(endpoint: str, timeout: float | None = None) -> http.client.HTTPConnection:
    parts = urlsplit(endpoint)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=timeout)


def _ask_export(endpoint: str, asked: dict[str, str]) -> Iterator[bytes]:
    path = f"/_freehold/export?{urlencode(asked)}"
    answer = _asked(endpoint, "GET", path, _headers(endpoint, "GET", path, hashlib.sha256(b"").hexdigest()), None)
    while True:
        try:
            piece = answer.read(_PIECE)
        except (OSError, http.client.HTTPException) as problem:
            raise AccountError(f"The export broke off: {problem!r}.") from problem
        if not piece:
            return
        yield piece


def _ask_import(endpoint: str, asked: dict[str, str], source: IO[bytes], secret: bytes | None) -> dict[str, Any]:
    path = f"/_freehold/import?{urlencode(asked)}"
    digest = hashlib.sha256()
    for piece in _read(source, secret):
        digest.update(piece)
    headers = _headers(endpoint, "POST", path, digest.hexdigest())
    facts: dict[str, Any] = json.load(_asked(endpoint, "POST", path, headers, _read(source, secret)))
    return facts


def _asked(
    endpoint: str, method: str, path: str, headers: dict[str, str], body: Iterator[bytes] | None
) -> http.client.HTTPResponse:
    """A good answer. Raises AccountError."""
    connection = _connection(endpoint)
    try:
        try:
            connection.request(method, path, body, headers, encode_chunked=body is not None)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has answered before it had read everything
        answer = connection.getresponse()
    except (OSError, http.client.HTTPException) as problem:
        raise AccountError(f"The server at {endpoint} went away: {problem}.") from problem
    if answer.status != 200:
        try:
            message = json.load(answer)["message"]
        except (ValueError, KeyError):
            message = f"The server at {endpoint} answered {answer.status}."
        raise AccountError(message)
    return answer


def _headers(endpoint: str, method: str, path: str, digest: str) -> dict[str, str]:
    """A guarded server wants its root's signature, by the environment's AWS credentials."""
    headers = {} if method == "GET" else {"Transfer-Encoding": "chunked"}
    if not (_health(endpoint) or {}).get("guarded"):
        return headers
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.session import Session

    credentials = Session().get_credentials()
    if credentials is None:
        raise AccountError("The server is guarded: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to its root's.")
    request = AWSRequest(method, endpoint + path, headers={"X-Amz-Content-SHA256": digest})
    SigV4Auth(credentials, "freehold", "us-east-1").add_auth(request)
    return {**headers, **dict(request.headers.items())}
