"""Amazon SQS as a source. What a function did not process is left alone: it is visible again when its timeout ends."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from freehold.kit.faults import Fault
from freehold.ports.queues import Received
from freehold.services.lambda_.mappings.source import Reading, Record, SourceGone

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

MOST = 1_000
"""Messages of one call of the port."""
GONE = "PROBLEM: The source queue does not exist."


class QueueSource:
    """`source.Source` of one queue."""

    def __init__(self, platform: Platform, queue_arn: str, *, filtered: bool) -> None:
        self._platform, self._arn, self._filtered = platform, queue_arn, filtered
        self._region = queue_arn.split(":")[3]
        self._finished: list[tuple[list[str], asyncio.Future[None]]] = []
        self._deleting = False
        self.ordered = queue_arn.endswith(".fifo")

    def watch_key(self) -> bytes:
        return self._platform.queues.watch_key(self._arn)

    async def read(self, most: int) -> Reading:
        platform, arn = self._platform, self._arn
        try:
            settings = await platform.store.read(lambda tx: platform.queues.settings(tx, arn))
            if settings is None:
                raise SourceGone(GONE)
            now, visible_ms = platform.clock.now_ms(), 1_000 * settings.visibility_timeout_s
            found, due = await platform.queues.receive(arn, most=min(most, MOST))
        except Fault as fault:
            if fault.code == "QueueDoesNotExist":
                raise SourceGone(GONE) from fault
            if fault.code == "OverLimit":  # as many in flight as there may be: deleting or time makes room
                return Reading([], platform.clock.now_ms() + 1_000)
            raise
        return Reading([self._record(message, now, now + visible_ms) for message in found], due)

    def _record(self, message: Received, read_ms: int, until_ms: int) -> Record:
        event = record(message, self._arn, self._region)
        fields = seen(message, self._arn, self._region) if self._filtered else None
        trace = message.system.get("AWSTraceHeader")
        return Record(message.id, orjson.dumps(event), fields, message.receipt, read_ms, until_ms, trace)

    async def done(self, records: Sequence[Record]) -> None:
        """Batches that end while a deletion is under way are deleted together after it."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._finished.append(([record.handle for record in records], future))
        if not self._deleting:
            self._deleting = True
            self._platform.tasks.spawn(f"lambda: delete from {self._arn}", self._delete())
        await future

    async def _delete(self) -> None:
        try:
            while self._finished:
                taken = [self._finished.pop(0)]
                count = len(taken[0][0])
                while self._finished and count + len(self._finished[0][0]) <= MOST:
                    taken.append(self._finished.pop(0))
                    count += len(taken[-1][0])
                await self._delete_together(taken)
        finally:
            self._deleting = False

    async def _delete_together(self, taken: list[tuple[list[str], asyncio.Future[None]]]) -> None:
        receipts = [receipt for receipts, _ in taken for receipt in receipts]
        try:
            for at in range(0, len(receipts), MOST):
                await self._platform.queues.delete(self._arn, receipts[at : at + MOST])
        except Fault as fault:
            if fault.code != "QueueDoesNotExist":
                raise
        finally:
            for _, future in taken:
                if not future.done():
                    future.set_result(None)

    async def failed(self, records: Sequence[Record]) -> None:
        """Nothing: the visibility timeout goes on."""

    async def give_back(self, records: Sequence[Record]) -> None:
        receipts = [record.handle for record in records]
        try:
            for at in range(0, len(receipts), MOST):
                await self._platform.queues.change_visibility(self._arn, receipts[at : at + MOST], 0)
        except Fault as fault:
            if fault.code != "QueueDoesNotExist":
                raise


def record(message: Received, arn: str, region: str) -> dict[str, Any]:
    """A message as the function sees it (Lambda: "Using Lambda with Amazon SQS", standard queue message event)."""
    event: dict[str, Any] = {
        "messageId": message.id,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": dict(message.system),
        "messageAttributes": {name: _attribute(value) for name, value in message.attributes.items()},
    }
    if message.attributes_md5 is not None:
        event["md5OfMessageAttributes"] = message.attributes_md5
    event["md5OfBody"] = message.body_md5
    event["eventSource"] = "aws:sqs"
    event["eventSourceARN"] = arn
    event["awsRegion"] = region
    return event


def seen(message: Received, arn: str, region: str) -> dict[str, Any]:
    """A message as filters see it: its body is parsed where it is a JSON object or array."""
    return record(message, arn, region) | {"body": _parsed(message.body)}


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if "StringValue" in value:
        shown["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        shown["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return shown | {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}


def _parsed(body: str) -> Any:
    """The body as filters see it: a JSON object or array where it is one, else the string (Lambda: "Using event
    filtering with an Amazon SQS event source")."""
    if body.lstrip()[:1] not in ("{", "["):
        return body
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body
