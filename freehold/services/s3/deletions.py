"""Deletes of objects and versions, one or many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from freehold.kit.faults import Fault, not_implemented
from freehold.ports.call import Call
from freehold.services.s3 import access, announcing, attributes, conditions, intake, names, paging, versions
from freehold.services.s3.model import NULL, Bucket
from freehold.services.s3.objects import NO_SUCH_KEY
from freehold.store.base import Tx

Request = dict[str, Any]
Result = dict[str, Any]

_DELETE_BATCH = 100
"""Keys deleted in one transaction: each may touch half a dozen rows."""


async def delete_object(call: Call, request: Request) -> Result:
    """Delete the object, or one version of it; succeeds where there is none."""
    check_delete(request)
    key = names.key_bytes(request["Key"])
    now_ms, entropy = call.platform.clock.now_ms(), call.platform.ids.hex(16)

    def body(tx: Tx) -> versions.Deletion:
        bucket = access.enter(tx, call, request)
        return _delete(tx, call, bucket, key, request, now_ms, entropy)

    done = await call.platform.store.transact(body)
    result: Result = {}
    if done.version_id:
        result["VersionId"] = done.version_id
    if done.marker:
        result["DeleteMarker"] = True
    return result


def check_delete(request: Request) -> None:
    """Refuse by name what deletes here do not do."""
    if "MFA" in request:
        raise not_implemented("S3 MFA delete")
    for name in ("IfMatchLastModifiedTime", "IfMatchSize", "LastModifiedTime", "Size"):
        if name in request:
            raise not_implemented(f"the condition {name} of S3 deletes (it is of directory buckets)")


def _delete(
    tx: Tx, call: Call, bucket: Bucket, key: bytes, request: Request, now_ms: int, entropy: str
) -> versions.Deletion:
    """Delete what a request, or one entry of it, names; tell of it."""
    if (wanted := request.get("IfMatch", request.get("ETag"))) is not None:
        current = versions.current(tx, bucket, key)
        if current is None:
            raise Fault("NoSuchKey", NO_SUCH_KEY, status=404, Key=names.key_text(key))
        conditions.check_write({"IfMatch": wanted}, current)
    done = _deletion(tx, call, bucket, key, request.get("VersionId"), now_ms, entropy)
    if bucket.notifies:
        actor = announcing.actor_of(call)
        announcing.deleted(tx, call.platform, bucket, request["Key"], done, actor, now_ms, entropy)
    return done


def _deletion(
    tx: Tx, call: Call, bucket: Bucket, key: bytes, version_id: str | None, now_ms: int, entropy: str
) -> versions.Deletion:
    blobs = call.platform.blobs
    if version_id is None:
        return versions.delete(tx, blobs, bucket, key, now_ms, entropy)
    if not bucket.versioning and version_id == NULL:
        return replace(versions.delete(tx, blobs, bucket, key, now_ms, entropy), version_id=NULL)
    return versions.delete_version(tx, blobs, bucket, key, version_id)


async def delete_objects(call: Call, request: Request) -> Result:
    """Delete up to 1,000 objects or versions; each has its own outcome."""
    intake.check_document(call, request, required=True)
    check_delete(request)
    asked: list[Request] = request.get("Delete", {}).get("Objects", [])
    if not 1 <= len(asked) <= 1000 or any("Key" not in one for one in asked):
        raise attributes.malformed_xml()
    deleted: list[Result] = []
    errors: list[Result] = []
    for at in range(0, len(asked), _DELETE_BATCH):
        batch = asked[at : at + _DELETE_BATCH]
        outcomes = await paging.halving(batch, lambda some: _delete_batch(call, request, some))
        for one, outcome in zip(batch, outcomes, strict=True):
            named = {"Key": one["Key"], **({"VersionId": one["VersionId"]} if "VersionId" in one else {})}
            if isinstance(outcome, Fault):
                errors.append({**named, "Code": outcome.code, "Message": outcome.message})
            elif outcome.marker:
                deleted.append({**named, "DeleteMarker": True, "DeleteMarkerVersionId": outcome.version_id})
            else:
                deleted.append(named)
    if request["Delete"].get("Quiet"):
        deleted = []
    return {"Deleted": deleted, "Errors": errors}


async def _delete_batch(call: Call, request: Request, asked: Sequence[Request]) -> list[versions.Deletion | Fault]:
    now_ms, ids = call.platform.clock.now_ms(), call.platform.ids
    entropies = [ids.hex(16) for _ in asked]

    def body(tx: Tx) -> list[versions.Deletion | Fault]:
        bucket = access.enter(tx, call, {**request, "Key": asked[0]["Key"]} if len(asked) == 1 else request)
        outcomes: list[versions.Deletion | Fault] = []
        for one, entropy in zip(asked, entropies, strict=True):
            try:
                check_delete(one)
                key = names.key_bytes(one["Key"])
                access.check(call, bucket, access.action_of(call, one), one["Key"], one)
                outcomes.append(_delete(tx, call, bucket, key, one, now_ms, entropy))
            except Fault as fault:
                outcomes.append(fault)
        return outcomes

    return await call.platform.store.transact(body)
