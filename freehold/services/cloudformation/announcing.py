"""What CloudFormation tells EventBridge: every change of a stack's and a resource's status, as it is written down.

Source: CloudFormation User Guide, "Event detail reference for EventBridge".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from freehold.kit.ids import derived
from freehold.ports import events as port
from freehold.ports.platform import Platform
from freehold.services.cloudformation import notifying
from freehold.services.cloudformation.model import STACK_TYPE, Event, Stack
from freehold.services.cloudformation.state import Keys
from freehold.store.base import Tx


def announce(tx: Tx, platform: Platform, keys: Keys, stack: Stack, events: Iterable[Event]) -> None:
    """Tell EventBridge, and the topics of the stack, what `state.add_events` has just written."""
    events = list(events)
    notifying.notify(tx, platform, keys, stack, events)
    for event in events:
        own = event.type == STACK_TYPE and event.physical_id == stack.id
        detail: dict[str, Any] = {"stack-id": stack.id}
        if not own:
            detail |= {"logical-resource-id": event.logical_id, "physical-resource-id": event.physical_id or ""}
        detail["status-details"] = {"status": event.status, "status-reason": event.reason or ""}
        if not own:
            detail["resource-type"] = event.type
        detail["client-request-token"] = event.token or ""
        told = port.Event(
            derived("cloudformation", stack.uid, event.id),
            "aws.cloudformation",
            "CloudFormation Stack Status Change" if own else "CloudFormation Resource Status Change",
            detail,
            (stack.id,),
            event.at_ms / 1000,
        )
        platform.events.emit(tx, keys.account, keys.region, told, now_ms=event.at_ms)
