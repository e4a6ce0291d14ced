"""Platform applications and their endpoints."""

from __future__ import annotations

from typing import Any

import msgspec

from freehold.kit.faults import not_implemented
from freehold.ports.call import Call
from freehold.services.sns import paging, push
from freehold.services.sns.model import PAGE, invalid
from freehold.services.sns.push import Application, Endpoint, Place
from freehold.store.base import ReadTx, Tx

Request = dict[str, Any]
_SECRETS = ("PlatformCredential", "PlatformPrincipal")
_EVENTS = ("EventEndpointCreated", "EventEndpointDeleted", "EventEndpointUpdated", "EventDeliveryFailure")
_FEEDBACK = ("SuccessFeedbackRoleArn", "FailureFeedbackRoleArn", "SuccessFeedbackSampleRate")
_APPLE = ("ApplePlatformTeamID", "ApplePlatformBundleID")
_ENDPOINT = ("CustomUserData", "Enabled", "Token")
MAX_USER_DATA = 2_048


def _own(call: Call, place: Place, member: str) -> Place:
    if (place.account, place.region) != (call.account, call.region):
        raise invalid(f"{member} Reason: it belongs to another account or region")
    return place


def _check_application(attributes: dict[str, str]) -> None:
    for name, value in attributes.items():
        if name in _EVENTS or name in _FEEDBACK:
            if value:
                raise not_implemented(f"the platform application attribute {name}")
        elif name == "Enabled":
            if value.lower() not in ("true", "false"):
                raise invalid("Attributes Reason: Enabled must be true or false")
        elif name not in (*_SECRETS, *_APPLE):
            raise invalid(f"Attributes Reason: Invalid attribute name: {name}")


async def create_platform_application(call: Call, request: Request) -> Request:
    name, service, attributes = request["Name"], request["Platform"], request["Attributes"]
    if service not in push.PLATFORMS:
        raise invalid(f"Platform Reason: {service} is not supported")
    if not name or len(name) > 256 or not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise invalid("Name Reason: must be 1 to 256 letters, digits, underscores, hyphens and periods")
    if not attributes.get("PlatformCredential"):
        raise invalid("Attributes Reason: PlatformCredential attribute is required")
    _check_application(attributes)
    new = Application(call.account, call.region, f"{service}/{name}", {"Enabled": "true", **attributes})

    def body(tx: Tx) -> None:
        raw = tx.get(push.application_key(Place(call.account, call.region, new.path)))
        if raw is None:
            push.put_application(tx, new)
        elif msgspec.msgpack.decode(raw, type=Application).attributes != new.attributes:
            raise invalid("Reason: An application with the same name but different properties already exists")

    await call.platform.store.transact(body)
    return {"PlatformApplicationArn": new.arn}


def _shown(found: Application) -> dict[str, str]:
    """Attributes as they are shown: credentials never are."""
    return {name: value for name, value in found.attributes.items() if name not in _SECRETS}


async def get_platform_application_attributes(call: Call, request: Request) -> Request:
    place = _own(
        call, push.parse(request["PlatformApplicationArn"], "app", "PlatformApplicationArn"), "PlatformApplicationArn"
    )
    found = await call.platform.store.read(lambda tx: push.application(tx, place))
    return {"Attributes": _shown(found)}


async def set_platform_application_attributes(call: Call, request: Request) -> Request:
    place = _own(
        call, push.parse(request["PlatformApplicationArn"], "app", "PlatformApplicationArn"), "PlatformApplicationArn"
    )
    asked = request["Attributes"]
    _check_application(asked)

    def body(tx: Tx) -> None:
        found = push.application(tx, place)
        found.attributes = {**found.attributes, **{name: value for name, value in asked.items() if value}}
        push.put_application(tx, found)

    await call.platform.store.transact(body)
    return {}


