"""Ids and randomness. A seed makes everything that is drawn here reproducible; without one it is unguessable."""

from __future__ import annotations

import asyncio
import hashlib
import random
import uuid

from freehold.kit.digests import md5_hex

ALNUM_LOWER = "abcdefghijklmnopqrstuvwxyz0123456789"
ALNUM_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
BASE62 = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def derived(*parts: str) -> str:
    """The one UUID that belongs to `parts`, always the same: ids of what one transaction makes of another thing (the
    deliveries of a message), which must not change when its body runs again."""
    h = md5_hex("\x1f".join(parts).encode())
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-{_VARIANT[h[16]]}{h[17:20]}-{h[20:]}"


class Ids:
    """A source of ids. Secrets (`secret`) come from it too, so a seeded source is for tests only."""

    def __init__(self, seed: int | None = None) -> None:
        self._random: random.Random = random.SystemRandom() if seed is None else random.Random(seed)
        # Request ids need uniqueness, not secrecy: a generator seeded once spares a system call each.
        self._fast = random.Random(self._random.getrandbits(256))

    def of(self, name: str) -> Ids:
        """A source for one room of the server, so that what it draws when real time says so (a writer that flushes,
        processes that start) does not change what others draw."""
        return self

    def uuid(self) -> str:
        """A random UUID (version 4) for things that are not secrets, such as request ids."""
        # 120 random bits: the variant's two free ones stay 0. As `randbytes` does it, without a call of Python's.
        h = self._fast.getrandbits(120).to_bytes(15, "little").hex()
        return f"{h[:8]}-{h[8:12]}-4{h[12:15]}-8{h[15:18]}-{h[18:]}"

    def secret_uuid(self) -> str:
        """A random UUID that nobody can guess from earlier ones."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def hex(self, digits: int) -> str:
        """`digits` random lower-case hexadecimal digits; not secret."""
        return f"{self._fast.getrandbits(4 * digits):0{digits}x}"

    def letters(self, count: int, alphabet: str = ALNUM_LOWER) -> str:
        """`count` characters of `alphabet`; not secret."""
        return "".join(self._fast.choices(alphabet, k=count))

    def secret(self, count: int, alphabet: str = BASE62) -> str:
        """`count` unguessable characters of `alphabet`."""
        return "".join(self._random.choice(alphabet) for _ in range(count))

    def bytes(self, count: int) -> bytes:
        """`count` unguessable bytes."""
        return self._random.getrandbits(8 * count).to_bytes(count, "big") if count else b""

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A float in [low, high): jitter, sampling, weighted routing."""
        return low + (high - low) * self._fast.random()


class SeededIds(Ids):
    """What a seed decides although many tasks draw at once: each background task draws from a source of its own, which its
    name and the seed decide, and the calls of clients from another. So calls made one after the other get the same ids in
    every run, whatever runs beside them. For tests only: what it draws can be guessed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._sources: dict[str, Ids] = {}

    def of(self, name: str) -> Ids:
        return SeededIds(int.from_bytes(hashlib.sha256(f"{self._seed}/{name}".encode()).digest()))

    @property
    def _random(self) -> random.Random:  # type: ignore[override]
        return self._source()._random

    @property
    def _fast(self) -> random.Random:  # type: ignore[override]
        return self._source()._fast

    def _source(self) -> Ids:
        name = _task()
        source = self._sources.get(name)
        if source is None:
            seed = hashlib.sha256(f"{self._seed}:{name}".encode()).digest()
            source = self._sources[name] = Ids(int.from_bytes(seed))
        return source


def _task() -> str:
    """The background task that runs; empty in a client's call, whose task has no name of its own."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return ""
    name = "a callback of the event loop" if task is None else task.get_name()
    return "" if name.startswith("Task-") else name
