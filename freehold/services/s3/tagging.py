"""Tags of buckets and of object versions."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.s3 import access, announcing, attributes, buckets, intake, names, objects, versions
from freehold.services.s3.records import Happened
from freehold.store.base import Tx

Request = dict[str, Any]
Result = dict[str, Any]


async def get_bucket_tagging(call: Call, request: Request) -> Result:
    bucket = await call.platform.store.read(lambda tx: access.enter(tx, call, request))
    if not bucket.tags:
        raise Fault("NoSuchTagSet", "The TagSet does not exist", status=404, BucketName=bucket.name)
    return {"TagSet": attributes.tag_set(bucket.tags)}


async def put_bucket_tagging(call: Call, request: Request) -> Result:
    intake.check_document(call, request, required=True)
    tags = _bucket_tags(call, request)
    await buckets.change(call, request, lambda bucket: replace(bucket, tags=tags))
    return {}


def _bucket_tags(call: Call, request: Request) -> dict[str, str]:
    tag_set = (request.get("Tagging") or {}).get("TagSet")
    if tag_set is None:
        raise attributes.malformed_xml()
    return attributes.bucket_tags(tag_set, internal=call.http is None)


async def delete_bucket_tagging(call: Call, request: Request) -> Result:
    await buckets.change(call, request, lambda bucket: replace(bucket, tags={}))
    return {}


async def get_object_tagging(call: Call, request: Request) -> Result:
    key = names.key_bytes(request["Key"])
    found = await call.platform.store.read(lambda tx: objects.read_object(tx, call, request, key))
    result: Result = {"TagSet": attributes.tag_set(found.version.tags)}
    if found.bucket.versioning:
        result["VersionId"] = found.version.public_id
    return result


async def put_object_tagging(call: Call, request: Request) -> Result:
    """Replace the tags of the current or a named version."""
    intake.check_document(call, request, required=False)
    tag_set = (request.get("Tagging") or {}).get("TagSet")
    if tag_set is None:
        raise attributes.malformed_xml()
    return await _set(call, request, attributes.tags_of_set(tag_set, attributes.MAX_OBJECT_TAGS, "Object tags"))


async def delete_object_tagging(call: Call, request: Request) -> Result:
    return await _set(call, request, {})


async def _set(call: Call, request: Request, tags: dict[str, str]) -> Result:
    key = names.key_bytes(request["Key"])
    platform = call.platform
    seed, now_ms = platform.ids.hex(16), platform.clock.now_ms()
    kind = "ObjectTagging:Put" if tags else "ObjectTagging:Delete"

    def body(tx: Tx) -> Result:
        found = objects.read_object(tx, call, request, key)
        versions.update(tx, found.bucket, key, replace(found.version, tags=tags))
        if found.bucket.notifies:
            happened = Happened(kind, request["Key"], found.version, now_ms)
            announcing.announce(tx, platform, found.bucket, happened, announcing.actor_of(call), seed)
        return {"VersionId": found.version.public_id} if found.bucket.versioning else {}

    return await platform.store.transact(body)