async def list_platform_applications(call: Call, request: Request) -> Request:
    after = paging.read(request.get("NextToken"))
    rows = await call.platform.store.read(lambda tx: push.applications(tx, call.account, call.region, after, PAGE + 1))
    result: Request = {
        "PlatformApplications": [
            {"PlatformApplicationArn": found.arn, "Attributes": _shown(found)} for found in rows[:PAGE]
        ]
    }
    if len(rows) > PAGE:
        result["NextToken"] = paging.token(rows[PAGE - 1].path)
    return result


async def delete_platform_application(call: Call, request: Request) -> Request:
    place = _own(
        call, push.parse(request["PlatformApplicationArn"], "app", "PlatformApplicationArn"), "PlatformApplicationArn"
    )
    await call.platform.store.transact(lambda tx: tx.delete(push.application_key(place)))
    return {}


def _check_endpoint(attributes: dict[str, str]) -> None:
    for name, value in attributes.items():
        if name not in _ENDPOINT:
            raise invalid(f"Attributes Reason: Invalid attribute name: {name}")
        if name == "CustomUserData" and len(value.encode()) > MAX_USER_DATA:
            raise invalid(
                f"Attributes Reason: Invalid value for attribute: CustomUserData: must be at most "
                f"{MAX_USER_DATA} bytes long in UTF-8 encoding"
            )
        if name == "Enabled" and value.lower() not in ("true", "false"):
            raise invalid("Attributes Reason: Invalid value for attribute: Enabled: must be true or false")
        if name == "Token" and not value:
            raise invalid("Token Reason: must not be empty")


async def create_platform_endpoint(call: Call, request: Request) -> Request:
    place = _own(
        call, push.parse(request["PlatformApplicationArn"], "app", "PlatformApplicationArn"), "PlatformApplicationArn"
    )
    attributes = {**request.get("Attributes", {}), "Token": request["Token"]}
    if request.get("CustomUserData"):
        attributes["CustomUserData"] = request["CustomUserData"]
    _check_endpoint(attributes)
    attributes.setdefault("Enabled", "true")
    new = Endpoint(place.account, place.region, place.path, call.platform.ids.uuid(), attributes)

    def body(tx: Tx) -> Endpoint:
        push.application(tx, place)
        old = push.of_token(tx, place, request["Token"])
        if old is None:
            push.put_endpoint(tx, new)
            return new
        if old.attributes != attributes:
            raise invalid(
                f"Token Reason: Endpoint {old.arn} already exists with the same Token, but different attributes."
            )
        return old

    return {"EndpointArn": (await call.platform.store.transact(body)).arn}


def _endpoint(call: Call, request: Request) -> Place:
    return _own(call, push.parse(request["EndpointArn"], "endpoint", "EndpointArn"), "EndpointArn")


async def get_endpoint_attributes(call: Call, request: Request) -> Request:
    place = _endpoint(call, request)
    found = await call.platform.store.read(lambda tx: push.endpoint(tx, place))
    return {"Attributes": found.attributes}


async def set_endpoint_attributes(call: Call, request: Request) -> Request:
    place, asked = _endpoint(call, request), request["Attributes"]
    _check_endpoint(asked)

    def body(tx: Tx) -> None:
        found = push.endpoint(tx, place)
        found.attributes = {**found.attributes, **asked}
        push.put_endpoint(tx, found)

    await call.platform.store.transact(body)
    return {}


async def delete_endpoint(call: Call, request: Request) -> Request:
    place = _endpoint(call, request)
    await call.platform.store.transact(lambda tx: push.delete_endpoint(tx, place))
    return {}


async def list_endpoints_by_platform_application(call: Call, request: Request) -> Request:
    place = _own(
        call, push.parse(request["PlatformApplicationArn"], "app", "PlatformApplicationArn"), "PlatformApplicationArn"
    )
    after = paging.read(request.get("NextToken"))

    def body(tx: ReadTx) -> list[Endpoint]:
        push.application(tx, place)
        return push.endpoints(tx, place, after, PAGE + 1)

    rows = await call.platform.store.read(body)
    result: Request = {"Endpoints": [push.shown(found) for found in rows[:PAGE]]}
    if len(rows) > PAGE:
        result["NextToken"] = paging.token(rows[PAGE - 1].id)
    return result
