"""Lifecycle: its operations, and the nightly look at each bucket that has rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from freehold.kit.faults import Fault, not_implemented
from freehold.ports.call import Call
from freehold.ports.platform import Platform
from freehold.services.s3 import (
    access,
    announcing,
    intake,
    lifecycle,
    listing,
    multipart,
    names,
    paging,
    rows,
    sweep,
    versions,
)
from freehold.services.s3.model import Bucket, Version
from freehold.store.base import ReadTx, Tx

Request = dict[str, Any]
Result = dict[str, Any]

MINIMUM_SIZE = "all_storage_classes_128K"
_PAGE = 1000
_BATCH = 100


async def put_bucket_lifecycle_configuration(call: Call, request: Request) -> Result:
    """Set the rules; they are looked at every midnight UTC."""
    intake.check_document(call, request, required=False)
    if request.get("TransitionDefaultMinimumObjectSize", MINIMUM_SIZE) != MINIMUM_SIZE:
        raise not_implemented("x-amz-transition-default-minimum-object-size (S3 lifecycle transitions)")
    found = (request.get("LifecycleConfiguration") or {}).get("Rules") or []
    rules = lifecycle.check(found, call.platform.ids.hex(12))
    now_ms = call.platform.clock.now_ms()

    def body(tx: Tx) -> None:
        bucket = access.enter(tx, call, request)
        tx.put(rows.bucket_key(bucket.name), rows.encode(replace(bucket, lifecycle=rules)))
        call.platform.timers.set(tx, lifecycle.TIMER, bucket.name.encode(), lifecycle.next_midnight(now_ms))

    await call.platform.store.transact(body)
    return {"TransitionDefaultMinimumObjectSize": MINIMUM_SIZE}


async def get_bucket_lifecycle_configuration(call: Call, request: Request) -> Result:
    bucket = await call.platform.store.read(lambda tx: access.enter(tx, call, request))
    if bucket.lifecycle is None:
        message = "The lifecycle configuration does not exist"
        raise Fault("NoSuchLifecycleConfiguration", message, status=404, BucketName=bucket.name)
    return {"Rules": bucket.lifecycle, "TransitionDefaultMinimumObjectSize": MINIMUM_SIZE}


async def delete_bucket_lifecycle(call: Call, request: Request) -> Result:
    def body(tx: Tx) -> None:
        bucket = access.enter(tx, call, request)
        tx.put(rows.bucket_key(bucket.name), rows.encode(replace(bucket, lifecycle=None)))
        call.platform.timers.set(tx, lifecycle.TIMER, bucket.name.encode(), None)

    await call.platform.store.transact(body)
    return {}


async def due(platform: Platform, key: bytes) -> int | None:
    """Expire what a bucket's rules say; returns the next midnight, or None where there are no rules any more."""
    now_ms = platform.clock.now_ms()
    bucket = await platform.store.read(lambda tx: rows.find_bucket(tx, key.decode()))
    if bucket is None or bucket.lifecycle is None:
        return None
    await _expire_versions(platform, bucket, bucket.lifecycle, now_ms)
    await _abort_uploads(platform, bucket, bucket.lifecycle, now_ms)
    return lifecycle.next_midnight(now_ms)


async def _expire_versions(platform: Platform, bucket: Bucket, rules: list[Request], now_ms: int) -> None:
    judge = _Judge(rules, now_ms)
    marker, sequence = b"", None
    while True:
        query = listing.Query(marker=marker, limit=_PAGE)
        page = await platform.store.read_many(
            lambda tx, query=query, sequence=sequence: listing.versions(tx, bucket, query, sequence)  # type: ignore[misc]
        )
        doomed = [one for listed in page.versions for one in judge.judge(listed)]
        if not page.truncated:
            doomed += judge.end()
        for at in range(0, len(doomed), _BATCH):
            await paging.halving(doomed[at : at + _BATCH], lambda some: _remove(platform, bucket, some))
        if not page.truncated:
            return
        assert page.last_version is not None
        marker, sequence = page.last_key, page.last_version.sequence


