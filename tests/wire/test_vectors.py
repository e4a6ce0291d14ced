"""Every official protocol vector: what a client sends is understood, what it is answered it understands."""

from __future__ import annotations

from typing import Any

import botocore.model
import botocore.parsers
import pytest

from freehold import wire
from freehold.kit.faults import Fault
from freehold.wire.base import Match
from freehold.wire.models import Service
from freehold.wire.shapes import Shape
from tests.wire.vectors import PROTOCOLS, Case, cases, native, plain, request_of

pytestmark = pytest.mark.skipif(not PROTOCOLS.exists(), reason=f"AWS's protocol vectors are not at {PROTOCOLS}")

INPUT = list(cases("input"))
OWN_HEADERS = ("x-amzn-requestid", "content-type")
OUTPUT = list(cases("output"))


def on_the_wire(case: Case, params: dict[str, Any], parsed: dict[str, Any]) -> dict[str, Any]:
    """The params without what no request can say: nulls, and empty lists and maps in forms, headers and queries."""
    shape = case.operation().input
    members = shape.members if shape is not None else {}
    bound = {member.wire_name for member in members.values() if member.location == "querystring" and member.wire_name}
    for name, member in members.items():
        if member.location == "querystring" and member.type == "map" and name in params:
            # Some vectors repeat members in the map of the rest that are bound by name: the same bytes on the wire.
            rest = {key: value for key, value in params[name].items() if key not in bound}
            params = {**params, name: rest}
    return {
        name: value
        for name, value in params.items()
        if value is not None
        and not (
            value in ([], {})
            and name not in parsed
            and (case.protocol in ("query", "ec2") or members[name].location is not None)
        )
    }


def said(case: Case, parsed: dict[str, Any]) -> dict[str, Any]:
    """The parsed input without an empty structure as payload: clients send `{}` for one that is unset, too."""
    shape = case.operation().input
    payload = shape.traits.get("payload") if shape is not None else None
    if payload in parsed and parsed[payload] == {} and not case.raw["params"].get(payload):
        return {name: value for name, value in parsed.items() if name != payload}
    return parsed


@pytest.mark.parametrize("case", INPUT, ids=[case.id for case in INPUT])
def test_input(case: Case) -> None:
    service = Service.from_model("vectors", case.model)
    request = request_of(case)
    match = wire.match([service], request, hint="vectors")
    assert match.operation is not None
    assert match.operation.name == case.raw["given"]["name"]
    assert match.protocol == case.protocol
    params = plain(said(case, wire.parse(match, request)))
    assert params == on_the_wire(case, case.raw["params"], params)


def shape_of(case: Case) -> botocore.model.Shape | None:
    model = botocore.model.ServiceModel(case.model)
    return model.operation_model(case.raw["given"]["name"]).output_shape


def parse_as_client(case: Case, response: Any) -> dict[str, Any]:
    parser = botocore.parsers.create_parser(case.protocol)
    received: dict[str, Any] = {
        "status_code": response.status,
        "headers": dict(lower_keys(response.headers)),
        "body": response.body,
    }
    if response.status >= 300:
        model = botocore.model.ServiceModel(case.model)
        operation = model.operation_model(case.raw["given"]["name"])
        parsed = parser.parse(received, operation.output_shape)
        shape = model.shape_for_error_code(parsed.get("Error", {}).get("Code", ""))
        if shape is not None:
            parsed.update(parser.parse(received, shape))
        return parsed
    return parser.parse(received, shape_of(case))


def lower_keys(headers: list[tuple[str, str]]) -> dict[str, str]:
    from botocore.awsrequest import HeadersDict

    return HeadersDict(headers)


@pytest.mark.parametrize("case", OUTPUT, ids=[case.id for case in OUTPUT])
def test_output(case: Case) -> None:
    operation = case.operation()
    match = Match(operation.service, case.protocol, operation, json_version=operation.service.json_version)
    if "errorCode" in case.raw or "error" in case.raw:
        check_error(case, match)
        return
    result = native(case.raw["result"], operation.output) if operation.output is not None else {}
    response = wire.render(match, result, "c6104cbe-af31-11e0-8154-cbc7ccf896c7")
    parsed = parse_as_client(case, response)
    assert parsed.pop("ResponseMetadata")["HTTPStatusCode"] == case.raw["response"]["status_code"]
    if operation.output is not None:
        for name, member in operation.output.members.items():
            if member.location == "headers" and not member.wire_name:
                # An empty prefix gives the client every header there is.
                parsed[name] = {key: item for key, item in parsed[name].items() if key not in OWN_HEADERS}
    assert plain(parsed) == case.raw["result"]


def check_error(case: Case, match: Match) -> None:
    service = match.service
    assert isinstance(service, Service)
    code = case.raw["errorCode"]
    name = code if code in service.error_codes else service.error_names.get(code, code)
    members = dict(case.raw["error"])
    fields = native(members, Shape(service.shapes, {"shape": name})) if name in service.shapes else {}
    message = case.raw.get("errorMessage", "")
    for spelled in ("message", "Message"):
        fields.pop(spelled, None)
    response = wire.render_fault(match, Fault(name, message, **fields), "c6104cbe-af31-11e0-8154-cbc7ccf896c7")
    assert response.status == case.raw["response"]["status_code"]
    parsed = parse_as_client(case, response)
    assert parsed["Error"]["Code"] == code
    assert parsed["Error"]["Message"] == message
    for key, value in members.items():
        if key.lower() != "message":
            assert plain(parsed[key]) == value
