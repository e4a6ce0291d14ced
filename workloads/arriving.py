"""What was acknowledged arrives somewhere else by itself: in a queue or in a table."""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import Protocol

from workloads.base import Workload
from workloads.cloud import Cloud
from workloads.ledger import Ledger
from workloads.receiving import IN_FLIGHT_S, Impossible, Named, drain, receive, same

EVENT = "event "
"""Names of what is under way begin with it."""
SENT = "sent"


class Arrivals(Protocol):
    """Where it arrives."""

    def take(self, ledger: Ledger) -> list[str]:
        """Remove some of what has arrived; its names."""

    def collect(self, wanted: set[str], patience: float) -> list[str]:
        """Remove all that has arrived, waiting for what is wanted; its names in order."""


class InQueue:
    """A queue of its own. `repeats`: what comes there comes at least once."""

    def __init__(self, cloud: Cloud, queue: str, named: Named = same, *, repeats: bool = False) -> None:
        self._cloud, self._queue, self._named, self._repeats = cloud, queue, named, repeats

    def take(self, ledger: Ledger) -> list[str]:
        return receive(self._cloud, self._queue, ledger, self._named, repeats=self._repeats)

    def collect(self, wanted: set[str], patience: float) -> list[str]:
        return drain(self._cloud, self._queue, wanted, max(patience, IN_FLIGHT_S), self._named)


class InTable:
    """A table of its own, whose key is the name."""

    def __init__(self, cloud: Cloud, table: str) -> None:
        self._cloud, self._table = cloud, table

    def take(self, ledger: Ledger) -> list[str]:
        page = self._cloud.client("dynamodb").scan(TableName=self._table, Limit=20, ConsistentRead=True)
        names = [item["pk"]["S"] for item in page["Items"]]
        for name in names:
            if not ledger.began(name):
                raise Impossible(f"{self._table} has {name}, which nobody asked for")
        with ledger.write_many(dict.fromkeys(names)):
            self._remove(names)
        return names

    def collect(self, wanted: set[str], patience: float) -> list[str]:
        until = time.monotonic() + patience
        before = -1
        while True:
            items = self._cloud.client("dynamodb").pages("scan", "Items", TableName=self._table, ConsistentRead=True)
            found = [item["pk"]["S"] for item in items]
            if len(found) > before:
                before, until = len(found), time.monotonic() + patience
            if wanted <= set(found) or time.monotonic() >= until:
                break
            time.sleep(0.1)
        self._remove(found)
        return found

    def _remove(self, names: list[str]) -> None:
        for at in range(0, len(names), 25):
            deletes = [{"DeleteRequest": {"Key": {"pk": {"S": name}}}} for name in names[at : at + 25]]
            answer = self._cloud.client("dynamodb").batch_write_item(RequestItems={self._table: deletes})
            if answer["UnprocessedItems"]:
                raise RuntimeError(answer)


class Delivering(Workload):
    """Sends events that arrive elsewhere, once or (`repeats`) at least once, by their numbers where it is `ordered`; what
    has arrived is taken away."""

    repeats = False
    ordered = False
    arrivals: Arrivals

    @abstractmethod
    def send(self, names: list[str]) -> None:
        """Send events, within `self.ledger.write_many`."""

    def deliver(self, most: int) -> None:
        """Send up to so many new ones; where too many are under way, take some away or rest."""
        if len(self.ledger.present(EVENT)) < self.keep:
            names = [f"{EVENT}{self.next()}" for _ in range(most)]
            with self.ledger.write_many(dict.fromkeys(names, SENT)):
                self.send(names)
        elif not self.take():
            time.sleep(0.05)

    def take(self) -> list[str]:
        """Take some of what has arrived away."""
        waiting = _numbers(self.ledger.present(EVENT))
        taken = self.arrivals.take(self.ledger)
        if self.ordered and taken and waiting and min(waiting) < _numbers(taken)[0]:
            raise Impossible(f"{taken[0]} came before {EVENT}{min(waiting)}")
        return taken

    def arrived(self, ledger: Ledger, patience: float) -> list[str]:
        """What is wrong with what has arrived."""
        found = self.arrivals.collect(set(ledger.present(EVENT)), patience)
        known = {name: SENT for name in found if not self._again(ledger, name)}
        wrong = ledger.compare(known, EVENT, late=not patience)
        if self.ordered and _numbers(found) != sorted(_numbers(found)):
            wrong.append(f"it came out of order: {found}")
        for name in known:
            ledger.certain(name, None)
        return wrong

    def _again(self, ledger: Ledger, name: str) -> bool:
        """Is it one that had been taken away before? Of deliveries at least once it may come again."""
        number = int(name.removeprefix(EVENT))
        return self.repeats and number <= self.count and ledger.began(name) and ledger.possible(name) == [None]


def _numbers(names: list[str]) -> list[int]:
    return [int(name.removeprefix(EVENT)) for name in names]
