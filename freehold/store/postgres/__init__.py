"""The engine for several nodes: PostgreSQL, every transaction serializable."""

from freehold.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
