"""Compressed requests: bodies that SDKs gzip where the model allows it (PutMetricData beyond 10 KiB)."""

from __future__ import annotations

import zlib
from dataclasses import replace

from freehold.kit.faults import Fault
from freehold.kit.http import Request


def inflated(request: Request, limit: int) -> Request:
    """The request with its gzipped body unpacked; the request itself where it is not gzipped, or streamed.

    Raises Fault SerializationException for what is no gzip, RequestEntityTooLargeException where more than `limit` bytes
    come out: nothing beyond is unpacked.
    """
    if request.headers.get("content-encoding") != "gzip" or request.stream is not None:
        return request
    unpacker = zlib.decompressobj(wbits=31)
    try:
        body = unpacker.decompress(request.body, limit + 1)
    except zlib.error:
        raise _broken() from None
    if len(body) > limit:
        raise Fault("RequestEntityTooLargeException", f"The body unpacks to more than {limit} bytes.", status=413)
    if not unpacker.eof:
        raise _broken()
    return replace(request, body=body)


def _broken() -> Fault:
    return Fault("SerializationException", "The body is not gzip, as its Content-Encoding says.", status=400)
