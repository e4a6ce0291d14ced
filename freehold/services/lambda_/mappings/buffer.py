"""Records that wait to become a batch. Pure: service time comes from outside."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from freehold.services.lambda_.limits import MAX_SYNC_PAYLOAD
from freehold.services.lambda_.mappings.source import Record

_HEAD, _TAIL = b'{"Records":[', b"]}"
_ROOM = MAX_SYNC_PAYLOAD - len(_HEAD) - len(_TAIL)


def payload(records: Sequence[Record]) -> bytes:
    """The event of a batch."""
    return _HEAD + b",".join([record.event for record in records]) + _TAIL


def chunks(records: Iterable[Record]) -> list[list[Record]]:
    """Records in their order, cut where an event would grow beyond Lambda's 6 MB."""
    found: list[list[Record]] = []
    size = 0
    for record in records:
        grown = size + len(record.event) + 1
        if not found or grown > _ROOM:
            found.append([])
            grown = len(record.event) + 1
        found[-1].append(record)
        size = grown
    return found


class Buffer:
    """What was read and has not begun to run. A batch is ready when it is full, when its event is as large as an event may
    be, or when its window is over; the window begins with its first record."""

    def __init__(self, batch_size: int, window_ms: int, timeout_ms: int = 0) -> None:
        self._size, self._window = batch_size, window_ms
        self.timeout_ms = timeout_ms
        """The function's: a window ends while it can still run."""
        self._waiting: deque[tuple[Record, int]] = deque()
        self.bytes = 0
        """Size of the event that all of it would make."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, records: Iterable[Record], now_ms: int) -> None:
        for record in records:
            self._waiting.append((record, now_ms))
            self.bytes += len(record.event) + 1

    def due_ms(self) -> int | None:
        """When the first batch is ready at the latest."""
        if not self._waiting:
            return None
        record, since = self._waiting[0]
        return min(since + self._window, record.latest_ms(self.timeout_ms))

    def ready(self, now_ms: int) -> bool:
        due = self.due_ms()
        return due is not None and (now_ms >= due or len(self._waiting) >= self._size or self.bytes > _ROOM)

    def take(self, now_ms: int) -> list[Record]:
        """The next batch, without records that somebody else may have read meanwhile; empty where none is ready."""
        found: list[Record] = []
        size = 0
        while self._waiting and len(found) < self._size and (found or self.ready(now_ms)):
            record = self._waiting[0][0]
            if found and size + len(record.event) + 1 > _ROOM:
                break
            self._drop()
            if record.until_ms > now_ms:
                found.append(record)
                size += len(record.event) + 1
        return found

    def _drop(self) -> None:
        record, _ = self._waiting.popleft()
        self.bytes -= len(record.event) + 1

    def shed(self, keep: int) -> list[Record]:
        """Take out what lies behind the first `keep` records."""
        found: list[Record] = []
        while len(self._waiting) > keep:
            record, _ = self._waiting.pop()
            self.bytes -= len(record.event) + 1
            found.append(record)
        return found
