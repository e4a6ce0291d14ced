"""Blobs as objects of an S3-compatible store.

Keys are laid out as files are (`prefix/ab/c/abc...`), so that any tool copies between a directory and a bucket. A PUT or
a completed multipart upload is durable when the store has answered: S3 promises that, and that reads see it at once.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path

from freehold.work.blobs.base import MARK, BlobError, BlobsUnreachable, BlobsUnusable
from freehold.work.blobs.model import PIECE
from freehold.work.blobs.place import Bucket
from freehold.work.blobs.s3 import S3, text_of

PART = 8 << 20
"""Bytes per part of a streamed write; two are in memory at a time. S3 takes 10,000 of at least 5 MiB."""
WINDOW = 2 << 20
"""Bytes per GET of a streamed read; the next is fetched while one is passed on."""
UPLOAD_S = 86_400.0
"""Seconds after which an upload that was begun and not completed is given up."""
START_TRIES = 5
PAGE = 1_000
"""Objects per page of a listing."""
AT_ONCE = 16
"""Removals under way at a time."""
_NAME = re.compile(r"[0-9a-f]{24}", re.ASCII)


class Objects:
    """The objects below a prefix."""

    def __init__(self, bucket: Bucket, s3: S3) -> None:
        self._bucket, self._s3 = bucket, s3
        self._prefix = f"{bucket.prefix}/" if bucket.prefix else ""

    @property
    def where(self) -> str:
        """The bucket and prefix."""
        return str(self._bucket)

    async def prepare(self) -> None:
        """Is the bucket there, and may we read and list it? Raises BlobsUnusable, BlobsUnreachable."""
        query = {"list-type": "2", "max-keys": "1", "prefix": self._prefix}
        await self._s3.request("GET", "", query, tries=START_TRIES)

    async def close(self) -> None:
        await self._s3.close()

    async def mark(self, offered: str) -> str:
        """What the object says whose bucket this is; `offered` is put where there is none, which shows that we may write."""
        key = self._prefix + MARK
        try:
            return (await self._s3.request("GET", key)).body.decode("utf-8", "replace").strip()
        except FileNotFoundError:
            if offered:
                await self._s3.request("PUT", key, body=offered.encode())
            return offered

    def path(self, name: str) -> Path | None:
        """There is no file."""
        return None

    def key(self, name: str) -> str:
        return f"{self._prefix}{name[:2]}/{name[2:3]}/{name}"

    async def check(self, name: str) -> None:
        """Raise FileNotFoundError where the object is gone."""
        await self._s3.request("HEAD", self.key(name))

    # Writing

    async def write_whole(self, name: str, data: bytes) -> None:
        """One PUT."""
        if len(data) <= 2 * PART:
            await self._s3.request("PUT", self.key(name), body=data)
            return
        writer = self.writer(name)
        try:
            view = memoryview(data)
            await writer.write([bytes(view[at : at + PART]) for at in range(0, len(data), PART)])
            await writer.finish([])
        except BaseException:
            await writer.abandon()
            raise

    def writer(self, name: str) -> Upload:
        return Upload(self._s3, self.key(name))

    # Reading

    async def read(self, name: str, at: int, size: int) -> bytes:
        """One ranged GET."""
        asked = {"range": f"bytes={at}-{at + size - 1}"}
        for _ in range(2):
            data = (await self._s3.request("GET", self.key(name), headers=asked, good=(200, 206))).body
            if len(data) == size:
                return data
        raise BlobError(f"{self.key(name)} in {self._bucket} is too short: {len(data)} bytes of {size} at {at}")

    async def pieces(self, name: str, low: int, high: int) -> AsyncIterator[bytes]:
        """Ranged GETs one after the other, one ahead: none of them waits for a slow reader."""

        def fetch(at: int) -> asyncio.Task[bytes]:
            return asyncio.ensure_future(self.read(name, at, min(WINDOW, high - at)))

        ahead = fetch(low)
        try:
            for at in range(low, high, WINDOW):
                window = await ahead
                if at + WINDOW < high:
                    ahead = fetch(at + WINDOW)
                for start in range(0, len(window), PIECE):
                    yield window[start : start + PIECE]
        finally:
            if not ahead.done():
                ahead.cancel()

    # Sweeping

    async def older(self, before: float, page: int) -> AsyncIterator[list[str]]:
        """Names of objects last written before `before`, by the store's own clock, in pages."""
        async for found in self._listed():
            names = [name for name, _, written in found if written < before]
            for at in range(0, len(names), page):
                yield names[at : at + page]

    def sizes(self) -> AsyncIterator[list[tuple[str, int, float]]]:
        """All objects: names, bytes, when they were written."""
        return self._listed()

    async def _listed(self) -> AsyncIterator[list[tuple[str, int, float]]]:
        """Pages of objects. Times are moved to our clock, by what the store says that it is now."""
        query = {"list-type": "2", "max-keys": str(PAGE), "prefix": self._prefix}
        while True:
            answer = await self._s3.request("GET", "", query)
            xml = answer.body.decode("utf-8", "replace")
            ahead = self._s3.ahead(answer)
            page = []
            for entry in re.findall(r"<Contents>(.*?)</Contents>", xml, re.DOTALL):
                name = text_of(entry, "Key").rpartition("/")[2]
                if _NAME.fullmatch(name):
                    page.append(
                        (name, int(text_of(entry, "Size") or 0), _seconds(text_of(entry, "LastModified")) - ahead)
                    )
            yield page
            if text_of(xml, "IsTruncated") != "true":
                return
            query["continuation-token"] = text_of(xml, "NextContinuationToken")

    async def sweep_unfinished(self, before: float) -> None:
        """Give up uploads whose writers died: those begun a day before `before`."""
        query = {"uploads": "", "prefix": self._prefix}
        while True:
            answer = await self._s3.request("GET", "", query)
            xml = answer.body.decode("utf-8", "replace")
            for entry in re.findall(r"<Upload>(.*?)</Upload>", xml, re.DOTALL):
                key, upload = text_of(entry, "Key"), text_of(entry, "UploadId")
                begun = _seconds(text_of(entry, "Initiated")) - self._s3.ahead(answer)
                if (
                    key.startswith(self._prefix)
                    and _NAME.fullmatch(key.rpartition("/")[2])
                    and begun < before - UPLOAD_S
                ):
                    await self._s3.request("DELETE", key, {"uploadId": upload}, good=(200, 204, 404))
            if text_of(xml, "IsTruncated") != "true":
                return
            query |= {
                "key-marker": text_of(xml, "NextKeyMarker"),
                "upload-id-marker": text_of(xml, "NextUploadIdMarker"),
            }

    async def remove(self, names: Sequence[str]) -> int:
        """Remove objects; S3 does not say which were there."""
        for at in range(0, len(names), AT_ONCE):
            keys = [self.key(name) for name in names[at : at + AT_ONCE]]
            await asyncio.gather(*(self._s3.request("DELETE", key, good=(200, 204, 404)) for key in keys))
        return len(names)


