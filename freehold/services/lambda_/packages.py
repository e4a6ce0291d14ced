"""Deployment packages and layer archives: kept as blobs, counted by use, unpacked once per SHA-256.

The blob is the fact; the directory below `functions/` is a copy that is built again when it is missing.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from freehold.kit.faults import Fault
from freehold.services.lambda_ import limits, rows, unpacking
from freehold.services.lambda_.model import Package
from freehold.store.base import ReadTx, Tx
from freehold.work.blobs import Blob, Blobs

if TYPE_CHECKING:
    from freehold.ports.call import Call
    from freehold.ports.platform import Platform

UNUSED_S = 1_000.0
"""Seconds that a directory outlives its last use: longer than the longest invocation."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An archive that has been checked, kept and unpacked, but not named by a row yet."""

    sha256: str
    size: int
    unzipped: int
    blob: Blob


def hold(tx: Tx, blobs: Blobs, upload: Upload) -> None:
    """One more user of an uploaded archive; its row begins with the first."""
    key = rows.package_key(upload.sha256)
    package = rows.packages.get(tx, key)
    if package is None:
        package = Package(blob=upload.blob, size=upload.size, unzipped=upload.unzipped)
        blobs.claim(tx, upload.blob)
    package.uses += 1
    rows.packages.put(tx, key, package)


def hold_again(tx: Tx, sha256: str) -> None:
    """One more user of an archive that is in use already."""
    key = rows.package_key(sha256)
    package = rows.packages.get(tx, key)
    if package is None:
        raise Fault("ServiceException", f"The package {sha256} is not there any more.")
    package.uses += 1
    rows.packages.put(tx, key, package)


def drop(tx: Tx, blobs: Blobs, sha256: str) -> bool:
    """One user less; with the last one the archive goes. True when it went."""
    key = rows.package_key(sha256)
    package = rows.packages.get(tx, key)
    if package is None:
        return False
    package.uses -= 1
    if package.uses > 0:
        rows.packages.put(tx, key, package)
        return False
    tx.delete(key)
    blobs.release(tx, package.blob)
    return True


