"""The wire: what botocore serializes is read as it was meant, all else is a Fault; botocore reads the answers."""

from __future__ import annotations

import json
import zlib
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

import botocore.parsers
import botocore.serialize
from botocore.awsrequest import HeadersDict
from botocore.model import OperationModel

from freehold import wire
from freehold.kit.faults import Fault
from freehold.kit.http import Request, Response
from freehold.wire.base import Match, WireFault
from fuzz.draws import Draws
from fuzz.targets import Target, loops, require
from fuzz.targets.shapes import CONTROL, operations, plain, structure, texts

SPOKEN = (
    ("dynamodb", "json"),
    ("sqs", "json"),
    ("events", "json"),
    ("logs", "json"),
    ("sns", "query"),
    ("iam", "query"),
    ("cloudformation", "query"),
    ("lambda", "rest-json"),
    ("apigatewayv2", "rest-json"),
    ("scheduler", "rest-json"),
    ("s3", "rest-xml"),
    ("cloudwatch", "smithy-rpc-v2-cbor"),
    ("cloudwatch", "query"),
)
UNREAD = {"s3": ("Bucket", "ContentMD5", "ContentLength", "Expires"), "iam": (), "lambda": ()}
"""Members that botocore's client, not its serializer, puts into a request; that the server reads from HTTP itself; or that
it keeps as they are written (S3's Expires, which may be any text)."""
WORDS = (
    "Action=",
    "Version=",
    "&Attribute.1.Name=",
    ".member.1.",
    ".entry.1.key=",
    "<a>",
    "</a>",
    "<![CDATA[",
    "&amp;",
    "{",
    "[",
    '"',
    "\xbf",
    "\xff",
)


@cache
def _services() -> list[Any]:
    return [wire.load(name) for name in dict.fromkeys(name for name, _ in SPOKEN)]


@cache
def _serializer(protocol: str) -> Any:
    return botocore.serialize.create_serializer(protocol, include_validation=False)


def _sent(operation: OperationModel, protocol: str, service: str, value: dict[str, Any]) -> Request:
    """The request that botocore makes of a value."""
    made = _serializer(protocol).serialize_to_request(value, operation)
    path, query = made["url_path"], made.get("query_string") or ""
    own, _, inside = path.partition("?")
    if isinstance(query, dict):
        pairs = [
            (name, each) for name, inner in query.items() for each in (inner if isinstance(inner, list) else [inner])
        ]
        query = urlencode(pairs)
    query = "&".join(filter(None, (inside, query)))
    if service == "s3" and "Bucket" in value and "{Bucket}" not in operation.http["requestUri"]:
        own = "/" + quote(value["Bucket"], safe="") + own
    body = made["body"]
    headers = {
        name.lower(): item if isinstance(item, str) else item.decode("latin-1")
        for name, item in made["headers"].items()
    }
    if isinstance(body, dict):
        body = urlencode(body, doseq=True).encode()
        headers.setdefault("content-type", "application/x-www-form-urlencoded; charset=utf-8")
    if hasattr(body, "read"):
        body = body.read()
    raw = body.encode() if isinstance(body, str) else bytes(body or b"")
    headers["host"] = "h"
    if raw:
        headers["content-length"] = str(len(raw))
    return Request(made["method"], own or "/", query, headers, raw)


def run_requests(draws: Draws) -> Any:
    """A request of an operation, as botocore writes it or damaged."""
    service, protocol = draws.pick(SPOKEN)
    operation: OperationModel = draws.pick(operations(service))
    if operation.input_shape is None:
        return None
    value = structure(draws, operation.input_shape)
    try:
        request = _sent(operation, protocol, service, value)
    except Exception:  # noqa: BLE001 botocore does not write this value
        return None
    clean = not draws.chance(50)
    if not clean:
        _damage(draws, request)
    loaded = wire.load(service)
    try:
        match = wire.match(_services(), request, hint=loaded.signing_name)
        found = wire.parse(match, request)
    except WireFault as fault:
        require(
            not clean or fault.code in ("NotImplemented",), "a true request was refused", fault, operation.name, request
        )
        _shown(wire.render_fault(fault.match, fault, "id"), fault.match.protocol)
        return str(fault)
    except Fault as fault:
        require(not clean, "a true request was refused", fault, operation.name, request, value)
        _shown(wire.render_fault(match, fault, "id"), match.protocol)
        return str(fault)
    try:
        assert match.operation is not None
        wire.validate(match.operation, found)
        refused = ""
    except Fault as fault:
        refused = str(fault)
        _shown(wire.render_fault(match, fault, "id"), match.protocol)
    if clean and match.operation is not None and match.operation.name == operation.name and match.protocol == protocol:
        left = UNREAD.get(service, ())
        wanted, got = ({k: v for k, v in plain(each).items() if k not in left} for each in (value, found))
        require(wanted == got, operation.name, "was meant", wanted, "was read", got, request)
    return repr(found)[:2_000], refused