class _Judge:
    """Goes through the versions of a bucket, newest first within a key, and says which shall go."""

    def __init__(self, rules: list[Request], now_ms: int) -> None:
        self._rules, self._now_ms = rules, now_ms
        self._newer = 0
        self._replaced_ms = 0
        self._marker: listing.Listed | None = None
        """A delete marker that is the latest: it goes alone if nothing follows it."""

    def judge(self, listed: listing.Listed) -> list[listing.Listed]:
        """What of the versions seen so far shall go."""
        doomed = self.end() if listed.latest else []
        key, version = names.key_text(listed.key), listed.version
        if listed.latest:
            self._newer = 0
            if version.marker:
                self._marker = listed
            elif (found := lifecycle.expiry(self._rules, key, version)) is not None and found[0] <= self._now_ms:
                doomed.append(listed)
        else:
            self._marker = None
            since, newer = self._replaced_ms, self._newer
            if lifecycle.noncurrent_expires(self._rules, key, version, since, newer, self._now_ms):
                doomed.append(listed)
            self._newer += 1
        self._replaced_ms = version.modified_ms
        return doomed

    def end(self) -> list[listing.Listed]:
        """The marker of the key that has ended, if it hides nothing and its rule says so."""
        marker, self._marker = self._marker, None
        if marker is None:
            return []
        expires = lifecycle.marker_expires(self._rules, names.key_text(marker.key), marker.version, self._now_ms)
        return [marker] if expires else []


async def _remove(platform: Platform, bucket: Bucket, doomed: Sequence[listing.Listed]) -> list[bool]:
    """Remove what still shall go; says of each whether it went."""
    entropies = [platform.ids.hex(16) for _ in doomed]
    now_ms, actor = platform.clock.now_ms(), announcing.lifecycle_actor(platform.ids.hex(16).upper())

    def body(tx: Tx) -> list[bool]:
        now = rows.find_bucket(tx, bucket.name)
        if now is None or now.generation != bucket.generation or now.lifecycle != bucket.lifecycle:
            return [False] * len(doomed)
        gone = []
        for listed, entropy in zip(doomed, entropies, strict=True):
            done = _remove_one(tx, platform, now, listed, now_ms, entropy)
            gone.append(done.version is not None)
            if now.notifies:
                announcing.deleted(tx, platform, now, names.key_text(listed.key), done, actor, now_ms, entropy)
        return gone

    return await platform.store.transact(body)


def _remove_one(
    tx: Tx, platform: Platform, bucket: Bucket, listed: listing.Listed, now_ms: int, entropy: str
) -> versions.Deletion:
    """Remove what was listed, if it is still there and as it was."""
    if listed.latest and not listed.version.marker:
        current = versions.current(tx, bucket, listed.key)
        if current is not None and current.sequence == listed.version.sequence:
            return versions.delete(tx, platform.blobs, bucket, listed.key, now_ms, entropy)
    elif not listed.latest or _stands_alone(tx, bucket, listed.key, listed.version):
        found = versions.find(tx, bucket, listed.key, listed.version.public_id)
        # Another version may be the null version by now.
        if found is not None and found.sequence == listed.version.sequence:
            return versions.delete_version(tx, platform.blobs, bucket, listed.key, listed.version.public_id)
    return versions.Deletion()


def _stands_alone(tx: ReadTx, bucket: Bucket, key: bytes, marker: Version) -> bool:
    """Is the delete marker still all there is of a key?"""
    if versions.current(tx, bucket, key) is not None:
        return False
    left = tx.scan(*rows.history_span(bucket.generation, key), limit=2)
    return len(left) == 1 and rows.decode_version(left[0][1]).sequence == marker.sequence


async def _abort_uploads(platform: Platform, bucket: Bucket, rules: list[Request], now_ms: int) -> None:
    start, end = rows.whole("u", bucket.generation)
    left = False
    while page := await platform.store.read_many(lambda tx, start=start: tx.scan(start, end)):  # type: ignore[misc]
        for row_key, value in page:
            key, upload = rows.split_upload(bucket.generation, row_key), rows.decode_upload(value)
            found = lifecycle.upload_ends(rules, names.key_text(key), upload.initiated_ms)
            if found is not None and found[0] <= now_ms:
                left |= await _abort(platform, bucket, key, upload.upload_id)
        start = page[-1][0] + b"\x00"
    if left:
        sweep.begin(platform)


async def _abort(platform: Platform, bucket: Bucket, key: bytes, upload_id: str) -> bool:
    blob_id = platform.ids.hex(24)

    def body(tx: Tx) -> bool:
        if tx.get(rows.upload_key(bucket.generation, key, upload_id)) is None:
            return False
        return multipart.abandon(tx, platform.blobs, bucket.generation, key, upload_id, blob_id)

    return await platform.store.transact(body)
