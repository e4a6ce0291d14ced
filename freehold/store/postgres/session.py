"""One connection to PostgreSQL, used by one thread: prepared statements, several of them in one round trip.

It stands on libpq as psycopg hands it out (`psycopg.pq`), always in pipeline mode: what is `queue`d travels with the next
`run`, and one wait brings all answers. The waits give up the interpreter lock; psycopg's cursors would cost as much again
as the round trip on a local socket.
"""

from __future__ import annotations

import select
import struct
from collections.abc import Sequence
from typing import NamedTuple

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

BYTEA, INT4, INT8, BYTEAS, INT4S = 17, 23, 20, 1001, 1007
_ELEMENT = {BYTEAS: BYTEA, INT4S: INT4}

SETTINGS = {
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "connect_timeout": "5",
    "application_name": "freehold",
}
"""What a URL leaves open: a peer that is gone without a word is noticed within 15 seconds."""

# A sequential scan would lock the whole table against every other serializable transaction; plans never change.
SESSION = """
SELECT set_config(name, value, false) FROM (VALUES
  ('enable_seqscan', 'off'), ('enable_bitmapscan', 'off'), ('jit', 'off'), ('plan_cache_mode', 'force_generic_plan'),
  ('client_min_messages', 'error'), ('lock_timeout', '0'), ('statement_timeout', '0'),
  ('tcp_keepalives_idle', '5'), ('tcp_keepalives_interval', '2'), ('tcp_keepalives_count', '3'),
  ('synchronous_commit', CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN 'on'
                              ELSE current_setting('synchronous_commit') END)
) AS wanted (name, value)
"""

CONFLICTS = frozenset({"40001", "40P01"})
"""Serialization failure, deadlock: nothing was written, the same may succeed when tried again."""

_GOOD = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)


class Conflict(Exception):
    """Another transaction won; the transaction is over and wrote nothing."""


class Lost(Exception):
    """The connection broke."""


class Failed(Exception):
    """PostgreSQL refused a statement; the text is its own."""

    def __init__(self, message: str, state: str) -> None:
        super().__init__(message)
        self.state = state


class Statement(NamedTuple):
    """A statement to be prepared: its name, its text, the types of its parameters."""

    name: bytes
    text: bytes
    types: tuple[int, ...] = ()


def array(kind: int, items: Sequence[bytes]) -> bytes:
    """`items` as PostgreSQL's binary array of type `kind`."""
    element = _ELEMENT[kind]
    if not items:
        return struct.pack(">iii", 0, 0, element)
    parts = [struct.pack(">iiiii", 1, 0, element, len(items), 1)]
    for item in items:
        parts.append(len(item).to_bytes(4, "big"))
        parts.append(item)
    return b"".join(parts)


def complete(url: str) -> str:
    """`url` with what it leaves open: time limits, and the primary where several hosts are named."""
    given = conninfo_to_dict(url)
    extra = {name: value for name, value in SETTINGS.items() if name not in given}
    if "," in str(given.get("host") or "") and "target_session_attrs" not in given:
        extra["target_session_attrs"] = "read-write"
    return make_conninfo(url, **extra)


class Session:
    """A connection with prepared statements. Every method may raise Lost; `run` also Conflict and Failed."""

    def __init__(self, url: str, schema: str, statements: Sequence[Statement] = ()) -> None:
        try:
            self._owner = psycopg.connect(url, autocommit=True)
            self._owner.execute(SESSION)
            self._owner.execute("SELECT set_config('search_path', %s, false)", (f'"{schema}"',))
        except psycopg.Error as error:
            raise Lost(one_line(error)) from error
        self._pg = self._owner.pgconn
        self._socket = self._pg.socket
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._expected: list[bool] = []  # answers to come: True of a statement, False of the end of a segment
        self._pg.nonblocking = 1
        try:
            self._pg.enter_pipeline_mode()
            for statement in statements:
                self._pg.send_prepare(statement.name, statement.text, list(statement.types) or None)
                self._expected.append(True)
        except psycopg.Error as error:
            raise Lost(one_line(error)) from error
        self.run()

    @property
    def backend(self) -> int:
        """The process id of the server's side."""
        return self._pg.backend_pid

    def queue(self, statement: Statement, *parameters: bytes) -> None:
        """Send `statement` with the next `run`; parameters are in PostgreSQL's binary form."""
        try:
            self._pg.send_query_prepared(statement.name, list(parameters), [1] * len(parameters), 1)
        except psycopg.Error as error:
            raise Lost(one_line(error)) from error
        self._expected.append(True)

    def mark(self) -> None:
        """End a segment: what is queued after it runs whether or not what came before it failed."""
        try:
            self._pg.pipeline_sync()
        except psycopg.Error as error:
            raise Lost(one_line(error)) from error
        self._expected.append(False)

    def run(self) -> list[pq.abc.PGresult]:
        """Send what was queued, wait for all of it, and return the answers in order. Raises the first error."""
        self.mark()
        expected, self._expected = self._expected, []
        results: list[pq.abc.PGresult] = []
        failed: Exception | None = None
        try:
            self._flush()
            for is_statement in expected:
                result = self._result()
                if not is_statement:
                    continue
                self._result(end=True)
                results.append(result)
                if failed is None and result.status not in _GOOD and result.status != pq.ExecStatus.PIPELINE_ABORTED:
                    failed = self._problem(result)
        except psycopg.Error as error:
            raise Lost(one_line(error)) from error
        if failed is not None:
            raise failed
        return results

    def _flush(self) -> None:
        pg = self._pg
        while pg.flush():
            self._poll.modify(self._socket, select.POLLIN | select.POLLOUT)
            ready = self._poll.poll()
            self._poll.modify(self._socket, select.POLLIN)
            if ready and ready[0][1] & ~select.POLLOUT:
                pg.consume_input()

    def _result(self, *, end: bool = False) -> pq.abc.PGresult:
        """The next result; `end` asks for the mark that closes a statement's results."""
        pg = self._pg
        while pg.is_busy():
            self._poll.poll()
            pg.consume_input()
        result = pg.get_result()
        if result is None:
            if end:
                return None  # type: ignore[return-value]
            raise psycopg.OperationalError("the connection is closed")
        return result

    def _problem(self, result: pq.abc.PGresult) -> Exception:
        state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
        text = (result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode("utf-8", "replace")
        if state in CONFLICTS:
            return Conflict(text)
        # 57P0x: the server is shutting down; 25006: it became a standby; an empty state comes from libpq itself.
        if not state or state.startswith(("08", "57P")) or state == "25006" or self._pg.status == pq.ConnStatus.BAD:
            return Lost(text or "the connection is closed")
        return Failed(text, state)

    def close(self) -> None:
        self._owner.close()


def one_line(error: BaseException) -> str:
    """The first line of what libpq says."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
