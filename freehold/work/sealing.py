"""Sealing: secrets at rest, by AES-256-GCM under a key of their account and region, bound to what they belong to.

A row holds the key, `("sealing", account, region)` unless an owner has one of its own; it is made when it is first needed.
"""

from __future__ import annotations

from collections.abc import Callable

from freehold.kit.ids import Ids
from freehold.kit.tuples import pack
from freehold.store.base import Store, Tx

_NONCE = 12


def _row(account: str, region: str) -> bytes:
    return pack("sealing", account, region)


class Sealer:
    """Seals and opens secrets. `bound` names what a secret belongs to: it opens for nothing else."""

    def __init__(self, store: Store, ids: Ids, row: Callable[[str, str], bytes] = _row) -> None:
        """`row(account, region)` is the key of the row that holds the sealing key."""
        self._store, self._ids, self._row = store, ids, row

    async def seal(self, account: str, region: str, bound: str, secret: bytes) -> bytes:
        """What may be stored."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = await self._key(account, region)
        nonce = self._ids.bytes(_NONCE)
        return nonce + AESGCM(key).encrypt(nonce, secret, bound.encode())

    async def open(self, account: str, region: str, bound: str, sealed: bytes) -> bytes:
        """The secret that was sealed. Raises cryptography's InvalidTag where it was sealed for something else."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = await self._key(account, region)
        return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], bound.encode())

    async def _key(self, account: str, region: str) -> bytes:
        """Read anew every time: an account that is imported brings its own."""
        row = self._row(account, region)
        found = await self._store.read(lambda tx: tx.get(row))
        if found is not None:
            return found
        fresh = self._ids.bytes(32)

        def body(tx: Tx) -> bytes:
            kept = tx.get(row)
            if kept is None:
                tx.put(row, fresh)
            return fresh if kept is None else kept

        return await self._store.transact(body)
