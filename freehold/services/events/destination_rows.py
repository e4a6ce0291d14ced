"""Rows of connections and API destinations.

("events", account, region, "connection", name)     the Connection, its authorization sealed
("events", account, region, "destination", name)    the Destination
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

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


Row = TypeVar("Row", Connection, Destination)
_encode = Encoder().encode


class Table(Generic[Row]):
    """Rows of a kind by name, and by ARNs, which say `arn_kind` and end with the id."""

    def __init__(self, kind: str, arn_kind: str, row: type[Row]) -> None:
        self._kind, self._arn_kind = kind, arn_kind
        self.decode: Callable[[bytes], Row] = Decoder(row).decode

    def key(self, account: str, region: str, name: str) -> bytes:
        return pack("events", account, region, self._kind, name)

    def find(self, tx: ReadTx, account: str, region: str, name: str) -> Row | None:
        """The one of that name."""
        value = tx.get(self.key(account, region, name))
        return None if value is None else self.decode(value)

    def put(self, tx: Tx, account: str, region: str, row: Row) -> None:
        tx.put(self.key(account, region, row.name), _encode(row))

    def of_arn(self, tx: ReadTx, arn: str) -> Row | None:
        """The one of an ARN; None where it is gone, or another has its name now."""
        parsed = arns.parse(arn)
        if parsed is None or parsed.service != "events":
            return None
        kind, _, rest = parsed.resource.partition("/")
        name, _, id = rest.partition("/")
        row = self.find(tx, parsed.account, parsed.region, name) if kind == self._arn_kind else None
        return row if row is not None and row.id == id else None

    def page(self, tx: ReadTx, account: str, region: str, prefix: str, start_after: str, limit: int) -> list[Row]:
        """In the order of their names, those whose name begins with `prefix`."""
        begin = self.key(account, region, prefix)[
            :-1
        ]  # without its terminator a packed text is a prefix of longer ones
        start = max(begin, self.key(account, region, start_after) + b"\x00") if start_after else begin
        return [self.decode(value) for _, value in tx.scan(start, after(begin), limit=limit)]


CONNECTIONS = Table("connection", "connection", Connection)
DESTINATIONS = Table("destination", "api-destination", Destination)
