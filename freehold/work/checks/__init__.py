"""The invariants of work's own rows: outbox, timers, blobs, and what else lies in the store."""
