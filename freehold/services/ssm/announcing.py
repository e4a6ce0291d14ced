"""What Parameter Store tells EventBridge, in the transaction that changes the parameter.

Source: Systems Manager User Guide, "Parameter Store event types".
"""

from __future__ import annotations

from freehold.ports.call import Call
from freehold.ports.events import Event
from freehold.services.ssm.model import Version, arn_of
from freehold.services.ssm.state import Space
from freehold.store.base import Tx


def announce(
    tx: Tx, call: Call, where: Space, name: str, version: Version, operation: str, id: str, now_ms: int
) -> None:
    """`operation` is Create, Update, Delete or LabelParameterVersion; `id` the event's, chosen before the transaction."""
    detail = {
        "operation": operation,
        "name": name,
        "type": version.type,
        "description": version.description or "",
    }
    event = Event(
        id, "aws.ssm", "Parameter Store Change", detail, (arn_of(*where, name),), now_ms / 1000, call.cause.trace
    )
    call.platform.events.emit(tx, where.account, where.region, event, now_ms=now_ms)
