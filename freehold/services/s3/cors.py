"""Cross-origin resource sharing: a bucket's rules, preflights, and the headers of answers to browsers."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from msgspec.structs import replace

from freehold import wire
from freehold.kit.faults import Fault
from freehold.kit.http import Request as HttpRequest
from freehold.kit.http import Response
from freehold.ports.call import Call
from freehold.ports.platform import Platform
from freehold.services.s3 import access, buckets, cors_rules, intake, rows
from freehold.wire.base import REST_XML, Match

Request = dict[str, Any]
Result = dict[str, Any]

_NOT_ALLOWED = (
    "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / "
    "Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."
)


async def put_bucket_cors(call: Call, request: Request) -> Result:
    intake.check_document(call, request, required=False)
    rules = (request.get("CORSConfiguration") or {}).get("CORSRules") or []
    cors_rules.check(rules)
    await buckets.change(call, request, lambda bucket: replace(bucket, cors=rules))
    return {}


async def get_bucket_cors(call: Call, request: Request) -> Result:
    bucket = await call.platform.store.read(lambda tx: access.enter(tx, call, request))
    if bucket.cors is None:
        message = "The CORS configuration does not exist"
        raise Fault("NoSuchCORSConfiguration", message, status=404, BucketName=bucket.name)
    return {"CORSRules": bucket.cors}


async def delete_bucket_cors(call: Call, request: Request) -> Result:
    await buckets.change(call, request, lambda bucket: replace(bucket, cors=None))
    return {}


async def preflight(platform: Platform, http: HttpRequest, request_id: str) -> Response:
    """What a browser asks before it sends: OPTIONS /bucket/key. It carries no signature."""
    name = unquote(http.path.removeprefix("/").partition("/")[0])
    bucket = await platform.store.read(lambda tx: rows.find_bucket(tx, name))
    origin = http.headers.get("origin")
    method = http.headers.get("access-control-request-method", "")
    try:
        if not origin:
            raise Fault("BadRequest", "Insufficient information. Origin request header needed.", status=400)
        if method not in cors_rules.METHODS:
            raise Fault("BadRequest", f"Invalid Access-Control-Request-Method: {method or 'null'}", status=400)
        if bucket is None or bucket.cors is None:
            raise _forbidden(method, "CORSResponse: CORS is not enabled for this bucket.")
        wanted = [one.strip().lower() for one in http.headers.get("access-control-request-headers", "").split(",")]
        asked = [one for one in wanted if one]
        rule = cors_rules.find(bucket.cors, origin, method, asked)
        if rule is None:
            raise _forbidden(method, _NOT_ALLOWED)
    except Fault as fault:
        return wire.render_fault(Match(wire.load("s3"), REST_XML), fault, request_id)
    headers = cors_rules.allowed(rule, origin)
    if asked:
        headers["Access-Control-Allow-Headers"] = ", ".join(asked)
    return Response(200, [("x-amz-request-id", request_id), *headers.items()])


def _forbidden(method: str, message: str) -> Fault:
    return Fault("AccessForbidden", message, status=403, Method=method, ResourceType="BUCKET")
