"""The embedded engine: SQLite in write-ahead mode, every commit synced before it is acknowledged."""

from freehold.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
