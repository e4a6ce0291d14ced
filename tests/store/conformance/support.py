"""What the laws are tried with."""

from __future__ import annotations

from collections.abc import Callable

from freehold.store.base import Store, Tx


class Refused(Exception):
    """Raised by bodies here."""


def put_all(rows: dict[bytes, bytes]) -> Callable[[Tx], None]:
    def body(tx: Tx) -> None:
        for key, value in rows.items():
            tx.put(key, value)

    return body


async def dump(store: Store, start: bytes = b"", end: bytes = b"\xff" * 8) -> list[tuple[bytes, bytes]]:
    return await store.read(lambda tx: tx.scan(start, end))
