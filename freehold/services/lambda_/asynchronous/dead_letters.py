"""Dead-letter queues and topics of functions: the event itself, with attributes that say why it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from freehold.kit.faults import Fault
from freehold.kit.ids import derived
from freehold.ports.identity import Source
from freehold.ports.queues import Outgoing
from freehold.ports.topics import Note
from freehold.services.lambda_.asynchronous.records import Record
from freehold.store.base import Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform


def attributes(record: Record) -> dict[str, dict[str, Any]]:
    """RequestID, ErrorCode, ErrorMessage ("Adding a dead-letter queue")."""
    shown = {
        "RequestID": {"DataType": "String", "StringValue": record.request_id},
        "ErrorCode": {"DataType": "Number", "StringValue": str(record.error_code)},
    }
    if message := record.error_message():
        shown["ErrorMessage"] = {"DataType": "String", "StringValue": message}
    return shown


def send(platform: Platform, tx: Tx, target: str, record: Record, source: Source, trace: str | None) -> bool:
    """Send a failed event on in the transaction that ends it; False where the target does not take it."""
    id, now = derived(record.request_id, "dead-letter", target), int(record.at_s * 1000)
    body = record.request.decode("utf-8", "replace")
    try:
        if target.split(":", 3)[2] == "sqs":
            message = Outgoing(id, body, attributes(record), trace=trace)
            platform.queues.send(tx, target, [message], now_ms=now, source=source)
        else:
            note = Note(id, body, attributes=attributes(record), trace=trace)
            platform.topics.publish(tx, target, note, now_ms=now, source=source)
    except Fault:
        return False
    return True
