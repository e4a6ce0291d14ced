"""Listings: pages of keys, common prefixes and versions, read by seeking; a common prefix costs one seek, not its keys."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field

from freehold.kit.tuples import after, pack
from freehold.services.s3 import rows
from freehold.services.s3.model import Bucket, Upload, Version
from freehold.store.base import ReadTx

_FIRST_PAGE = 32
_MOST = 1000


class Cursor:
    """Rows of a span in order, with `seek`. Pages grow while they are read through, and start small after a jump."""

    def __init__(self, tx: ReadTx, start: bytes, end: bytes) -> None:
        self._tx, self._end = tx, end
        self._page: list[tuple[bytes, bytes]] = []
        self._at = 0
        self._next = start
        self._size = _FIRST_PAGE
        self._done = start >= end

    def peek(self) -> tuple[bytes, bytes] | None:
        """The row under the cursor."""
        if self._at >= len(self._page):
            if self._done:
                return None
            self._load()
            if not self._page:
                return None
        return self._page[self._at]

    def advance(self) -> None:
        self._at += 1

    def seek(self, target: bytes) -> None:
        """Go forward to the first row at or after `target`."""
        if self._at < len(self._page) and target <= self._page[-1][0]:
            self._at = bisect_left(self._page, target, lo=self._at, key=lambda row: row[0])
            return
        self._page, self._at = [], 0
        self._size = _FIRST_PAGE
        self._next = max(self._next, target)
        self._done = self._done or self._next >= self._end

    def _load(self) -> None:
        self._page = self._tx.scan(self._next, self._end, limit=self._size)
        self._at = 0
        self._size = min(self._size * 4, _MOST)
        if self._page:
            self._next = self._page[-1][0] + b"\x00"
        else:
            self._done = True


@dataclass(frozen=True, slots=True)
class Query:
    """What a listing asks for. `marker` is exclusive; `prefix`, `delimiter` and `marker` are raw bytes."""

    prefix: bytes = b""
    delimiter: bytes = b""
    marker: bytes = b""
    limit: int = 1000

    def common_prefix(self, key: bytes) -> bytes | None:
        """What `key` is rolled up into, if anything."""
        if not self.delimiter:
            return None
        at = key.find(self.delimiter, len(self.prefix))
        return key[: at + len(self.delimiter)] if at >= 0 else None


@dataclass(slots=True)
class Page:
    """A page of objects: keys and versions, and the common prefixes among them."""

    objects: list[tuple[bytes, Version]] = field(default_factory=list)
    prefixes: list[bytes] = field(default_factory=list)
    truncated: bool = False
    last: bytes = b""
    """The last key or common prefix of the page: the marker of the next."""


def beyond(prefix: bytes) -> bytes | None:
    """The first key after all keys with this prefix; None where there is none."""
    stripped = prefix.rstrip(b"\xff")
    return after(stripped) if stripped else None


def objects(tx: ReadTx, bucket: Bucket, query: Query) -> Page:
    """Current objects in key order, as ListObjects and ListObjectsV2 page them."""
    base = rows.space("o", bucket.generation)
    start, end = base + query.prefix, after(base + query.prefix)
    if query.marker:
        start = max(start, base + _resume(query))
    cursor = Cursor(tx, start, end)
    page = Page()
    while (row := cursor.peek()) is not None:
        if len(page.objects) + len(page.prefixes) >= query.limit:
            page.truncated = True
            break
        key = row[0][len(base) :]
        common = query.common_prefix(key)
        if common is None:
            page.objects.append((key, rows.decode_version(row[1])))
            page.last = key
            cursor.advance()
            continue
        page.prefixes.append(common)
        page.last = common
        cursor.seek(after(base + common))
    return page


def _resume(query: Query) -> bytes:
    """Where a listing goes on. A marker that is itself a common prefix stands for all of its keys."""
    marker = query.marker
    if marker.startswith(query.prefix) and query.common_prefix(marker) == marker:
        return beyond(marker) or marker
    return marker + b"\x00"


@dataclass(frozen=True, slots=True)
class Listed:
    """A version in a listing of versions."""

    key: bytes
    version: Version
    latest: bool


@dataclass(slots=True)
class VersionsPage:
    """A page of versions and delete markers."""

    versions: list[Listed] = field(default_factory=list)
    prefixes: list[bytes] = field(default_factory=list)
    truncated: bool = False
    last_key: bytes = b""
    last_version: Version | None = None
    """None where the page ends with a common prefix."""


class _Versions:
    """All versions of a bucket in order: `o` and `v` merged, key by key, newest first."""

    def __init__(self, tx: ReadTx, bucket: Bucket, start: bytes, end: bytes | None) -> None:
        self._generation = bucket.generation
        self._current_base = rows.space("o", bucket.generation)
        self._history_base = rows.space("v", bucket.generation)
        current_end = after(self._current_base) if end is None else self._current_base + end
        history_end = after(self._history_base) if end is None else self._history_base + _packed(end)
        self._current = Cursor(tx, self._current_base + start, current_end)
        self._history = Cursor(tx, self._history_base + _packed(start), history_end)
        self._last: bytes | None = None

    def seek(self, key: bytes) -> None:
        self._current.seek(self._current_base + key)
        self._history.seek(self._history_base + _packed(key))

    def seek_after(self, key: bytes, sequence: int) -> None:
        """Behind one version of a key."""
        at = self._current.peek()
        newest = self._current_base + key
        if at is not None and at[0] == newest and rows.decode_version(at[1]).sequence >= sequence:
            self._current.seek(newest + b"\x00")
        self._history.seek(rows.history_key(self._generation, key, sequence) + b"\x00")
        self._last = key

    def __iter__(self) -> Iterator[Listed]:
        while True:
            current, history = self._current.peek(), self._history.peek()
            if current is None and history is None:
                return
            current_key = current[0][len(self._current_base) :] if current is not None else None
            history_at = rows.split_history(self._generation, history[0])[0] if history is not None else None
            if current is not None and current_key is not None and (history_at is None or current_key <= history_at):
                self._current.advance()
                key, version = current_key, rows.decode_version(current[1])
            else:
                assert history is not None and history_at is not None
                self._history.advance()
                key, version = history_at, rows.decode_version(history[1])
            latest = key != self._last
            self._last = key
            yield Listed(key, version, latest)


def _packed(key: bytes) -> bytes:
    """A key's beginning as it lies in `v`: packed, but open at its end."""
    return pack(key)[:-1]


