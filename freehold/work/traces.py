"""Traces: which calls belong together, in AWS's header and, where sampled, as segments in X-Ray's shape.

The header is `X-Amzn-Trace-Id: Root=1-{8 hex: seconds}-{24 hex};Parent={16 hex};Sampled={0|1}`. Segments are buffered
and flushed once a second; a trace is kept for 30 days of service time, as X-Ray does.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any

import orjson

from freehold.kit.clock import Clock
from freehold.kit.ids import Ids
from freehold.kit.tuples import pack, span, unpack
from freehold.store.base import ReadTx, Store, StoreError, Tx
from freehold.work.tasks import Tasks

log = logging.getLogger("freehold.work")

KEEP_MS = 30 * 86_400_000
FLUSH_S = 1.0
MAX_SEGMENT = 64 << 10
"""Bytes of one segment document (X-Ray's limit)."""
MAX_WAITING = 10_000
_SWEEP_MS = 3_600_000
_PAGE = 500
_ROOT = re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}")
_PARENT = re.compile(r"[0-9a-f]{16}")


class Trace:
    """One position in a trace: its root, the segment that is parent to what follows, and whether it is recorded (None:
    whoever is called decides)."""

    __slots__ = ("lineage", "parent", "root", "sampled")

    def __init__(self, root: str, parent: str | None, sampled: bool | None, lineage: str | None = None) -> None:
        self.root, self.parent, self.sampled, self.lineage = root, parent, sampled, lineage

    @property
    def header(self) -> str:
        """The value of X-Amzn-Trace-Id for what is called from here."""
        parts = [f"Root={self.root}"]
        if self.parent is not None:
            parts.append(f"Parent={self.parent}")
        if self.sampled is not None:
            parts.append(f"Sampled={int(self.sampled)}")
        if self.lineage:
            parts.append(f"Lineage={self.lineage}")
        return ";".join(parts)

    def child(self, segment_id: str) -> Trace:
        """The position below a segment."""
        return Trace(self.root, segment_id, self.sampled, self.lineage)


class Segment:
    """A piece of work in a trace, recorded when it ends: `with traces.segment(...) as segment: ...`.

    Not sampled, it costs an id and records nothing. `trace.header` is what to send to whatever is called inside.
    """

    __slots__ = ("_record", "document", "trace")

    def __init__(self, trace: Trace, document: dict[str, Any], record: Callable[[dict[str, Any]], None] | None) -> None:
        self.trace = trace
        self.document = document
        self._record = record

    @property
    def id(self) -> str:
        return str(self.document["id"])

    def put(self, name: str, value: Any) -> None:
        """Set a field of X-Ray's segment document: `http`, `aws`, `annotations`, `metadata`, `error`, `fault`, `cause`."""
        self.document[name] = value

    def end(self) -> None:
        """Record it; a second call does nothing."""
        record, self._record = self._record, None
        if record is not None:
            record(self.document)

    def __enter__(self) -> Segment:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is not None:
            self.document.setdefault("fault", True)
        self.end()


