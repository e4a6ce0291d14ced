"""Mobile push: platform applications and their endpoints; what is published to an endpoint stays in the mailbox.

("sns", account, region, "a", kind/name)              the Application
("sns", account, region, "p", kind/name, id)          an Endpoint
("sns", account, region, "pt", kind/name, token)      the id of the endpoint of a device token
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from freehold.kit import arns
from freehold.kit.faults import Fault
from freehold.kit.tuples import pack, span
from freehold.services.sns import mailbox
from freehold.services.sns.messages import Draft
from freehold.services.sns.model import invalid
from freehold.store.base import ReadTx, Tx

PLATFORMS = ("ADM", "APNS", "APNS_SANDBOX", "APNS_VOIP", "APNS_VOIP_SANDBOX", "BAIDU", "FCM", "GCM", "MACOS",
             "MACOS_SANDBOX", "MPNS", "WNS")  # fmt: skip


class Application(msgspec.Struct):
    """A platform application."""

    account: str
    region: str
    path: str
    """`{platform}/{name}`."""
    attributes: dict[str, str] = {}

    @property
    def arn(self) -> str:
        return arns.make("sns", self.region, self.account, f"app/{self.path}")

    @property
    def enabled(self) -> bool:
        return self.attributes.get("Enabled", "true") != "false"


class Endpoint(msgspec.Struct):
    """A device (or user) of an application."""

    account: str
    region: str
    path: str
    id: str
    attributes: dict[str, str] = {}
    """Token, Enabled, CustomUserData."""

    @property
    def arn(self) -> str:
        return arns.make("sns", self.region, self.account, f"endpoint/{self.path}/{self.id}")


class Place(msgspec.Struct, frozen=True):
    """What the ARN of an application or endpoint names."""

    account: str
    region: str
    path: str
    id: str = ""


def parse(arn: str, kind: str, member: str) -> Place:
    """`kind` is "app" or "endpoint". Raises InvalidParameter."""
    parts = arn.split(":", 5)
    if len(parts) != 6:
        raise invalid(f"{member} Reason: An ARN must have at least 6 elements, not {len(parts)}")
    pieces = parts[5].split("/")
    if parts[2] != "sns" or pieces[0] != kind or len(pieces) != (3 if kind == "app" else 4):
        raise invalid(f"{member} Reason: Wrong number of slashes in relative portion of the ARN.")
    return Place(parts[4], parts[3], "/".join(pieces[1:3]), pieces[3] if kind == "endpoint" else "")


def is_endpoint(arn: str) -> bool:
    return ":endpoint/" in arn


def application_key(place: Place) -> bytes:
    return pack("sns", place.account, place.region, "a", place.path)


def endpoint_key(place: Place) -> bytes:
    return pack("sns", place.account, place.region, "p", place.path, place.id)


def application(tx: ReadTx, place: Place) -> Application:
    """Raises NotFound."""
    raw = tx.get(application_key(place))
    if raw is None:
        raise Fault("NotFoundException", "PlatformApplication does not exist")
    return msgspec.msgpack.decode(raw, type=Application)


def endpoint(tx: ReadTx, place: Place) -> Endpoint:
    """Raises NotFound."""
    raw = tx.get(endpoint_key(place))
    if raw is None:
        raise Fault("NotFoundException", "Endpoint does not exist")
    return msgspec.msgpack.decode(raw, type=Endpoint)


def put_application(tx: Tx, found: Application) -> None:
    tx.put(application_key(Place(found.account, found.region, found.path)), msgspec.msgpack.encode(found))


def token_key(place: Place, token: str) -> bytes:
    return pack("sns", place.account, place.region, "pt", place.path, hashlib.sha256(token.encode()).digest())


def put_endpoint(tx: Tx, found: Endpoint) -> None:
    """Write an endpoint under its token; the token it had before is free again."""
    place = Place(found.account, found.region, found.path, found.id)
    raw = tx.get(endpoint_key(place))
    if raw is not None:
        old = msgspec.msgpack.decode(raw, type=Endpoint)
        tx.delete(token_key(place, old.attributes["Token"]))
    tx.put(token_key(place, found.attributes["Token"]), found.id.encode())
    tx.put(endpoint_key(place), msgspec.msgpack.encode(found))


def of_token(tx: ReadTx, place: Place, token: str) -> Endpoint | None:
    """The endpoint of a device token."""
    id = tx.get(token_key(place, token))
    return None if id is None else endpoint(tx, msgspec.structs.replace(place, id=id.decode()))


def delete_endpoint(tx: Tx, place: Place) -> None:
    raw = tx.get(endpoint_key(place))
    if raw is not None:
        tx.delete(token_key(place, msgspec.msgpack.decode(raw, type=Endpoint).attributes["Token"]))
        tx.delete(endpoint_key(place))


def applications(tx: ReadTx, account: str, region: str, after: str, limit: int) -> list[Application]:
    start, end = span("sns", account, region, "a")
    if after:
        start = pack("sns", account, region, "a", after) + b"\x00"
    return [msgspec.msgpack.decode(raw, type=Application) for _, raw in tx.scan(start, end, limit=limit)]


def endpoints(tx: ReadTx, place: Place, after: str, limit: int) -> list[Endpoint]:
    start, end = span("sns", place.account, place.region, "p", place.path)
    if after:
        start = pack("sns", place.account, place.region, "p", place.path, after) + b"\x00"
    return [msgspec.msgpack.decode(raw, type=Endpoint) for _, raw in tx.scan(start, end, limit=limit)]


def reachable(tx: ReadTx, arn: str) -> Endpoint:
    """The endpoint, where it may be published to. Raises NotFound, EndpointDisabled, PlatformApplicationDisabled."""
    place = parse(arn, "endpoint", "TargetArn")
    raw = tx.get(endpoint_key(place))
    if raw is None:
        raise invalid("TargetArn Reason: No endpoint found for the target arn specified")
    found = msgspec.msgpack.decode(raw, type=Endpoint)
    if found.attributes.get("Enabled", "true").lower() == "false":
        raise Fault("EndpointDisabledException", "Endpoint is disabled")
    if not application(tx, place).enabled:
        raise Fault("PlatformApplicationDisabledException", "Platform application is disabled")
    return found


def keep(tx: Tx, arn: str, draft: Draft, now_ms: int, common: dict[str, str]) -> None:
    """Publish to an endpoint: into the mailbox. Raises as `reachable`."""
    found = reachable(tx, arn)
    service = found.path.partition("/")[0]
    mailbox.put(
        tx,
        found.account,
        found.region,
        "application",
        now_ms,
        to=arn,
        platform=service,
        token=found.attributes["Token"],
        body=draft.text(service),
        attributes={name: value["StringValue"] for name, value in draft.attributes.items() if "StringValue" in value}
        or None,
        **common,
    )


def shown(found: Endpoint) -> dict[str, Any]:
    return {"EndpointArn": found.arn, "Attributes": found.attributes}