def versions(tx: ReadTx, bucket: Bucket, query: Query, version_sequence: int | None) -> VersionsPage:
    """Versions and delete markers by key, newest first. `version_sequence` goes on behind one version of the marker."""
    start = query.prefix
    if query.marker and version_sequence is None:
        start = max(start, _resume(query))
    elif query.marker:
        start = max(start, query.marker)
    merged = _Versions(tx, bucket, start, beyond(query.prefix) if query.prefix else None)
    if version_sequence is not None and start == query.marker:
        merged.seek_after(query.marker, version_sequence)
    page = VersionsPage()
    skip: bytes | None = None
    for listed in merged:
        if skip is not None and listed.key.startswith(skip):
            continue
        if len(page.versions) + len(page.prefixes) >= query.limit:
            page.truncated = True
            break
        common = query.common_prefix(listed.key)
        if common is None:
            page.versions.append(listed)
            page.last_key, page.last_version = listed.key, listed.version
            continue
        page.prefixes.append(common)
        page.last_key, page.last_version = common, None
        skip = common
        if (target := beyond(common)) is not None:
            merged.seek(target)
    return page


@dataclass(slots=True)
class UploadsPage:
    """A page of multipart uploads under way."""

    uploads: list[tuple[bytes, Upload]] = field(default_factory=list)
    prefixes: list[bytes] = field(default_factory=list)
    truncated: bool = False
    last_key: bytes = b""
    last_upload: str = ""


def uploads(tx: ReadTx, bucket: Bucket, query: Query, upload_marker: str) -> UploadsPage:
    """Uploads by key, then by when they began. With `upload_marker` the listing goes on inside the marker's key."""
    base = rows.space("u", bucket.generation)
    start, end = base + _packed(query.prefix), after(base + _packed(query.prefix))
    if query.marker and upload_marker:
        start = max(start, rows.upload_key(bucket.generation, query.marker, upload_marker) + b"\x00")
    elif query.marker:
        start = max(start, base + _packed(_resume(query)))
    cursor = Cursor(tx, start, end)
    page = UploadsPage()
    while (row := cursor.peek()) is not None:
        if len(page.uploads) + len(page.prefixes) >= query.limit:
            page.truncated = True
            break
        key = rows.split_upload(bucket.generation, row[0])
        common = query.common_prefix(key)
        if common is None:
            upload = rows.decode_upload(row[1])
            page.uploads.append((key, upload))
            page.last_key, page.last_upload = key, upload.upload_id
            cursor.advance()
            continue
        page.prefixes.append(common)
        page.last_key, page.last_upload = common, ""
        cursor.seek(after(base + _packed(common)))
    return page
