"""The tables of a store, in one schema of a PostgreSQL database."""

from __future__ import annotations

import psycopg
from psycopg import sql

from freehold.store.base import StoreTooNew, StoreUnusable
from freehold.store.postgres.session import complete, one_line

VERSION = 1
OLDEST_SERVER = 130_000
BLOCK = 256
"""Numbers that one value of the sequence stands for: one for each body of a group."""

# Values stay uncompressed: most are small, and packing costs more time than it saves room. Rows of queues come and go:
# vacuum is to follow them closely. `outcomes` holds one row per writing connection, changed in every transaction that it
# commits, so that after a broken connection the last one's outcome can be read. (pg_xact_status would do without it, but
# a crashed server hands out again the ids of transactions of which nothing reached its log.)
TABLES = f"""
CREATE TABLE kv (k bytea PRIMARY KEY, v bytea NOT NULL)
  WITH (autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE kv ALTER v SET STORAGE EXTERNAL;
CREATE TABLE outcomes (session bytea PRIMARY KEY, last bigint NOT NULL, stamp bigint, written timestamptz NOT NULL)
  WITH (fillfactor = 20);
CREATE TABLE meta (name text PRIMARY KEY, value bigint NOT NULL);
CREATE SEQUENCE stamps START {BLOCK} INCREMENT {BLOCK};
INSERT INTO meta VALUES ('version', {VERSION}), ('epoch', 1);
"""


def prepare(url: str, schema: str) -> str:
    """Make the tables of a new store, check the version of an old one; returns the URL to connect with from now on."""
    try:
        url = complete(url)
    except psycopg.Error as error:
        raise StoreUnusable(
            f"the store's URL cannot be used ({one_line(error)}); write postgresql://USER:PASSWORD@HOST/DATABASE"
        ) from error
    try:
        connection = psycopg.connect(url, autocommit=True)
    except psycopg.Error as error:
        raise StoreUnusable(
            f"PostgreSQL cannot be reached ({one_line(error)}); start it, or correct the URL given as store"
        ) from error
    try:
        with connection:
            _check_server(connection)
            _make(connection, schema)
    except psycopg.errors.InsufficientPrivilege as error:
        raise StoreUnusable(
            f"the role may not use the database ({one_line(error)}); make it the owner: ALTER DATABASE ... OWNER TO ..."
        ) from error
    except psycopg.Error as error:
        raise StoreUnusable(
            f"the store in PostgreSQL cannot be opened ({one_line(error)}); see the server's log"
        ) from error
    return url


def _check_server(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    if connection.info.server_version < OLDEST_SERVER:
        raise StoreUnusable(f"PostgreSQL {connection.info.server_version // 10_000} is too old; use 13 or newer")
    standby = "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool"
    if connection.execute(standby).fetchone() == (True,):
        raise StoreUnusable(
            "the PostgreSQL server is a standby; name the primary, or all hosts with target_session_attrs=read-write"
        )


def _make(connection: psycopg.Connection[tuple[object, ...]], schema: str) -> None:
    name = sql.Identifier(schema)
    with connection.transaction():
        # One node makes the tables, others that start beside it wait here and find them.
        connection.execute("SELECT pg_advisory_xact_lock(0, 0)")
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(name))
        connection.execute(sql.SQL("SET LOCAL search_path TO {}").format(name))
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = %s", (schema,)).fetchone()
        if tables == (0,):
            connection.execute(TABLES.encode())
            return
        if connection.execute("SELECT to_regclass('meta'), to_regclass('kv')").fetchone() in (
            (None, None),
            ("meta", None),
        ):
            raise StoreUnusable(f"the schema {schema} is not a Freehold store; choose another database")
        found = connection.execute("SELECT value FROM meta WHERE name = 'version'").fetchone()
        version = found[0] if found else 0
        if not isinstance(version, int) or version > VERSION:
            raise StoreTooNew(
                f"the store was written by a newer Freehold (store version {version}, this one knows {VERSION}); "
                "update Freehold"
            )
        # Rows of connections that ended long ago: nobody asks for their last outcome any more.
        connection.execute("DELETE FROM outcomes WHERE written < now() - interval '7 days'")
