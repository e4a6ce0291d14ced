"""Outbox: effects outside the store (a function call, an HTTP delivery), written with the facts and performed after.

An effect is a row, added in the transaction that decides it, and performed at least once after the commit. Each kind
has its own queue and its own worker, so that a slow or failing kind never holds up another. A kind is a duty
(work/duties): one node works it at a time, and every acknowledging transaction checks its epoch; what a crashed worker
had begun is still in its row and is performed again.

Rows: `("outbox", "q", kind, due ms, id)` is what waits, in due order; a payload of more than 1 KiB lies beside it in
`("outbox", "p", kind, id)`, so that looking for what is due reads no payloads of what is under way. Members of a group
wait in `("outbox", "g", kind, group, n)`; only their head has a row in the queue, so the order within a group holds
across retries.
"""

from freehold.work.outbox.delivery import Deliverer, Delivery, Retry
from freehold.work.outbox.room import Outbox
from freehold.work.outbox.rows import Member, OutboxRow, pending

__all__ = ["Deliverer", "Delivery", "Member", "Outbox", "OutboxRow", "Retry", "pending"]
