"""Events: how other services put events on EventBridge buses inside their own transactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from freehold.ports.identity import Source
from freehold.store.base import Tx


@dataclass(frozen=True, slots=True)
class Event:
    """An event to put. `id` is its id (a UUID), chosen before the transaction; `time_s` the event's own time."""

    id: str
    source: str
    detail_type: str
    detail: dict[str, Any]
    resources: Sequence[str] = ()
    time_s: float | None = None
    """None: the time of putting."""
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the endpoint of an API destination answered."""

    status: int
    headers: dict[str, str]
    body: bytes


class Events(Protocol):
    """Offered by events."""

    def put(self, tx: Tx, bus_arn: str, event: Event, *, now_ms: int, source: Source) -> None:
        """Put an event of a user's application on a bus inside the caller's transaction. Raises ResourceNotFoundException,
        AccessDeniedException, ValidationException (sources that begin with "aws." are not the users')."""
        ...

    def emit(self, tx: Tx, account: str, region: str, event: Event, *, now_ms: int) -> None:
        """An event of a service itself ("aws.s3") on the default bus of the account. Costs one row read where no rule
        of that bus could want it; never raises a Fault."""
        ...

    async def call_destination(
        self,
        destination_arn: str,
        payload: bytes,
        *,
        headers: dict[str, str],
        query: dict[str, str],
        path_values: Sequence[str],
    ) -> Answer:
        """Call the endpoint of an API destination with its connection's authorization, at no more than its rate.
        Raises ResourceNotFoundException, or OSError and TimeoutError where the endpoint could not be reached."""
        ...
