"""Rows of connections and API destinations.

("events", account, region, "connection", name)     the Connection, its authorization sealed
("events", account, region, "destination", name)    the Destination
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field
from msgspec.msgpack import Decoder, Encoder

from freehold.kit import arns
from freehold.kit.tuples import after, pack
from freehold.store.base import ReadTx, Tx

AUTHORIZED, AUTHORIZING, DEAUTHORIZED = "AUTHORIZED", "AUTHORIZING", "DEAUTHORIZED"
DEFAULT_RATE = 300
"""Invocations per second of an API destination that sets no rate (EventBridge quotas)."""


class Connection(Struct, omit_defaults=True):
    """How to authorize with an endpoint. `shown` are its parameters without their secrets; `sealed` the whole of them
    (work/sealing.py), which changes with every update; None after DeauthorizeConnection."""

    name: str
    id: str
    type: str
    state: str
    created_s: float
    modified_s: float
    secret: str
    """The end of the ARN of the secret in which AWS would keep them."""
    shown: dict[str, Any] = field(default_factory=dict)
    sealed: bytes | None = None
    description: str | None = None
    reason: str | None = None
    authorized_s: float | None = None

    def arn(self, account: str, region: str) -> str:
        return arns.make("events", region, account, f"connection/{self.name}/{self.id}")

    def secret_arn(self, account: str, region: str) -> str:
        return arns.make("secretsmanager", region, account, f"secret:events!connection/{self.name}/{self.secret}")


class Destination(Struct, omit_defaults=True):
    """An HTTP endpoint that events are sent to."""

    name: str
    id: str
    connection_arn: str
    endpoint: str
    method: str
    created_s: float
    modified_s: float
    rate: int | None = None
    description: str | None = None

    def arn(self, account: str, region: str) -> str:
        return arns.make("events", region, account, f"api-destination/{self.name}/{self.id}")


encode = Encoder().encode
decode_connection = Decoder(Connection).decode
_decode_destination = Decoder(Destination).decode


def connection_key(account: str, region: str, name: str) -> bytes:
    return pack("events", account, region, "connection", name)


def destination_key(account: str, region: str, name: str) -> bytes:
    return pack("events", account, region, "destination", name)


def connection(tx: ReadTx, account: str, region: str, name: str) -> Connection | None:
    """The connection of that name."""
    value = tx.get(connection_key(account, region, name))
    return None if value is None else decode_connection(value)


def put_connection(tx: Tx, account: str, region: str, row: Connection) -> None:
    tx.put(connection_key(account, region, row.name), encode(row))


def connection_of_arn(tx: ReadTx, arn: str) -> Connection | None:
    """The connection of an ARN; None where it is gone, or another has its name now."""
    place, id = _place("connection", arn)
    row = connection(tx, *place) if place is not None else None
    return row if row is not None and row.id == id else None


def destination(tx: ReadTx, account: str, region: str, name: str) -> Destination | None:
    """The API destination of that name."""
    value = tx.get(destination_key(account, region, name))
    return None if value is None else _decode_destination(value)


def put_destination(tx: Tx, account: str, region: str, row: Destination) -> None:
    tx.put(destination_key(account, region, row.name), encode(row))


def destination_of_arn(tx: ReadTx, arn: str) -> Destination | None:
    """The API destination of an ARN; None where it is gone, or another has its name now."""
    place, id = _place("api-destination", arn)
    row = destination(tx, *place) if place is not None else None
    return row if row is not None and row.id == id else None


def _place(kind: str, arn: str) -> tuple[tuple[str, str, str] | None, str]:
    """Account, region and name (None: the ARN is of something else), and the id that the ARN ends with."""
    parsed = arns.parse(arn)
    if parsed is None or parsed.service != "events":
        return None, ""
    found, _, rest = parsed.resource.partition("/")
    name, _, id = rest.partition("/")
    return ((parsed.account, parsed.region, name) if found == kind else None), id


def connections(tx: ReadTx, account: str, region: str, prefix: str, start_after: str, limit: int) -> list[Connection]:
    """Connections in the order of their names whose name begins with `prefix`."""
    found = _page(tx, connection_key(account, region, prefix), connection_key(account, region, start_after), limit)
    return [decode_connection(value) for value in found]


def destinations(tx: ReadTx, account: str, region: str, prefix: str, start_after: str, limit: int) -> list[Destination]:
    """API destinations in the order of their names whose name begins with `prefix`."""
    found = _page(tx, destination_key(account, region, prefix), destination_key(account, region, start_after), limit)
    return [_decode_destination(value) for value in found]


def _page(tx: ReadTx, prefix: bytes, last: bytes, limit: int) -> list[bytes]:
    begin = prefix[:-1]  # without its terminator a packed text is a prefix of longer ones
    start = max(begin, last + b"\x00") if len(last) > 1 else begin
    return [value for _, value in tx.scan(start, after(begin), limit=limit)]
