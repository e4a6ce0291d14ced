"""The outbox of a node: what is added to transactions, and the workers of all kinds."""

from __future__ import annotations

from collections.abc import Mapping

from freehold.kit.clock import Clock
from freehold.kit.ids import Ids
from freehold.store.base import Store, Tx
from freehold.work.duties import Duties
from freehold.work.outbox.delivery import Deliverer
from freehold.work.outbox.rows import Member, OutboxRow, add_member, payload_of, put, wake_key
from freehold.work.outbox.worker import Worker
from freehold.work.tasks import Tasks

PATIENCE_S = 5.0
"""How long deliveries that are under way have to end when their kind goes to another node, or this one stops: most
endpoints are given no longer to answer."""
CONCURRENCY = 256
"""Deliveries of one kind under way at a time, unless `start` says otherwise."""


class Outbox:
    """Adds effects to transactions and performs them after the commit."""

    def __init__(self, store: Store, clock: Clock, ids: Ids, tasks: Tasks, duties: Duties | None = None) -> None:
        self._store, self._clock, self._ids, self._tasks = store, clock, ids, tasks
        self._duties = duties or Duties(store, clock, tasks)
        self._workers: dict[str, Worker] = {}

    async def start(self, deliverers: Mapping[str, Deliverer], *, concurrency: Mapping[str, int] | None = None) -> None:
        """Begin to perform, each kind where its duty is. What earlier processes left is due at once, in its old order."""
        for kind, deliver in deliverers.items():
            most = (concurrency or {}).get(kind, CONCURRENCY)
            worker = Worker(self._store, self._clock, self._ids, self._tasks, kind, deliver, most)
            self._workers[kind] = worker
            worker.duty = self._duties.run(f"outbox:{kind}", worker.run, patience=PATIENCE_S)

    def add(self, tx: Tx, kind: str, payload: bytes, *, id: str, due_ms: int, group: bytes | None = None) -> None:
        """Have `payload` delivered by the deliverer of `kind` at service time `due_ms` or, if that is past, at once.

        `id` is unique within the kind. Members of one `group` are delivered one at a time in the order of adding. The
        payload fits in a row: at most 1 MiB.
        """
        if self._workers and kind not in self._workers:
            raise ValueError(f"no deliverer for outbox kind {kind!r}")
        if group is None:
            put(tx, kind, due_ms, id, OutboxRow(payload_of(tx, kind, id, payload), due_ms))
        else:
            add_member(tx, kind, group, Member(id, payload, due_ms))
        tx.wake(wake_key(kind))

    async def settle(self) -> bool:
        """Return when nothing is due and nothing is under way; says whether there was anything."""
        worked, busy = False, True
        while busy:
            busy = False
            for worker in self._workers.values():
                busy = await worker.settle() or busy
            worked = worked or busy
        return worked

    async def close(self) -> None:
        """Stop. What was under way is performed again at the next start unless its end was recorded."""
        for worker in self._workers.values():
            await worker.close()
