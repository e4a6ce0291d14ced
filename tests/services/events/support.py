"""EventBridge on the memory store and the manual clock, without HTTP. Queues, topics, functions and log groups are
recorded: what a target is sent lands in `sent`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from freehold.kit.faults import Fault
from freehold.kit.tuples import pack
from freehold.ports.events import Answer
from freehold.ports.identity import Source
from freehold.ports.queues import Outgoing
from freehold.ports.topics import Note
from freehold.services.events import service
from freehold.store.base import Tx
from tests.services.house import ACCOUNT, REGION, House, scenarios

OTHER, THIRD = "444455556666", "777788889999"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/events"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders"
DEAD = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:news"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:work"
DESTINATION = f"arn:aws:events:{REGION}:{ACCOUNT}:api-destination/hook/11111111-2222-3333-4444-555555555555"
GROUP = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/events/all"
PATTERN = '{"source": ["app"]}'


@dataclass
class Sent:
    """What a target received at a service time."""

    target: str
    body: str
    at_ms: int
    id: str
    source: Source | None
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def event(self) -> Any:
        return orjson.loads(self.body)


class Ports:
    """Stands for queues, topics, functions, log groups. Rows in the store keep what a body that runs twice did once."""

    def __init__(self, house: EventBridge) -> None:
        self._house = house

    def _receive(self, tx: Tx, sent: Sent) -> None:
        if sent.target in self._house.refusing:
            raise self._house.refusing[sent.target]
        key = pack("test", "sent", sent.at_ms, sent.target, sent.id)
        tx.put(key, b"")
        self._house.written[key] = sent

    def send(self, tx: Tx, arn: str, messages: Sequence[Outgoing], *, now_ms: int, source: Source) -> list[str | None]:
        for each in messages:
            attributes = {name: value["StringValue"] for name, value in each.attributes.items()}
            more = {"group": each.group, "attributes": attributes, "trace": each.trace}
            self._receive(tx, Sent(arn, each.body, now_ms, each.id, source, more))
        return [None for _ in messages]

    def publish(self, tx: Tx, arn: str, note: Note, *, now_ms: int, source: Source) -> None:
        self._receive(tx, Sent(arn, note.message, now_ms, note.id, source))

    def enqueue(
        self, tx: Tx, arn: str, payload: bytes, *, id: str, now_ms: int, source: Source, trace: str | None = None
    ) -> None:
        self._receive(tx, Sent(arn, payload.decode(), now_ms, id, source, {"trace": trace}))

    def put(
        self,
        tx: Tx,
        arn: str,
        stream: str,
        events: Sequence[tuple[int, str]],
        *,
        id: str,
        now_ms: int,
        source: Source,
    ) -> None:
        for time_ms, line in events:
            self._receive(tx, Sent(arn, line, now_ms, stream + id, source, {"time": time_ms}))


class EventBridge(House):
    """What targets were sent is in `sent`; `refusing` says who takes nothing."""

    model = "events"
    manifests = (service.MANIFEST,)

    def __init__(self) -> None:
        self.refusing: dict[str, Fault] = {}
        self.written: dict[bytes, Sent] = {}
        self.answers: list[Answer | Exception] = []
        self.called: list[dict[str, Any]] = []
        super().__init__()
        self.offer_ports(self.manifests)

    def rooms(self) -> dict[str, Any]:
        ports = Ports(self)
        return {"functions": ports, "queues": ports, "topics": ports, "log_groups": ports}

    @property
    def sent(self) -> list[Sent]:
        """In the order of time, of one moment in the order of arrival."""
        return sorted(self.written.values(), key=lambda sent: sent.at_ms)

    def to(self, target: str) -> list[Sent]:
        return [sent for sent in self.sent if sent.target == target]

    async def rule(self, name: str = "r", *targets: dict[str, Any], pattern: str = PATTERN, **more: Any) -> None:
        """A rule with targets; a target without an Id has its place as one."""
        account = more.pop("account", ACCOUNT)
        await self("PutRule", account=account, Name=name, EventPattern=pattern, **more)
        if targets:
            bus = {"EventBusName": more["EventBusName"]} if "EventBusName" in more else {}
            shown = [{"Id": str(place), **target} for place, target in enumerate(targets)]
            await self("PutTargets", account=account, Rule=name, Targets=shown, **bus)

    async def put(self, *details: Any, account: str = ACCOUNT, **more: Any) -> list[dict[str, Any]]:
        """Put an event per detail; what came of them."""
        found = [{**entry(detail), **more} for detail in details or ({},)]
        return list((await self("PutEvents", account=account, Entries=found))["Entries"])


def entry(detail: Any = None, source: str = "app", detail_type: str = "Order") -> dict[str, Any]:
    return {"Source": source, "DetailType": detail_type, "Detail": orjson.dumps(detail or {}).decode()}


def bus_arn(name: str = "default", account: str = ACCOUNT, region: str = REGION) -> str:
    return f"arn:aws:events:{region}:{account}:event-bus/{name}"


scenario = scenarios(EventBridge)
