"""Preconditions and ranges of reads, preconditions of writes: what If-* and Range mean. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

from freehold.kit.faults import Fault
from freehold.kit.numerals import whole
from freehold.services.s3.model import Version

PRECONDITION_FAILED = "At least one of the pre-conditions you specified did not hold"
_RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)\Z")
_BEYOND = 1 << 60


def check_read(request: Mapping[str, Any], version: Version) -> None:
    """Raise PreconditionFailed or NotModified, as RFC 9110 orders the conditions and S3's GetObject documents them."""
    match, none_match = request.get("IfMatch"), request.get("IfNoneMatch")
    modified = version.modified_ms // 1000
    if match is not None:
        if not _names(match, version.etag):
            raise failed("If-Match")
    elif (since := request.get("IfUnmodifiedSince")) is not None and modified > since:
        raise failed("If-Unmodified-Since")
    if none_match is not None:
        if _names(none_match, version.etag):
            raise not_modified(version)
    elif (since := request.get("IfModifiedSince")) is not None and modified <= since:
        raise not_modified(version)


def check_copy(request: Mapping[str, Any], version: Version) -> None:
    """The same for the source of a copy: whatever does not hold is PreconditionFailed."""
    source = {
        name.removeprefix("CopySource"): value for name, value in request.items() if name.startswith("CopySourceIf")
    }
    try:
        check_read(source, version)
    except Fault as fault:
        if fault.code != "NotModified":
            raise Fault("PreconditionFailed", PRECONDITION_FAILED, status=412,
                        Condition=f"x-amz-copy-source-{fault.fields['Condition']}") from None  # fmt: skip
        name = "none-match" if "IfNoneMatch" in source else "modified-since"
        raise failed(f"x-amz-copy-source-If-{name.title()}") from None


def check_write(request: Mapping[str, Any], current: Version | None) -> None:
    """If-None-Match: * writes only a new key, If-Match only over that ETag. Raises PreconditionFailed, NoSuchKey."""
    none_match, match = request.get("IfNoneMatch"), request.get("IfMatch")
    if none_match is not None:
        if none_match != "*":
            message = "A header you provided implies functionality that is not implemented"
            raise Fault("NotImplemented", message, status=501, Header="If-None-Match")
        if current is not None:
            raise failed("If-None-Match")
    if match is not None:
        if current is None:
            raise Fault("NoSuchKey", "The specified key does not exist.", status=404, Key=request["Key"])
        if not _names(match, current.etag):
            raise failed("If-Match")


def failed(condition: str) -> Fault:
    return Fault("PreconditionFailed", PRECONDITION_FAILED, status=412, Condition=condition)


def not_modified(version: Version) -> Fault:
    headers = {"ETag": version.quoted_etag, "Last-Modified": http_date(version.modified_ms // 1000)}
    for name, header in (("CacheControl", "Cache-Control"), ("Expires", "Expires")):
        if name in version.headers:
            headers[header] = version.headers[name]
    return Fault("NotModified", "Not Modified", status=304, headers=headers)


def http_date(seconds: float) -> str:
    return formatdate(seconds, usegmt=True)


def _names(wanted: str, etag: str) -> bool:
    return any(one.strip().removeprefix("W/").strip('"') in (etag, "*") for one in wanted.split(","))


def _offset(digits: str) -> int:
    """A number of bytes; one with more digits than any size has is beyond every object."""
    found = whole(digits)
    return _BEYOND if found is None else found


def byte_range(text: str, size: int) -> tuple[int, int] | None:
    """[start, end) of a Range header; None where S3 ignores it (several ranges, another unit). Raises InvalidRange."""
    found = _RANGE.match(text.strip())
    if found is None or (not found[1] and not found[2]):
        return None
    if not found[1]:
        length = _offset(found[2])
        if length == 0 or size == 0:
            raise _not_satisfiable(text, size)
        return max(0, size - length), size
    start = _offset(found[1])
    end = _offset(found[2]) + 1 if found[2] else size
    if end <= start and found[2]:
        return None
    if start >= size:
        raise _not_satisfiable(text, size)
    return start, min(end, size)


def copy_range(text: str, size: int) -> tuple[int, int]:
    """[start, end) of an x-amz-copy-source-range, which must have both ends. Raises InvalidArgument, InvalidRange."""
    found = _RANGE.match(text)
    if found is None or not found[1] or not found[2] or _offset(found[2]) < _offset(found[1]):
        message = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the " \
            "zero-based offsets of the first and last bytes to copy"  # fmt: skip
        raise Fault("InvalidArgument", message, status=400, ArgumentName="x-amz-copy-source-range", ArgumentValue=text)
    start, end = _offset(found[1]), _offset(found[2]) + 1
    if end > size:
        message = f"Range specified is not valid for source object of size: {size}"
        raise Fault("InvalidArgument", message, status=400, ArgumentName="x-amz-copy-source-range", ArgumentValue=text)
    return start, end


def _not_satisfiable(text: str, size: int) -> Fault:
    return Fault(
        "InvalidRange",
        "The requested range is not satisfiable",
        status=416,
        headers={"Content-Range": f"bytes */{size}"},
        RangeRequested=text,
        ActualObjectSize=str(size),
    )
