"""Idempotency of TransactWriteItems: a ClientRequestToken is remembered for ten minutes."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from freehold.kit.faults import Fault
from freehold.kit.tuples import pack, unpack
from freehold.ports.platform import Platform
from freehold.store.base import ReadTx, Tx

TOKEN_MS = 600_000
_FORGET_ROWS = 500

Where = tuple[str, str]
"""Account and region."""


class Token(msgspec.Struct):
    """A token that was used: when, and for which request."""

    at_ms: int
    digest: bytes


_decode = msgspec.msgpack.Decoder(Token).decode


def digest_of(request: dict[str, Any]) -> bytes:
    """What makes two requests the same: their items."""
    return hashlib.sha256(msgspec.msgpack.encode(request["TransactItems"])).digest()


def _token_key(where: Where, token: str) -> bytes:
    return pack("dynamodb", *where, "k", token)


def _expiry_key(at_ms: int, where: Where, token: str) -> bytes:
    return pack("dynamodb", None, "e", at_ms, *where, token)


def seen(tx: ReadTx, where: Where, token: str, digest: bytes, now_ms: int) -> bool:
    """Was this request carried out before? Raises IdempotentParameterMismatchException where another one was."""
    row = tx.get(_token_key(where, token))
    if row is None:
        return False
    used = _decode(row)
    if now_ms - used.at_ms >= TOKEN_MS:
        return False
    if used.digest != digest:
        raise Fault(
            "IdempotentParameterMismatchException",
            "The request uses the same client token as a previous, but non-identical request.",
        )
    return True


def remember(tx: Tx, where: Where, token: str, digest: bytes, now_ms: int) -> None:
    """Remember a request that was carried out."""
    tx.put(_token_key(where, token), msgspec.msgpack.encode(Token(now_ms, digest)))
    tx.put(_expiry_key(now_ms + TOKEN_MS, where, token), b"")


async def forget_expired(platform: Platform) -> None:
    """Remove the tokens that have expired."""
    now = platform.clock.now_ms()
    start, end = pack("dynamodb", None, "e"), pack("dynamodb", None, "e", now)

    def body(tx: Tx) -> int:
        found = tx.scan(start, end, limit=_FORGET_ROWS)
        for key, _ in found:
            account, region, token = unpack(key)[4:]
            tx.delete(key)
            own = _token_key((str(account), str(region)), str(token))
            row = tx.get(own)
            if row is not None and now - _decode(row).at_ms >= TOKEN_MS:
                tx.delete(own)
        return len(found)

    while await platform.store.transact(body) == _FORGET_ROWS:
        pass
