"""Reading a store in PostgreSQL beside those who use it, as of one commit, without being one of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from freehold.store.base import ReadTx, StoreError, StoreUnusable
from freehold.store.overlay import View
from freehold.store.postgres import table
from freehold.store.postgres.session import Conflict, Failed, Lost, Session, complete, one_line

SCHEMA = "freehold"


@contextmanager
def looking(url: str, schema: str = SCHEMA) -> Iterator[ReadTx]:
    """A snapshot for as long as the block; PostgreSQL keeps what is replaced meanwhile. Makes nothing.

    Raises StoreUnusable where there is no store of Freehold's, StoreError where it can no longer be read.
    """
    try:
        session = Session(complete(url), schema, table.READING)
    except (Lost, Failed, psycopg.Error) as error:
        raise StoreUnusable(f"there is no store of Freehold's to be read at that URL ({one_line(error)})") from error
    with one_commit(session) as tx:
        yield tx


@contextmanager
def one_commit(session: Session) -> Iterator[ReadTx]:
    """What a session, which ends with the block, reads of one commit. Raises StoreError where it can no longer be read."""
    try:
        reads = table.KvTable(session)
        session.queue(table.BEGIN_VIEW)
        yield View(reads)
    except (Conflict, Failed, Lost) as error:
        raise StoreError(f"the store cannot be read: {error}") from error
    finally:
        session.close()