class Traces:
    """Begins traces and keeps the segments of those that are sampled."""

    def __init__(self, store: Store, clock: Clock, ids: Ids, tasks: Tasks) -> None:
        self._store, self._clock, self._ids, self._tasks = store, clock, ids, tasks
        self._waiting: deque[tuple[str, str, dict[str, Any]]] = deque(maxlen=MAX_WAITING)
        self._timer: asyncio.TimerHandle | None = None
        self._writing = asyncio.Lock()
        self._second = -1
        self._swept_ms = 0

    async def start(self) -> None:
        """Nothing runs until something is recorded."""

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self.flush()

    def decide(self) -> bool:
        """X-Ray's default rule for a service with active tracing: the first request of each second, 5 % of the rest."""
        second = self._clock.now_ms() // 1000
        if second != self._second:
            self._second = second
            return True
        return self._ids.uniform() < 0.05

    def begin(self, header: str | None, *, sampled: bool | None) -> Trace:
        """The trace of an incoming call: the one its header names, else a new one.

        A header's `Sampled=1` or `Sampled=0` holds; `sampled` decides where it says nothing (None: it is left to whoever
        is called, as by a service that does not trace). Malformed parts are ignored.
        """
        fields = parse(header) if header else {}
        root = fields.get("Root", "")
        if not _ROOT.fullmatch(root):
            root = f"1-{int(self._clock.now()):08x}-{self._ids.hex(24)}"
        parent: str | None = fields.get("Parent", "")
        if not parent or not _PARENT.fullmatch(parent):
            parent = None
        said = fields.get("Sampled")
        return Trace(root, parent, said == "1" if said in ("0", "1") else sampled, fields.get("Lineage"))

    def segment(
        self,
        trace: Trace,
        account: str,
        region: str,
        name: str,
        *,
        origin: str | None = None,
        kind: str | None = None,
        namespace: str | None = None,
        start: float | None = None,
    ) -> Segment:
        """Begin a segment below `trace`.

        `origin` is X-Ray's type of resource ("AWS::Lambda::Function"). `kind` "subsegment" with `namespace` "aws" or
        "remote" marks a call to another service. `start` is in seconds of service time; now, if None.
        """
        id = self._ids.hex(16)
        document: dict[str, Any] = {"id": id}
        if not trace.sampled:
            return Segment(trace.child(id), document, None)
        document.update(name=name[:200], trace_id=trace.root, start_time=self._clock.now() if start is None else start)
        for field, value in (("parent_id", trace.parent), ("origin", origin), ("type", kind), ("namespace", namespace)):
            if value is not None:
                document[field] = value

        def record(ended: dict[str, Any]) -> None:
            ended.setdefault("end_time", self._clock.now())
            self.record(account, region, ended)

        return Segment(trace.child(id), document, record)

    def record(self, account: str, region: str, document: dict[str, Any]) -> None:
        """Keep a finished segment document (id, trace_id, name, start_time, end_time at least). Drops the oldest waiting
        ones under pressure."""
        self._waiting.append((account, region, document))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if not self._tasks.closed:  # else close() writes what waits
            self._tasks.spawn("traces: flush", self.flush())

    async def flush(self) -> None:
        """Return when everything recorded before the call is in the store."""
        async with self._writing:
            while self._waiting:
                rows = [self._waiting.popleft() for _ in range(min(len(self._waiting), 100))]
                documents = [(account, region, d, orjson.dumps(d, default=str)) for account, region, d in rows]
                fitting = [row for row in documents if len(row[3]) <= MAX_SEGMENT]
                try:
                    await self._store.transact(lambda tx, fitting=fitting: _put(tx, fitting))  # type: ignore[misc]
                except StoreError:
                    log.exception("%d trace segments could not be written", len(fitting))
            await self._sweep()

    async def _sweep(self) -> None:
        now = self._clock.now_ms()
        if now - self._swept_ms < _SWEEP_MS:
            return
        self._swept_ms = now
        while await self._store.transact(lambda tx: _drop(tx, now - KEEP_MS)):
            pass

    async def recent(self, account: str, region: str, *, limit: int = 100) -> list[dict[str, Any]]:
        """The traces that began last, newest first: `{"Id": ..., "StartTime": ..., "Segments": [documents]}`."""

        def body(tx: ReadTx) -> list[dict[str, Any]]:
            start, end = span("trace", "r", account, region)
            found: list[dict[str, Any]] = []
            seen: set[str] = set()
            for key, _ in tx.scan(start, end, reverse=True):
                root = str(unpack(key)[5])
                if root not in seen:
                    seen.add(root)
                    found.append(_read(tx, account, region, root))
                    if len(found) == limit:
                        break
            return found

        return await self._store.read_many(body)

    async def get(self, account: str, region: str, root: str) -> dict[str, Any] | None:
        """One trace by its root id, with its segments in order of their start."""
        found = await self._store.read_many(lambda tx: _read(tx, account, region, root))
        return found if found["Segments"] else None


def parse(header: str) -> dict[str, str]:
    """The fields of an X-Amzn-Trace-Id header."""
    fields = {}
    for part in header.split(";"):
        name, equals, value = part.strip().partition("=")
        if equals:
            fields[name] = value
    return fields


def _put(tx: Tx, rows: list[tuple[str, str, dict[str, Any], bytes]]) -> None:
    for account, region, document, encoded in rows:
        root, start_ms = document["trace_id"], int(document["start_time"] * 1000)
        tx.put(pack("trace", "s", account, region, root, document["id"]), encoded)
        if document.get("type") != "subsegment":
            tx.put(pack("trace", "r", account, region, start_ms, root), b"")
            tx.put(pack("trace", "t", start_ms, account, region, root), b"")


def _read(tx: ReadTx, account: str, region: str, root: str) -> dict[str, Any]:
    segments = [orjson.loads(value) for _, value in tx.scan(*span("trace", "s", account, region, root), limit=_PAGE)]
    segments.sort(key=lambda document: document["start_time"])
    return {"Id": root, "StartTime": segments[0]["start_time"] if segments else None, "Segments": segments}


def _drop(tx: Tx, before_ms: int) -> int:
    rows = tx.scan(pack("trace", "t"), pack("trace", "t", before_ms), limit=50)
    for key, _ in rows:
        _, _, start_ms, account, region, root = unpack(key)
        segments = tx.scan(*span("trace", "s", account, region, root), limit=30)
        for segment, _ in segments:
            tx.delete(segment)
        if len(segments) < 30:
            tx.delete(key)
            tx.delete(pack("trace", "r", account, region, start_ms, root))
    return len(rows)
