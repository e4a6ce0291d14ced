"""Belongings: which rows an account owns, so that `freehold export` finds all of them and nobody else's.

A row whose key is `(anything, account, ...)` is the account's: that needs no word from anybody. What else a service
keeps of an account it says in BELONGINGS of the module `belongings` of its folder, which is found by that name.
tests/aws/test_accounts.py fills accounts through every service and fails for a row that nobody claims.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from freehold.kit.tuples import pack

if TYPE_CHECKING:
    from freehold.ports.platform import Platform
    from freehold.work.blobs import Blob
    from freehold.work.checking import Snapshot


@dataclass(frozen=True, slots=True)
class Below:
    """Rows whose keys begin with `prefix`; a whole key is the prefix of itself.

    Reached by other rows only: where such are written last, nobody sees half of an account while it is brought in.
    """

    prefix: bytes


@dataclass(frozen=True, slots=True)
class Timed:
    """The timer of (owner, key)."""

    owner: str
    key: bytes


@dataclass(frozen=True, slots=True)
class Shared:
    """A row that accounts have together, as it is where this account has it alone."""

    key: bytes
    value: bytes


Belonging = Below | Timed | Shared


class Sharing(Protocol):
    """What a service knows of its shared rows."""

    def merge(self, old: bytes, new: bytes) -> tuple[bytes, Blob]:
        """A row that is there already and the account's become one: its value, and the blob that is not needed twice."""
        ...

    def blob(self, value: bytes) -> Blob:
        """The blob that a row names."""
        ...

    def with_blob(self, value: bytes, blob: Blob) -> bytes:
        """The same row with another blob of the same bytes."""
        ...


def _nothing(snapshot: Snapshot, account: str) -> Iterator[Belonging]:
    return iter(())


@dataclass(frozen=True, slots=True)
class Belongings:
    """What a service says of an account's rows.

    - `rows(snapshot, account)`: the rows whose keys do not begin with `(anything, account)`. Timers whose keys are packed
      tuples that hold the account need no mention.
    - `effects`: for each kind of its outbox, whose a payload is.
    - `begins`: prefixes of rows that make something happen by being there (events that wait, jobs). They are brought in
      last, when all else is there. Timers and the outbox are such anyway.
    - `sharing`: what becomes of its Shared rows where the installation has them already.
    - `passing(snapshot, account)`: prefixes of rows that name the account but say what goes on in these nodes: they stay.
    - `resume(platform, account)`: after rows were brought into a running server: begin what `start` would have begun.
    """

    rows: Callable[[Snapshot, str], Iterator[Belonging]] = _nothing
    effects: Mapping[str, Callable[[bytes], str]] = field(default_factory=dict)
    begins: Callable[[Snapshot, str], Iterator[bytes]] | None = None
    sharing: Sharing | None = None
    passing: Callable[[Snapshot, str], Iterator[bytes]] | None = None
    resume: Callable[[Platform, str], Awaitable[None]] | None = None


def spaces_of(snapshot: Snapshot, service: str, account: str, *kind: str) -> Iterator[tuple[str, str]]:
    """The account with each region in which it has rows of `(service, *kind, account, region)`."""
    for region in snapshot.next_parts(service, *kind, account):
        if isinstance(region, str):
            yield account, region


def below(*parts: str | bytes | int | None) -> Below:
    """All rows below a tuple."""
    return Below(pack(*parts))
