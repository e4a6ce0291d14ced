"""Calls that happen once, however often they are made: what a create wrote is answered again, not written again.

Whoever makes an internal call that may be cut off (`Calls.call(..., once=key)`) owns the row under `key`. The operation
writes its answer there in the transaction that does the work, so that one is there exactly where the other is. The owner
removes the row when it has the answer for good.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

if TYPE_CHECKING:
    from freehold.ports.call import Call
    from freehold.store.base import Tx

Answer = TypeVar("Answer", bound=dict[str, Any])


async def transact(call: Call, body: Callable[[Tx], Answer]) -> Answer:
    """The one transaction in which an operation makes something. `body` answers plain values (no structs); where the same
    call has been made before, its answer comes back and `body` does not run."""
    key, store = call.once, call.platform.store
    if key is None:
        return await store.transact(body)

    def once(tx: Tx) -> Answer:
        kept = tx.get(key)
        if kept is not None:
            answered: Answer = msgspec.msgpack.decode(kept)
            return answered
        answer = body(tx)
        tx.put(key, msgspec.msgpack.encode(answer))
        return answer

    return await store.transact(once)
