"""Who may write: the nodes of a cluster together, or one process alone, and nobody who was replaced.

Nodes hold an advisory lock in shared mode, a process that wants the store for itself (one with a manual clock, or a Freehold
from before there were clusters) in exclusive mode, on a connection that each keeps, so that the lock is free as soon as the
process or its host is gone. Whoever takes it alone begins an epoch, and every transaction that writes checks the epoch it
was begun under: a process that was cut off while another one took the store for itself cannot write any more, even before
it notices.
"""

from __future__ import annotations

from collections.abc import Callable

import psycopg

from freehold.store.base import StoreBusy

OWNER = "3, 0"
TRIES = 30
PAUSE = 0.1

HOLDER = """
SELECT coalesce(host(client_addr), 'this host'), to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND classid = 3 AND objid = 0 AND objsubid = 2 AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY backend_start
"""
EPOCH = "SELECT value FROM meta WHERE name = 'epoch'"
NEXT_EPOCH = "UPDATE meta SET value = value + 1 WHERE name = 'epoch' RETURNING value"

Connection = psycopg.Connection[tuple[object, ...]]


class Ownership:
    """The epoch that this process writes under. `alone`: nobody else may have the store open."""

    def __init__(self, connection: Connection, *, alone: bool, pause: Callable[[float], None]) -> None:
        """Raises StoreBusy, with one line that says who has it."""
        self._alone, self._pause = alone, pause
        if not self._lock(connection):
            held = connection.execute(HOLDER).fetchone() or ("another host", "a moment ago")
            raise StoreBusy(
                f"the database is in use by another Freehold (on {held[0]}, since {held[1]}); stop it or choose another "
                "database"
                + ("" if alone else ": that one has it alone, since its clock is manual or its version is older")
            )
        found = connection.execute(NEXT_EPOCH if alone else EPOCH).fetchone()
        self.epoch = int(str(found[0])) if found else 0

    def kept(self, connection: Connection) -> bool:
        """May this process still write, now that it speaks over a new `connection`?"""
        if not self._lock(connection):
            return False
        found = connection.execute(EPOCH).fetchone()
        return found is not None and found[0] == self.epoch

    def _lock(self, connection: Connection) -> bool:
        """Take the lock; the server may need a moment to notice that the one before has gone."""
        mode = "" if self._alone else "_shared"
        for _ in range(TRIES):
            if connection.execute(f"SELECT pg_try_advisory_lock{mode}({OWNER})".encode()).fetchone() == (True,):
                return True
            self._pause(PAUSE)
        return False
