"""The contract of a workload."""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from workloads.cloud import Cloud
from workloads.ledger import Ledger


class Workload(ABC):
    """One service under load. One thread drives it at a time; several at once are several of different `lane`s.

    Whatever a step does goes through `self.ledger.write`. What it keeps on the server is bounded by about `keep` things: it
    removes old ones as it goes, so that hours of it weigh as much as minutes.
    """

    name: str
    """Its service, or `service-feature`: names in reports, `--only`, and prefixes of what it makes."""

    def __init__(self, cloud: Cloud, *, lane: str = "0", keep: int = 40, ledger: Ledger | None = None) -> None:
        self.cloud, self.lane, self.keep = cloud, lane, keep
        self.ledger = ledger or Ledger()
        self.count = 0
        """Counts up: names made from it are new."""

    def prefix(self) -> str:
        """Begins the name of everything that it makes."""
        return f"{self.name}-{self.lane}"

    def next(self) -> int:
        """A number that was not given before."""
        self.count += 1
        return self.count

    @abstractmethod
    def setup(self) -> None:
        """Make what the steps use, once. Nothing interrupts it."""

    @abstractmethod
    def step(self, rng: random.Random) -> None:
        """One or a few requests. Raises Gone where the connection ended, and whatever else is an error of the server."""

    @abstractmethod
    def verify(self, ledger: Ledger, patience: float) -> list[str]:
        """What is wrong, one line each: all acknowledged data is there, and nothing that was never asked for.

        What happens by itself after an acknowledgement (deliveries, invocations) may take until `patience` seconds are
        over; with 0 what has not come yet is not wrong. It may write and remove, through the ledger that it is given, which
        may be another than that of the steps (an image of the disk as it was earlier).
        """


T = TypeVar("T")


def while_it_moves(missing: Callable[[], T], patience: float) -> T:
    """Ask what is missing until it is nothing, or for `patience` seconds the same; answers it."""
    last, since = missing(), time.monotonic()
    while last and time.monotonic() < since + patience:
        threading.Event().wait(0.1)
        now = missing()
        if now != last:
            last, since = now, time.monotonic()
    return last


def until(done: Callable[[], bool], patience: float) -> bool:
    """Ask until it is done, at most for so many seconds, and at least once."""
    deadline = time.monotonic() + patience
    while not done():
        if time.monotonic() >= deadline:
            return False
        threading.Event().wait(0.1)
    return True
