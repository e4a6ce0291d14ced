"""Rows of buses and rules.

("events", account, region, "bus", name)                the Bus; the default bus has none until something is set on it
("events", account, region, "rule", bus, name)          the Rule with its targets
("events", account, region, "change", bus, number)      the Change that made this version of the bus, the last KEEP of them

`touch` belongs into every transaction that changes what happens to events of a bus: it gives the bus its next version and
records which rule changed, so that whoever holds the compiled bus catches up rule by rule (compiled.py).
"""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct
from msgspec.msgpack import Decoder, Encoder

from freehold.kit.tuples import after, pack, span
from freehold.services.events.model import Bus, Rule
from freehold.services.events.names import DEFAULT, BusName
from freehold.store.base import ReadTx, Tx

PAGE = 100
"""Rules that are read at a time."""
KEEP = 256
"""Versions of a bus that a compiled bus may be behind before it is compiled anew."""

_encode = Encoder().encode
_decode_rule = Decoder(Rule).decode
decode_bus = Decoder(Bus).decode


class Change(Struct, array_like=True, frozen=True):
    """What a version of a bus changed. `rule` is None where archives or the bus itself changed."""

    token: str
    rule: str | None


_decode_change = Decoder(Change).decode


@lru_cache(maxsize=1024)
def bus_key(bus: BusName) -> bytes:
    return pack("events", bus.account, bus.region, "bus", bus.name)


def rule_key(bus: BusName, rule: str) -> bytes:
    return pack("events", bus.account, bus.region, "rule", bus.name, rule)


def change_key(bus: BusName, number: int) -> bytes:
    return pack("events", bus.account, bus.region, "change", bus.name, number)


def bus(tx: ReadTx, name: BusName) -> Bus | None:
    """The bus; None where there is none, and for a default bus on which nothing was ever set."""
    value = tx.get(bus_key(name))
    return None if value is None else decode_bus(value)


def exists(tx: ReadTx, name: BusName) -> bool:
    """Is there such a bus? Default buses always are."""
    return name.name == DEFAULT or tx.get(bus_key(name)) is not None


def fresh(now_ms: int) -> Bus:
    """A bus at its beginning; `touch` gives it an id and a version."""
    return Bus("", 0, "", now_ms / 1000, now_ms / 1000)


def touch(tx: Tx, name: BusName, row: Bus | None, *, token: str, now_ms: int, rule: str | None = None) -> None:
    """Write the bus with its next version. `row` is the bus as it shall be (None: as it is); `token` is a random text
    chosen before the transaction; `rule` is the rule that changed."""
    row = row or bus(tx, name) or fresh(now_ms)
    row.id = row.id or token
    row.number += 1
    row.token = token
    row.modified_s = row.modified_s if rule else now_ms / 1000
    tx.put(bus_key(name), _encode(row))
    tx.put(change_key(name, row.number), _encode(Change(token, rule)))
    tx.delete(change_key(name, row.number - KEEP))


def drop_bus(tx: Tx, name: BusName) -> None:
    """Delete a bus, whose rules are gone."""
    tx.delete(bus_key(name))
    tx.clear(*span("events", name.account, name.region, "change", name.name))


def changes(tx: ReadTx, name: BusName, first: int, last: int) -> list[Change]:
    """The changes with these numbers, as far as they are kept."""
    found = tx.get_many([change_key(name, number) for number in range(first, last + 1)])
    return [_decode_change(value) for value in found if value is not None]


def buses(tx: ReadTx, account: str, region: str, first: str, limit: int) -> list[tuple[str, Bus]]:
    """Buses that have a row, in the order of their names, from `first` on."""
    prefix = pack("events", account, region, "bus")
    found = _scan(tx, bus_key(BusName(account, region, first)), after(prefix), limit)
    return [(key[len(prefix) + 1 : -1].decode(), decode_bus(value)) for key, value in found]


def _scan(tx: ReadTx, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
    """`limit` rows, however large, or all there are."""
    found: list[tuple[bytes, bytes]] = []
    while len(found) < limit and (page := tx.scan(start, end, limit=limit - len(found))):
        found += page
        start = page[-1][0] + b"\x00"
    return found


def rule(tx: ReadTx, bus: BusName, name: str) -> Rule | None:
    """The rule of that name."""
    value = tx.get(rule_key(bus, name))
    return None if value is None else _decode_rule(value)


def put_rule(tx: Tx, bus: BusName, row: Rule) -> None:
    """Write a rule; `touch` belongs to it."""
    tx.put(rule_key(bus, row.name), _encode(row))


def drop_rule(tx: Tx, bus: BusName, name: str) -> None:
    """Delete a rule; `touch` belongs to it."""
    tx.delete(rule_key(bus, name))


def rules(tx: ReadTx, bus: BusName, *, prefix: str = "", start_after: str = "", limit: int = PAGE) -> list[Rule]:
    """A page of rules in the order of their names; fewer than `limit` means that there are no more."""
    begin = rule_key(bus, prefix)[:-1]  # without its terminator a packed text is a prefix of longer ones
    start = max(begin, rule_key(bus, start_after) + b"\x00") if start_after else begin
    return [_decode_rule(value) for _, value in _scan(tx, start, after(begin), limit)]
