"""The rows of shared pools of concurrency.

`("lambda", account, region, "s", function)` is the Ledger of a function's reserved concurrency, with "" for a function that
of what the account has not reserved; `("lambda", "slots-listed", account, region, function)` lists those with something
that other nodes should answer. Nodes that are alone on their store write neither.
"""

from __future__ import annotations

import msgspec

from freehold.kit.tuples import pack, span, unpack
from freehold.services.lambda_ import ledger, limits, rows
from freehold.services.lambda_.ledger import Ledger
from freehold.services.lambda_.rows import SERVICE, Codec, Keys
from freehold.store.base import ReadTx, Tx

WAKE = pack(SERVICE, "slots")
"""Woken when there is something to answer, or an answer."""

Name = tuple[str, str, str]
"""Account, region and function; the function is "" for what the account has not reserved."""

_rows: Codec[Ledger] = Codec(Ledger)
encode = msgspec.msgpack.Encoder().encode


def _key(name: Name) -> bytes:
    return Keys(name[0], name[1]).slots(name[2])


def _listed_key(name: Name) -> bytes:
    return pack(SERVICE, "slots-listed", *name)


def look(tx: ReadTx, name: Name) -> tuple[Ledger, bool, int | None]:
    """(a pool's ledger, is it listed, how much there is of it: None where nothing is reserved)."""
    found = _rows.get(tx, _key(name)) or Ledger()
    return found, tx.get(_listed_key(name)) is not None, _capacity(tx, name)


def _capacity(tx: ReadTx, name: Name) -> int | None:
    keys = Keys(name[0], name[1])
    if name[2]:
        function = rows.functions.get(tx, keys.function(name[2]))
        return None if function is None else function.reserved
    return limits.CONCURRENCY - sum((rows.counts.get(tx, keys.reserved()) or {}).values())


def write(tx: Tx, name: Name, found: Ledger, capacity: int | None) -> None:
    """Keep a ledger, and list it where others should answer. A pool that is no more keeps none."""
    if capacity is None:
        remove(tx, name)
        return
    _rows.put(tx, _key(name), found)
    if ledger.is_open(found, capacity):
        tx.put(_listed_key(name), b"")
    else:
        tx.delete(_listed_key(name))


def listed(tx: ReadTx) -> list[Name]:
    """Pools with something to answer."""
    found = (unpack(key) for key, _ in tx.scan(*span(SERVICE, "slots-listed")))
    return [(str(account), str(region), str(function)) for _, _, account, region, function in found]


def remove(tx: Tx, name: Name) -> None:
    """The pool is no more."""
    tx.delete(_key(name))
    tx.delete(_listed_key(name))


def changed(tx: Tx, name: Name, before: int | None, now: int | None) -> None:
    """The concurrency of a function was reserved anew, in this transaction: every node takes note of this pool and of the
    account's. What was not reserved before is gathered first: each node says what it runs."""
    if now is None:
        remove(tx, name)
    else:
        if before is None:
            _rows.put(tx, _key(name), Ledger(gathering=True))
        tx.put(_listed_key(name), b"")
    tx.put(_listed_key((name[0], name[1], "")), b"")
    tx.wake(WAKE)
