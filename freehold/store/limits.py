"""Limits of the store: the same on every engine."""

MAX_KEY = 2_000
MAX_VALUE = (1 << 20) + (64 << 10)
MAX_TX_BYTES = 16 << 20
MAX_TX_ROWS = 2_000
MAX_SCAN = 1_000
MAX_SCAN_BYTES = 1 << 20
