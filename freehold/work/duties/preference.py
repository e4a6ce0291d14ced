"""Which member a duty prefers."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b


def preferred(name: str, members: Iterable[str]) -> str:
    """The member that a duty prefers: the same on every node that sees the same members; when one comes or goes, only the
    duties that it gains or had move."""
    return max(members, key=lambda member: blake2b(f"{name}\0{member}".encode(), digest_size=8).digest())


class Preferences:
    """What `preferred` says while the same members live."""

    def __init__(self) -> None:
        self.live: list[str] = []
        self._found: dict[str, str] = {}

    def among(self, live: list[str]) -> None:
        """Those who live now."""
        if live != self.live:
            self.live = live
            self._found.clear()

    def of(self, name: str) -> str:
        """The member that the duty of this name prefers."""
        found = self._found.get(name)
        if found is None:
            found = self._found[name] = preferred(name, self.live)
        return found
