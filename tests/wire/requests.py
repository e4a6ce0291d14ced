"""The bytes that boto3 would send, as kit requests; and answers read as boto3 reads them."""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import urlencode, urlsplit

import botocore.session
from botocore.awsrequest import HeadersDict
from botocore.client import BaseClient
from botocore.config import Config
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from freehold.kit.http import Request, Response

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


class _Captured(Exception):
    pass


@cache
def client(service: str) -> BaseClient:
    session = botocore.session.Session()
    session.set_credentials(KEY, SECRET)
    config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}, inject_host_prefix=False)
    return session.create_client(service, region_name="us-east-1", endpoint_url="http://127.0.0.1:4566", config=config)


def sent(service: str, operation: str, **params: Any) -> Request:
    """The request of `client(service).operation(**params)`, signed."""
    captured: list[Any] = []

    def capture(request: Any, **_: Any) -> None:
        captured.append(request)
        raise _Captured

    boto = client(service)
    boto.meta.events.register_first("before-send", capture)
    try:
        getattr(boto, operation)(**params)
    except _Captured:
        pass
    finally:
        boto.meta.events.unregister("before-send", capture)
    return as_request(captured[0])


def as_request(prepared: Any) -> Request:
    """A prepared request of botocore as a server receives it."""
    parts = urlsplit(prepared.url)
    body = prepared.body or b""
    if hasattr(body, "read"):
        body = body.read()
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else str(value)
        for name, value in prepared.headers.items()
    }
    headers.setdefault("host", parts.netloc)
    raw = body.encode() if isinstance(body, str) else bytes(body)
    return Request(prepared.method, parts.path or "/", parts.query, headers, raw)


@cache
def model(service: str) -> ServiceModel:
    return client(service).meta.service_model


def serialized(service: str, operation: str, params: dict[str, Any], protocol: str) -> Request:
    """An unsigned request in one of the protocols of a service, whichever boto3 would choose."""
    described = model(service)
    request = create_serializer(protocol).serialize_to_request(params, described.operation_model(operation))
    body = request["body"]
    raw = urlencode(body, doseq=True).encode() if isinstance(body, dict) else body
    headers = {name.lower(): value for name, value in request["headers"].items()}
    return Request(request["method"], request["url_path"], "", headers, raw if isinstance(raw, bytes) else raw.encode())


def form(path: str = "/", **fields: str) -> Request:
    """An unsigned request of the query protocol."""
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8", "host": "127.0.0.1:4566"}
    return Request("POST", path, "", headers, urlencode(fields).encode())


def received(service: str, operation: str, response: Response, protocol: str | None = None) -> dict[str, Any]:
    """What botocore makes of a response; `ResponseMetadata` apart, which carries the HTTP status."""
    described = model(service)
    parser = create_parser(protocol or described.resolved_protocol)
    raw = {
        "status_code": response.status,
        "headers": HeadersDict(response.headers),
        "body": response.body,
        "context": {"operation_name": operation},
    }
    shape = described.operation_model(operation).output_shape
    parsed: dict[str, Any] = parser.parse(raw, shape)  # type: ignore[arg-type]
    if response.status >= 300:
        error = described.shape_for_error_code(parsed.get("Error", {}).get("Code", ""))
        if error is not None:
            parsed.update(parser.parse(raw, error))
    return parsed
