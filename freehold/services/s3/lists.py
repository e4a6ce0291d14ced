"""Listings of objects and versions."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import quote_plus

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.s3 import access, listing, names, versions
from freehold.services.s3.model import NULL, Bucket, Version, owner
from freehold.store.base import ReadTx

Request = dict[str, Any]
Result = dict[str, Any]

MOST = 1000


class Encoder:
    """Keys in answers: as they are, or percent-encoded with `encoding-type=url`."""

    def __init__(self, request: Request) -> None:
        kind = request.get("EncodingType")
        if kind not in (None, "url"):
            message = "Invalid Encoding Method specified in Request"
            raise Fault("InvalidArgument", message, status=400, ArgumentName="encoding-type", ArgumentValue=kind)
        self._url = kind == "url"

    def __call__(self, text: str) -> str:
        return quote_plus(text, safe="/*-._") if self._url else text

    def echo(self, request: Request) -> Result:
        """What every listing repeats of its request."""
        result: Result = {"Prefix": self(request.get("Prefix", ""))}
        if request.get("Delimiter"):
            result["Delimiter"] = self(request["Delimiter"])
        if self._url:
            result["EncodingType"] = "url"
        return result


def limit_of(request: Request, member: str, argument: str) -> int:
    """How many entries a page may have: at most 1,000. Raises InvalidArgument."""
    limit: int = request.get(member, MOST)
    if not 0 <= limit <= 2_147_483_647:
        message = f"Argument {argument} must be an integer between 0 and 2147483647"
        raise Fault("InvalidArgument", message, status=400, ArgumentName=argument, ArgumentValue=str(limit))
    return min(limit, MOST)


async def list_objects(call: Call, request: Request) -> Result:
    """The older listing: by marker."""
    limit, encoder = limit_of(request, "MaxKeys", "max-keys"), Encoder(request)
    marker = request.get("Marker", "")
    bucket, page = await _page(call, request, marker.encode(), limit)
    result: Result = {
        "Name": bucket.name,
        "Marker": encoder(marker),
        "MaxKeys": limit,
        "IsTruncated": page.truncated,
        "Contents": [_describe(bucket, key, version, encoder, owned=True) for key, version in page.objects],
        "CommonPrefixes": [{"Prefix": encoder(names.key_text(prefix))} for prefix in page.prefixes],
        **encoder.echo(request),
    }
    if page.truncated and request.get("Delimiter"):
        result["NextMarker"] = encoder(names.key_text(page.last))
    return result


async def list_objects_v2(call: Call, request: Request) -> Result:
    """The newer listing: by continuation token."""
    limit, encoder = limit_of(request, "MaxKeys", "max-keys"), Encoder(request)
    token, after = request.get("ContinuationToken"), request.get("StartAfter", "")
    marker = _from_token(token) if token is not None else after.encode()
    bucket, page = await _page(call, request, marker, limit)
    owned = bool(request.get("FetchOwner"))
    result: Result = {
        "Name": bucket.name,
        "MaxKeys": limit,
        "KeyCount": len(page.objects) + len(page.prefixes),
        "IsTruncated": page.truncated,
        "Contents": [_describe(bucket, key, version, encoder, owned=owned) for key, version in page.objects],
        "CommonPrefixes": [{"Prefix": encoder(names.key_text(prefix))} for prefix in page.prefixes],
        **encoder.echo(request),
    }
    if token is not None:
        result["ContinuationToken"] = token
    if after:
        result["StartAfter"] = encoder(after)
    if page.truncated:
        result["NextContinuationToken"] = base64.urlsafe_b64encode(b"1" + page.last).decode()
    return result


async def _page(call: Call, request: Request, marker: bytes, limit: int) -> tuple[Bucket, listing.Page]:
    query = listing.Query(request.get("Prefix", "").encode(), request.get("Delimiter", "").encode(), marker, limit)

    def body(tx: ReadTx) -> tuple[Bucket, listing.Page]:
        bucket = access.enter(tx, call, request)
        return bucket, listing.objects(tx, bucket, query) if limit else listing.Page()

    read = call.platform.store.read if limit <= 50 else call.platform.store.read_many
    return await read(body)


def _from_token(token: str) -> bytes:
    try:
        raw = base64.urlsafe_b64decode(token)
        raw.decode()
        if raw[:1] == b"1":
            return raw[1:]
    except (binascii.Error, ValueError):
        pass
    message = "The continuation token provided is incorrect"
    raise Fault("InvalidArgument", message, status=400, ArgumentName="continuation-token", ArgumentValue=token)


def _describe(bucket: Bucket, key: bytes, version: Version, encoder: Encoder, *, owned: bool) -> Result:
    described: Result = {
        "Key": encoder(names.key_text(key)),
        "LastModified": version.modified_ms // 1000,
        "ETag": version.quoted_etag,
        "Size": version.size,
        "StorageClass": version.storage_class or "STANDARD",
    }
    if version.checksum:
        described |= {"ChecksumAlgorithm": [version.algorithm], "ChecksumType": version.checksum_type}
    if owned:
        described["Owner"] = owner(bucket.account)
    return described


async def list_object_versions(call: Call, request: Request) -> Result:
    """Versions and delete markers by key, newest first."""
    limit, encoder = limit_of(request, "MaxKeys", "max-keys"), Encoder(request)
    marker, version_marker = request.get("KeyMarker", ""), request.get("VersionIdMarker")
    if version_marker is not None and not marker:
        message = "A version-id marker cannot be specified without a key marker."
        raise Fault(
            "InvalidArgument", message, status=400, ArgumentName="version-id-marker", ArgumentValue=version_marker
        )
    query = listing.Query(
        request.get("Prefix", "").encode(), request.get("Delimiter", "").encode(), marker.encode(), limit
    )

    def body(tx: ReadTx) -> tuple[Bucket, listing.VersionsPage]:
        bucket = access.enter(tx, call, request)
        if limit == 0:
            return bucket, listing.VersionsPage()
        return bucket, listing.versions(tx, bucket, query, _sequence(tx, bucket, query.marker, version_marker))

    bucket, page = await call.platform.store.read_many(body)
    result: Result = {
        "Name": bucket.name,
        "KeyMarker": encoder(marker),
        "VersionIdMarker": version_marker or "",
        "MaxKeys": limit,
        "IsTruncated": page.truncated,
        "Versions": [_describe_version(bucket, one, encoder) for one in page.versions if not one.version.marker],
        "DeleteMarkers": [_describe_marker(bucket, one, encoder) for one in page.versions if one.version.marker],
        "CommonPrefixes": [{"Prefix": encoder(names.key_text(prefix))} for prefix in page.prefixes],
        **encoder.echo(request),
    }
    if page.truncated:
        result["NextKeyMarker"] = encoder(names.key_text(page.last_key))
        if page.last_version is not None:
            result["NextVersionIdMarker"] = page.last_version.public_id
    return result


def _sequence(tx: ReadTx, bucket: Bucket, key: bytes, version_id: str | None) -> int | None:
    """Where in the history of a key the marker's version is, also when it is gone."""
    if version_id is None:
        return None
    if version_id != NULL:
        return versions.sequence_of(version_id)
    found = versions.find(tx, bucket, key, NULL)
    return found.sequence if found is not None else None


def _describe_version(bucket: Bucket, one: listing.Listed, encoder: Encoder) -> Result:
    described = _describe(bucket, one.key, one.version, encoder, owned=True)
    return described | {"VersionId": one.version.public_id, "IsLatest": one.latest}


def _describe_marker(bucket: Bucket, one: listing.Listed, encoder: Encoder) -> Result:
    return {
        "Owner": owner(bucket.account),
        "Key": encoder(names.key_text(one.key)),
        "VersionId": one.version.public_id,
        "IsLatest": one.latest,
        "LastModified": one.version.modified_ms // 1000,
    }
