"""The key-value table in one transaction: the reads of a `Base`, and the statements that write a group."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

from psycopg import pq

from freehold.store.overlay import Row
from freehold.store.postgres.session import (
    BYTEA,
    BYTEAS,
    INT4,
    INT4S,
    INT8,
    Conflict,
    Failed,
    Lost,
    Session,
    Statement,
    array,
)

APPEND_LOCKS = 64
"""Locks that all logs share by hash: a group never holds more."""

BEGIN = Statement(b"begin", b"BEGIN ISOLATION LEVEL SERIALIZABLE")
BEGIN_READ = Statement(b"begin_read", b"BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY")
# For long looks: it waits until nothing that runs can make it anything but one state, then conflicts with nobody.
BEGIN_VIEW = Statement(b"begin_view", b"BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE")
COMMIT = Statement(b"commit", b"COMMIT")
ROLLBACK = Statement(b"rollback", b"ROLLBACK")

GET = Statement(b"get", b"SELECT v FROM kv WHERE k=$1", (BYTEA,))
GET_MANY = Statement(b"get_many", b"SELECT k, v FROM kv WHERE k = ANY($1)", (BYTEAS,))
KEYS = Statement(b"keys", b"SELECT k FROM kv WHERE k>=$1 AND k<$2 ORDER BY k LIMIT $3", (BYTEA, BYTEA, INT4))


def _scan(name: bytes, order: bytes) -> Statement:
    """Rows until their bytes are enough: counted by the server, which need not fetch large values for that."""
    return Statement(
        name,
        b"SELECT k, v FROM (SELECT k, v, sum(octet_length(k) + octet_length(v)) OVER (ORDER BY k %(o)s ROWS UNBOUNDED "
        b"PRECEDING) - octet_length(k) - octet_length(v) AS before FROM (SELECT k, v FROM kv WHERE k>=$1 AND k<$2 "
        b"ORDER BY k %(o)s LIMIT $3) AS page) AS sized WHERE before < $4 ORDER BY k %(o)s" % {b"o": order},
        (BYTEA, BYTEA, INT4, INT4),
    )


FIRST = Statement(b"first", b"SELECT k, v FROM kv WHERE k>=$1 AND k<$2 ORDER BY k LIMIT $3", (BYTEA, BYTEA, INT4))
LAST = Statement(b"last", b"SELECT k, v FROM kv WHERE k>=$1 AND k<$2 ORDER BY k DESC LIMIT $3", (BYTEA, BYTEA, INT4))
FORWARD = _scan(b"forward", b"ASC")
BACKWARD = _scan(b"backward", b"DESC")

PUT = Statement(
    b"put", b"INSERT INTO kv SELECT * FROM unnest($1, $2) ON CONFLICT (k) DO UPDATE SET v=excluded.v", (BYTEAS, BYTEAS)
)
DELETE = Statement(b"delete", b"DELETE FROM kv WHERE k = ANY($1)", (BYTEAS,))


# Fails (division by zero) where the epoch has ended: see ownership.py.
def _mark(name: bytes, stamp: bytes) -> Statement:
    return Statement(
        name,
        b"WITH marked AS (UPDATE outcomes SET last=$2, stamp=%s, written=now() WHERE session=$1 "
        b"AND (SELECT value FROM meta WHERE name='epoch') = $3 RETURNING 1) SELECT 1 / count(*) FROM marked" % stamp,
        (BYTEA, INT8, INT8),
    )


MARK = _mark(b"mark", b"NULL")
MARK_STAMPED = _mark(b"mark_stamped", b"currval('stamps')")
NOT_MARKED = "22012"
LOCK_LANES = Statement(b"lanes", b"SELECT pg_advisory_lock(1, lane) FROM unnest($1) AS lane", (INT4S,))
UNLOCK = Statement(b"unlock", b"SELECT pg_advisory_unlock_all()")
LOCK_LOGS = Statement(b"logs", b"SELECT pg_advisory_xact_lock(2, log) FROM unnest($1) AS log", (INT4S,))
STAMP = Statement(b"stamp", b"SELECT int8send(nextval('stamps'))")
APPEND = Statement(
    b"append",
    b"INSERT INTO kv SELECT log || int8send(currval('stamps') + member) || place, value "
    b"FROM unnest($1, $2, $3, $4) AS appended (log, member, place, value)",
    (BYTEAS, INT4S, BYTEAS, BYTEAS),
)

READING = (BEGIN, BEGIN_READ, BEGIN_VIEW, COMMIT, ROLLBACK, GET, GET_MANY, KEYS, FIRST, LAST, FORWARD, BACKWARD)
WRITING = (PUT, DELETE, MARK, MARK_STAMPED, LOCK_LANES, UNLOCK, LOCK_LOGS, STAMP, APPEND)


def int4(number: int) -> bytes:
    return number.to_bytes(4, "big", signed=True)


def int4s(numbers: Iterable[int]) -> bytes:
    return array(INT4S, [int4(number) for number in numbers])


def lane_number(lane: bytes) -> int:
    """The number of a lane's lock; two lanes may share one."""
    return zlib.crc32(lane) - (1 << 31)


def log_number(log: bytes) -> int:
    return zlib.crc32(log) % APPEND_LOCKS


class KvTable:
    """Reads in the transaction that its session has begun (or is to begin with what it has queued)."""

    __slots__ = ("_session", "problem")

    def __init__(self, session: Session) -> None:
        self._session = session
        self.problem: Exception | None = None
        """Why the transaction is over, even if the body that met it went on."""

    def _fetch(self, statement: Statement, *parameters: bytes) -> pq.abc.PGresult:
        try:
            self._session.queue(statement, *parameters)
            return self._session.run()[-1]
        except (Conflict, Failed, Lost) as error:
            self.problem = self.problem or error
            raise

    def get(self, key: bytes) -> bytes | None:
        found = self._fetch(GET, key)
        return found.get_value(0, 0) if found.ntuples else None

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        if not keys:
            return []
        found = dict(_rows(self._fetch(GET_MANY, array(BYTEAS, list(dict.fromkeys(keys))))))
        return [found.get(key) for key in keys]

    def rows(self, start: bytes, end: bytes, limit: int, max_bytes: int, reverse: bool) -> list[Row]:
        if limit <= 0 or start >= end:
            return []
        if limit == 1:
            return _rows(self._fetch(LAST if reverse else FIRST, start, end, int4(1)))
        return _rows(self._fetch(BACKWARD if reverse else FORWARD, start, end, int4(limit), int4(max_bytes)))

    def keys(self, start: bytes, end: bytes, limit: int) -> list[bytes]:
        if limit <= 0 or start >= end:
            return []
        found = self._fetch(KEYS, start, end, int4(limit))
        return [found.get_value(row, 0) or b"" for row in range(found.ntuples)]


def _rows(found: pq.abc.PGresult) -> list[Row]:
    get = found.get_value
    return [(get(row, 0) or b"", get(row, 1) or b"") for row in range(found.ntuples)]
