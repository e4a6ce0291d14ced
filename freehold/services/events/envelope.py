"""The event as targets get it. Pure.

Members and their order: EventBridge User Guide, "AWS service event metadata". Detail is written anew as compact JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson

from freehold.kit.clock import iso8601


class Event:
    """An event on its way. `document` is the parsed event; its JSON text is made when somebody asks for it.

    `hops` counts the buses it came through before this one, `via` is the delivery that brought it here. What is passed on
    keeps its id, account, region and time.
    """

    __slots__ = ("_text", "document", "hops", "id", "trace", "via")

    def __init__(
        self,
        document: dict[str, Any],
        *,
        text: str | None = None,
        trace: str | None = None,
        hops: int = 0,
        via: str = "",
    ) -> None:
        self.document, self.trace, self.hops, self.via, self._text = document, trace, hops, via, text
        self.id: str = document["id"]

    @property
    def text(self) -> str:
        """The event as JSON."""
        if self._text is None:
            self._text = orjson.dumps(self.document).decode()
        return self._text

    @property
    def seed(self) -> str:
        """What ids of its deliveries are derived from: one that is replayed or comes here on two ways, under the id it has,
        is delivered anew each time."""
        if self.via:
            return self.via
        replay = self.document.get("replay-name")
        return self.id if replay is None else f"{self.id} {replay}"

    @property
    def account(self) -> str:
        """Where it was put first."""
        return str(self.document["account"])

    @property
    def region(self) -> str:
        return str(self.document["region"])

    def passed_on(self, via: str) -> Event:
        """The same event on the next bus, brought there by a delivery."""
        return Event(self.document, text=self._text, trace=self.trace, hops=self.hops + 1, via=via)


@lru_cache(maxsize=64)
def time_text(seconds: int) -> str:
    """The time of an event: whole seconds, `2026-01-01T00:00:00Z`."""
    return iso8601(seconds, millis=False)


def make(
    id: str,
    *,
    source: str,
    detail_type: str,
    account: str,
    region: str,
    time_s: float,
    resources: Sequence[str],
    detail: dict[str, Any],
    trace: str | None = None,
    **more: Any,
) -> Event:
    """A new event. `more` are further members that stand before `detail` ("replay-name")."""
    document = {
        "version": "0",
        "id": id,
        "detail-type": detail_type,
        "source": source,
        "account": account,
        "time": time_text(int(time_s)),
        "region": region,
        "resources": list(resources),
        **more,
        "detail": detail,
    }
    return Event(document, trace=trace)


def parsed(text: str, *, trace: str | None = None, hops: int = 0, via: str = "") -> Event:
    """An event out of its JSON text (archives, outbox)."""
    return Event(orjson.loads(text), text=text, trace=trace, hops=hops, via=via)