class Packages:
    """Archives of one server and their unpacked copies."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._root = platform.settings.data.absolute() / "functions"
        self._building: dict[str, asyncio.Task[Path]] = {}
        self._unused: dict[str, float] = {}

    def prepare(self) -> None:
        """Make the directory; instances run as another user and must be able to pass through it."""
        self._root.mkdir(parents=True, exist_ok=True)
        self._root.chmod(0o755)

    async def receive(self, call: Call, code: dict[str, Any]) -> Upload:
        """Keep the archive that ZipFile holds or S3Bucket, S3Key and S3ObjectVersion name, and unpack it."""
        if code.get("ZipFile") is not None:
            if code.get("S3Bucket") or code.get("S3Key"):
                raise Fault(
                    "InvalidParameterValueException",
                    "Please do not provide other FunctionCode parameters when providing a ZipFile.",
                )
            data: bytes = code["ZipFile"]
            if len(data) > limits.MAX_ZIPPED:
                raise Fault(
                    "RequestEntityTooLargeException",
                    f"Request must be smaller than 70167211 bytes for the {call.operation.name} operation",
                    status=413,
                )
            return await self.keep(data)
        if not code.get("S3Bucket") or not code.get("S3Key"):
            raise Fault("InvalidParameterValueException", "Please provide a source for function code.")
        return await self.keep(await _from_s3(call, code))

    async def keep(self, archive: bytes | AsyncIterator[bytes]) -> Upload:
        """Keep and unpack an archive. Raises for what is no archive, is empty, or unzips too large."""
        if isinstance(archive, bytes):
            unzipped, sha256 = await asyncio.to_thread(_measured, archive)
            blob = await self._platform.blobs.write(archive)
            await self._build(sha256, io.BytesIO(archive))
            return Upload(sha256, len(archive), unzipped, blob)
        digest = hashlib.sha256()
        blob = await self._platform.blobs.write(_hashed(archive, digest))
        path = await self._platform.blobs.open_path(blob)
        with path.open("rb") as file:
            unzipped = await asyncio.to_thread(unpacking.unzipped_size, file)
            file.seek(0)
            await self._build(digest.hexdigest(), file)
        return Upload(digest.hexdigest(), blob.size, unzipped, blob)

    async def _known(self, sha256: str) -> Blob | None:
        key = rows.package_key(sha256)
        package = await self._platform.store.read(lambda tx: rows.packages.get(tx, key))
        return None if package is None else package.blob

    async def directory(self, sha256: str) -> Path:
        """The unpacked copy, built from the blob where it is missing."""
        path = self._root / sha256
        self._unused.pop(sha256, None)
        if path.is_dir():
            return path
        key = rows.package_key(sha256)
        package = await self._platform.store.read(lambda tx: rows.packages.get(tx, key))
        if package is None:
            raise Fault("ServiceException", f"The package {sha256} is not there any more.")
        with (await self._platform.blobs.open_path(package.blob)).open("rb") as file:
            return await self._build(sha256, file)

    async def _build(self, sha256: str, archive: IO[bytes]) -> Path:
        """Unpack once, however many ask for it at the same time."""
        path = self._root / sha256
        self._unused.pop(sha256, None)
        if path.is_dir():
            return path
        task = self._building.get(sha256)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._unpack(archive, path))
            self._building[sha256] = task
            task.add_done_callback(lambda _: self._building.pop(sha256, None))
        return await asyncio.shield(task)

    async def _unpack(self, archive: IO[bytes], path: Path) -> Path:
        await asyncio.to_thread(unpacking.unpack, archive, path)
        return path

    def forget(self, gone: list[str]) -> None:
        """Directories of these archives go once nothing can be running from them."""
        for sha256 in gone:
            self._unused[sha256] = self._platform.clock.monotonic() + UNUSED_S

    async def notice_unused(self) -> None:
        """Directories of archives that went on another node go as those which went here."""
        for name in await self._directories():
            if name not in self._unused and name not in self._building and await self._known(name) is None:
                self.forget([name])

    async def _directories(self) -> list[str]:
        return await asyncio.to_thread(lambda: [entry.name for entry in self._root.iterdir()])

    async def sweep(self) -> None:
        """Remove directories whose time has come."""
        if not self._platform.duties.members.alone:
            await self.notice_unused()
        now = self._platform.clock.monotonic()
        for sha256 in [name for name, due in self._unused.items() if due <= now]:
            del self._unused[sha256]
            await self._remove(sha256)

    async def sweep_all(self) -> None:
        """At start, when nothing runs: remove every directory that no row names."""
        for name in await self._directories():
            await self._remove(name)

    async def _remove(self, name: str) -> None:
        """Remove a directory, unless its archive is in use or about to be."""
        if name in self._building or await self._known(name) is not None:
            return
        rubbish = self._root / f"{name}.gone"
        try:
            (self._root / name).rename(rubbish)
        except FileNotFoundError:
            return
        await asyncio.to_thread(shutil.rmtree, rubbish, ignore_errors=True)


def _measured(archive: bytes) -> tuple[int, str]:
    """Unzipped size and SHA-256; in a thread, a large archive takes a while."""
    return unpacking.unzipped_size(io.BytesIO(archive)), hashlib.sha256(archive).hexdigest()


async def _hashed(stream: AsyncIterator[bytes], digest: hashlib._Hash) -> AsyncIterator[bytes]:
    async for piece in stream:
        digest.update(piece)
        yield piece


async def _from_s3(call: Call, code: dict[str, Any]) -> bytes | AsyncIterator[bytes]:
    """The archive in S3, read as the caller."""
    request = {"Bucket": code["S3Bucket"], "Key": code["S3Key"]}
    if code.get("S3ObjectVersion"):
        request["VersionId"] = code["S3ObjectVersion"]
    try:
        found = await call.platform.calls.call(
            "s3",
            "GetObject",
            request,
            principal=call.principal,
            account=call.account,
            region=call.region,
            cause=call.cause,
        )
    except Fault as fault:
        text = f"Error occurred while GetObject. S3 Error Code: {fault.code}. S3 Error Message: {fault.message}"
        if fault.code == "AccessDenied":
            raise Fault("AccessDeniedException", text, status=403) from fault
        raise Fault("InvalidParameterValueException", text, Type="User") from fault
    body: bytes | AsyncIterator[bytes] = found["Body"]
    return body


def used(tx: ReadTx, sha256: str) -> Package:
    """The archive of a version that exists."""
    package = rows.packages.get(tx, rows.package_key(sha256))
    if package is None:
        raise Fault("ServiceException", f"The package {sha256} is not there any more.")
    return package