class Upload:
    """One stream: a PUT where it is short, else a multipart upload, one part on its way while the next is gathered."""

    def __init__(self, s3: S3, key: str) -> None:
        self._s3, self._key = s3, key
        self._gathered = bytearray()
        self._upload = ""
        self._etags: list[str] = []
        self._sending: asyncio.Task[str] | None = None

    async def write(self, chunks: Sequence[bytes]) -> None:
        """Take chunks; full parts are sent."""
        for chunk in chunks:
            self._gathered += chunk
            while len(self._gathered) >= PART:
                part = bytes(memoryview(self._gathered)[:PART])
                del self._gathered[:PART]
                await self._send(part)

    async def finish(self, chunks: Sequence[bytes]) -> None:
        """Send what is left and name the whole."""
        await self.write(chunks)
        rest = bytes(self._gathered)
        self._gathered.clear()
        if not self._upload:
            await self._s3.request("PUT", self._key, body=rest)
            return
        if rest:
            await self._send(rest)
        await self._sent()
        await self._complete()

    async def _send(self, part: bytes) -> None:
        if not self._upload:
            self._upload = (await self._s3.request("POST", self._key, {"uploads": ""})).text("UploadId")
            if not self._upload:
                raise BlobError("The object store of the blobs began an upload, but did not name it.")
        await self._sent()
        query = {"partNumber": str(len(self._etags) + 1), "uploadId": self._upload}
        self._sending = asyncio.ensure_future(self._part(query, part))

    async def _part(self, query: dict[str, str], part: bytes) -> str:
        return (await self._s3.request("PUT", self._key, query, body=part)).headers.get("etag", "")

    async def _sent(self) -> None:
        """Wait for the part that is on its way."""
        sending, self._sending = self._sending, None
        if sending is not None:
            try:
                self._etags.append(await sending)
            except asyncio.CancelledError:
                sending.cancel()
                raise

    async def _complete(self) -> None:
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
            for number, etag in enumerate(self._etags, 1)
        )
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        try:
            answer = await self._s3.request("POST", self._key, {"uploadId": self._upload}, body=body)
        except FileNotFoundError:
            # An earlier try went through and its answer was lost: then the object is there, and the upload is not.
            await self._s3.request("HEAD", self._key)
            return
        if b"<Error>" in answer.body:  # S3 begins its answer before it knows
            raise BlobsUnreachable(f"The object store of the blobs did not complete an upload: {answer.text('Code')}.")

    async def abandon(self) -> None:
        """Give up the upload; what cannot be given up now is swept."""
        if self._sending is not None:
            self._sending.cancel()
        try:
            if self._upload:
                await self._s3.request("DELETE", self._key, {"uploadId": self._upload}, good=(200, 204, 404), tries=2)
            await self._s3.request("DELETE", self._key, good=(200, 204, 404), tries=2)
        except (BlobsUnreachable, BlobsUnusable):
            return


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
