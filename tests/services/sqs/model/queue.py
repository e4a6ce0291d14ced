"""What SQS documents of a queue: a list of messages. It knows nothing of rows or indexes."""

from __future__ import annotations

from dataclasses import dataclass, field

FIVE_MINUTES = 300_000
"""How long (ms) a deduplication id and a receive attempt are remembered."""


@dataclass
class Message:
    id: str
    body: str
    sent: int
    order: int
    visible_at: int
    group: str = ""
    sequence: str = ""
    here: int = 0
    """Receives in this queue."""
    before: int = 0
    """Receives in other queues."""
    first: int = 0
    received: int = 0
    moved_in: bool = False
    source: str = ""
    sender_dedup: str = ""
    handles: list[str] = field(default_factory=list)

    def in_flight(self, now: int) -> bool:
        return bool(self.here) and self.visible_at > now


@dataclass
class Queue:
    """A queue of the model."""

    name: str
    fifo: bool
    delay: int = 0
    visibility: int = 30
    retention: int = 345_600
    content: bool = False
    per_group: bool = False
    dead: Queue | None = None
    most_receives: int = 0
    messages: list[Message] = field(default_factory=list)
    known: dict[tuple[str, str], tuple[int, str, str]] = field(default_factory=dict)
    attempts: dict[str, tuple[int, list[tuple[Message, int, int]]]] = field(default_factory=dict)
    purged: int = -60_000

    def expire(self, now: int) -> None:
        self.messages = [m for m in self.messages if m.sent + 1000 * self.retention > now]

    def delayed(self, message: Message, now: int) -> bool:
        if message.here or message.moved_in:
            return False
        if self.fifo:
            return message.sent + 1000 * self.delay > now
        return message.visible_at > now

    def counts(self, now: int) -> tuple[int, int, int]:
        delayed = sum(self.delayed(m, now) for m in self.messages)
        flying = sum(m.in_flight(now) for m in self.messages)
        return len(self.messages) - delayed - flying, delayed, flying

    def ready(self, now: int) -> list[list[Message]]:
        """What can be received: lists in which order is kept. Of a FIFO group up to ten at a time."""
        if not self.fifo:
            return [[m] for m in self.messages if not m.in_flight(now) and not self.delayed(m, now)]
        found = []
        for group in dict.fromkeys(m.group for m in self.messages):
            mine = sorted((m for m in self.messages if m.group == group), key=lambda m: m.order)
            if any(m.in_flight(now) for m in mine):
                continue
            free = []
            for message in mine:
                if self.delayed(message, now):
                    break
                free.append(message)
            found.append(free)
        return found

    def is_dead(self, message: Message) -> bool:
        return self.dead is not None and message.here >= self.most_receives
