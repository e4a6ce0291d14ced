"""EventBridge Scheduler and EventBridge on the memory store and the manual clock, without HTTP; beside real IAM and SSM.

Queues, topics, buses and functions are recorded: what a schedule sends lands in `sent`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from freehold.kit.faults import Fault
from freehold.kit.tuples import pack
from freehold.ports.events import Event
from freehold.ports.identity import Source
from freehold.ports.queues import Outgoing
from freehold.ports.topics import Note
from freehold.services.events import service as events
from freehold.services.iam import service as iam
from freehold.services.scheduler import service as scheduler
from freehold.services.ssm import service as ssm
from freehold.store.base import Tx
from tests.services.house import ACCOUNT, REGION, House, scenarios

ROLE = f"arn:aws:iam::{ACCOUNT}:role/scheduler"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders"
DEAD = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@dataclass
class Sent:
    """What a target received. `at` is the service time in ISO form, `id` what the sender called it."""

    target: str
    body: Any
    at: str
    id: str
    source: Source
    more: dict[str, Any] = field(default_factory=dict)


class Ports:
    """Stands for queues, topics, buses and functions. Rows in the store keep what a body that runs twice did once."""

    def __init__(self, house: Scheduler) -> None:
        self._house = house

    def _receive(self, tx: Tx, sent: Sent) -> None:
        if sent.target in self._house.missing:
            raise Fault(self._house.missing[sent.target], f"no {sent.target}")
        key = pack("test", "sent", sent.at, sent.id)
        tx.put(key, b"")
        self._house.written[key] = sent

    def send(self, tx: Tx, arn: str, messages: list[Outgoing], *, now_ms: int, source: Source) -> list[str | None]:
        for each in messages:
            more = {"group": each.group, "attributes": {k: v["StringValue"] for k, v in each.attributes.items()}}
            self._receive(tx, Sent(arn, each.body, shown(now_ms), each.id, source, more))
        return [None for _ in messages]

    def publish(self, tx: Tx, arn: str, note: Note, *, now_ms: int, source: Source) -> None:
        self._receive(tx, Sent(arn, note.message, shown(now_ms), note.id, source))

    def put(self, tx: Tx, arn: str, event: Event, *, now_ms: int, source: Source) -> None:
        more = {"source": event.source, "detail_type": event.detail_type, "resources": list(event.resources)}
        self._receive(tx, Sent(arn, event.detail, shown(now_ms), event.id, source, more))

    def emit(self, tx: Tx, account: str, region: str, event: Event, *, now_ms: int) -> None:
        """What services say about themselves is of no interest here."""

    def enqueue(self, tx: Tx, arn: str, payload: bytes, *, id: str, now_ms: int, source: Source) -> None:
        self._receive(tx, Sent(arn, orjson.loads(payload), shown(now_ms), id, source))


class Scheduler(House):
    """`missing` says which targets are not there, and with what error."""

    model = "scheduler"
    manifests = (scheduler.MANIFEST, events.MANIFEST, ssm.MANIFEST, *iam.MANIFESTS)

    def __init__(self) -> None:
        self.missing: dict[str, str] = {}
        self.written: dict[bytes, Sent] = {}
        super().__init__()
        self.start_ms = self.clock.now_ms()

    def boot(self) -> None:
        super().boot()
        self.offer_ports(iam.MANIFESTS)

    def rooms(self) -> dict[str, Any]:
        ports = Ports(self)
        return {"functions": ports, "queues": ports, "topics": ports, "events": ports}

    async def start(self) -> None:
        for manifest in iam.MANIFESTS:
            if manifest.start is not None:
                await manifest.start(self.platform)
        await super().start()

    async def furnish(self) -> None:
        await self(
            "CreateRole", service="iam", RoleName="scheduler", AssumeRolePolicyDocument=orjson.dumps(TRUST).decode()
        )

    async def restart(self, *, down_s: float = 0) -> None:
        """The process dies; time goes on; another one starts."""
        await self.close()
        self.clock.advance(down_s)
        self.boot()
        await self.start()
        await self._advance.by(0)

    @property
    def sent(self) -> list[Sent]:
        """In the order of time, of one moment in the order of arrival."""
        return sorted(self.written.values(), key=lambda sent: sent.at)

    async def create(self, name: str = "s", expression: str = "rate(1 hour)", **more: Any) -> dict[str, Any]:
        return await self("CreateSchedule", **schedule(name, expression, **more))

    async def names(self, **request: Any) -> list[str]:
        return [each["Name"] for each in (await self("ListSchedules", **request))["Schedules"]]


def schedule(name: str = "s", expression: str = "rate(1 hour)", **more: Any) -> dict[str, Any]:
    """A request to create a schedule; what begins with a small letter goes into its target."""
    target = {"Arn": QUEUE, "RoleArn": ROLE} | more.pop("target", {})
    window = more.pop("FlexibleTimeWindow", {"Mode": "OFF"})
    return {"Name": name, "ScheduleExpression": expression, "Target": target, "FlexibleTimeWindow": window, **more}


def shown(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def at(text: str) -> float:
    """Seconds of a UTC time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


scenario = scenarios(Scheduler)