def _damage(draws: Draws, request: Request) -> None:
    kind = draws.integer(0, 6)
    if kind < 3 and request.body:
        at = draws.integer(0, len(request.body))
        middle = draws.pick(
            (
                draws.raw(8),
                draws.pick(WORDS).encode("latin-1"),
                request.body[at : at + 20] * draws.integer(2, 200),
                b"[" * 1_500,
            )
        )
        request.body = request.body[:at] + middle + request.body[at + draws.integer(0, 6) :]
    elif kind == 3:
        request.query = draws.spliced(request.query + draws.pick(("&a=%zz", "&=", "&Action=x", "&%00", "")))
    elif kind == 4:
        request.path = draws.spliced(request.path) + draws.pick(("", "/", "/..", "%2F", "%"))
    elif kind == 5:
        name = draws.pick(
            (*sorted(request.headers), "content-encoding", "content-type", "x-amz-target", "smithy-protocol")
        )
        request.headers[name] = draws.pick(
            ("", "gzip", "x", draws.text(), "application/cbor", "application/json; charset=utf-16", "rpc-v2-cbor")
        )
    else:
        request.body, request.headers["content-encoding"] = zlib.compress(request.body * 3, wbits=31), "gzip"


def run_answers(draws: Draws) -> Any:
    """A result, or a fault, as botocore reads it."""
    service, protocol = draws.pick(SPOKEN)
    operation: OperationModel = draws.pick(operations(service))
    loaded = wire.load(service)
    if operation.name not in loaded.operations:
        return None
    match = Match(loaded, protocol, loaded.operations[operation.name], loaded.json_version)
    if draws.chance(25):
        return _fault(draws, match, operation, protocol)
    if operation.output_shape is None or operation.has_streaming_output:
        return None
    odd = draws.chance(30)
    value = structure(draws, operation.output_shape, odd=odd)
    response = wire.render(match, value, "id")
    got = _read(operation, protocol, response)
    if not odd or not CONTROL.search("".join(texts(value))):
        codes = {name for name, member in operation.output_shape.members.items() if _in_status(member)}
        wanted, read = ({k: v for k, v in plain(each).items() if k not in codes} for each in (value, got))
        require(wanted == read, operation.name, "was said", wanted, "was read", read, response)
    return repr(got)


def _in_status(member: Any) -> bool:
    return bool(member.serialization.get("location") == "statusCode")


def _fault(draws: Draws, match: Match, operation: OperationModel, protocol: str) -> Any:
    codes = sorted(match.service.error_codes) or ["ValidationException"]
    fault = Fault(draws.pick((*codes[:40], "ValidationException", "InternalFailure")), draws.text(60))
    response = wire.render_fault(match, fault, "id")
    _shown(response, protocol)
    if match.operation is not None and match.operation.http_method == "HEAD":
        return None
    got = _read(operation, protocol, response)
    message = got.get("Error", {}).get("Message", got.get("Error", {}).get("message", "")) or ""
    if not CONTROL.search(fault.message) and fault.message.strip() == fault.message:
        require(message == fault.message, fault.code, fault.message, message, response.body)
    require(got.get("Error", {}).get("Code"), "no code", response)
    return repr(got)


def _shown(response: Response, protocol: str) -> None:
    """A fault must be sendable, and of the protocol."""
    require(400 <= response.status <= 599, response.status)
    for name, item in response.headers:
        require("\n" not in item and "\r" not in item and item.encode("latin-1") is not None, name, item)
    body = response.body
    assert isinstance(body, bytes)
    if body and "json" in protocol:
        json.loads(body)


def _read(operation: OperationModel, protocol: str, response: Response) -> dict[str, Any]:
    parser = botocore.parsers.create_parser(protocol)
    body = response.body if isinstance(response.body, bytes) else loops.run(_whole(response.body))
    raw = {"status_code": response.status, "headers": HeadersDict(response.headers), "body": body, "context": {}}
    found: dict[str, Any] = parser.parse(raw, operation.output_shape)  # type: ignore[arg-type]
    return found


async def _whole(body: Any) -> bytes:
    return b"".join([piece async for piece in body])


TARGETS = (
    Target("requests", run_requests, dictionary=WORDS, seconds=2.0),
    Target("answers", run_answers, seconds=2.0),
)
