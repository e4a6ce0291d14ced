"""The outbox: invoke a schedule's target as its role, retry by its policy, and send what failed to its dead-letter queue.

A templated target is invoked in the transaction that ends the execution: exactly once, whatever dies. A universal target is
called before it: at least once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson

from freehold.kit.faults import Fault
from freehold.kit.ids import derived
from freehold.kit.tuples import unpack
from freehold.ports.events import Event
from freehold.ports.identity import Source
from freehold.ports.queues import Outgoing
from freehold.ports.topics import Note
from freehold.services.scheduler import roles, state, targets
from freehold.services.scheduler.model import SERVICE, Execution, retry_policy
from freehold.services.scheduler.state import Space
from freehold.services.scheduler.targets import EVENTS, LAMBDA, SNS, SQS, UNIVERSAL
from freehold.store.base import ReadTx, Tx
from freehold.work.outbox import Delivery, Retry

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

FIRST_RETRY_MS = 1_000
MOST_RETRY_MS = 600_000
"""185 attempts then take about a day, as AWS's defaults do together."""
MAX_ATTRIBUTE = 1_024


async def deliver(platform: Platform, delivery: Delivery) -> None:
    """One attempt. Raises Retry where the schedule's policy allows another."""
    account, region, id = (str(part) for part in unpack(delivery.payload))
    space = Space(account, region)
    execution = await platform.store.read(lambda tx: state.execution(tx, space, id))
    if execution is None:
        return
    if execution.windowed and delivery.attempt == 1 and not await platform.store.read(_stands(space, execution)):
        await platform.store.transact(lambda tx: state.end(tx, space, execution))
        return
    target: dict[str, Any] = orjson.loads(execution.target)
    payload = targets.input_of(execution, target, delivery.attempt)
    _count(platform, execution, "InvocationAttemptCount")
    try:
        await roles.check(platform, target["RoleArn"], *space, execution.group)
        await _invoke(platform, space, execution, target, payload)
    except Fault as fault:
        _count(platform, execution, "TargetErrorCount")
        condition = _exhausted(platform, delivery, target)
        attributes = _attributes(execution, target, fault, condition, delivery.attempt - 1)
        await _give_up(platform, space, execution, target, payload, attributes)


def _stands(space: Space, execution: Execution) -> Callable[[ReadTx], bool]:
    """Was the schedule deleted or changed since its window opened? Then this invocation is not wanted any more."""

    def body(tx: ReadTx) -> bool:
        schedule = state.find(tx, space, execution.group, execution.name)
        return schedule is not None and schedule.generation == execution.generation

    return body


async def _invoke(platform: Platform, space: Space, execution: Execution, target: dict[str, Any], payload: str) -> None:
    """Invoke once, which ends the execution."""
    arn, now_ms = target["Arn"], platform.clock.now_ms()
    source = Source(SERVICE, execution.arn, execution.account, role=target["RoleArn"])
    kind = targets.kind_of(arn)
    if kind == UNIVERSAL:
        await _call(platform, execution, target, payload)
        await platform.store.transact(lambda tx: state.end(tx, space, execution))
        return

    def body(tx: Tx) -> None:
        if not state.end(tx, space, execution):
            return
        if kind == LAMBDA:
            platform.functions.enqueue(tx, arn, payload.encode(), id=execution.id, now_ms=now_ms, source=source)
        elif kind == SQS:
            group = target.get("SqsParameters", {}).get("MessageGroupId")
            platform.queues.send(tx, arn, [Outgoing(execution.id, payload, group=group)], now_ms=now_ms, source=source)
        elif kind == SNS:
            platform.topics.publish(tx, arn, Note(execution.id, payload), now_ms=now_ms, source=source)
        elif kind == EVENTS:
            platform.events.put(tx, arn, _event(execution, target, payload), now_ms=now_ms, source=source)

    await platform.store.transact(body)


def _event(execution: Execution, target: dict[str, Any], payload: str) -> Event:
    parameters = target["EventBridgeParameters"]
    detail = orjson.loads(payload)
    return Event(execution.id, parameters["Source"], parameters["DetailType"], detail, resources=(execution.arn,))


async def _call(platform: Platform, execution: Execution, target: dict[str, Any], payload: str) -> None:
    """A universal target: any operation, as the role."""
    named = targets.universal(target["Arn"])
    try:
        value = orjson.loads(payload) if "Input" in target else {}
    except orjson.JSONDecodeError:
        raise Fault("ValidationException", "Input must be a well-formed JSON.") from None
    credential = platform.identity.role_session(target["RoleArn"], execution.short_id, service=SERVICE)
    await platform.calls.call(
        named.service,
        named.operation,
        targets.request_of(named, value),
        principal=credential.principal,
        account=execution.account,
        region=execution.region,
    )


def _exhausted(platform: Platform, delivery: Delivery, target: dict[str, Any]) -> str:
    """By which limit of the retry policy this was the last attempt; raises Retry where it was not."""
    policy, retries = retry_policy(target), delivery.attempt - 1
    if retries >= policy["MaximumRetryAttempts"]:
        return "MaximumRetryAttempts"
    most = min(FIRST_RETRY_MS << min(retries, 20), MOST_RETRY_MS)
    after_ms = int(platform.ids.uniform(most / 2, most))
    if platform.clock.now_ms() + after_ms > delivery.first_ms + policy["MaximumEventAgeInSeconds"] * 1000:
        return "MaximumEventAgeInSeconds"
    raise Retry(after_ms)


def _attributes(
    execution: Execution, target: dict[str, Any], fault: Fault, condition: str, retries: int
) -> dict[str, dict[str, str]]:
    """Of a dead letter (User Guide, "Configuring a schedule's dead-letter queue")."""
    attributes = {
        "ERROR_CODE": targets.error_code(target["Arn"], fault),
        "ERROR_MESSAGE": fault.message or fault.code,
        "EXECUTION_ID": execution.short_id,
        "EXHAUSTED_RETRY_CONDITION": condition,
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": str(retries),
        "SCHEDULED_TIME": execution.scheduled_time,
        "SCHEDULE_ARN": execution.arn,
        "TARGET_ARN": target["Arn"],
    }
    return {name: {"DataType": "String", "StringValue": value[:MAX_ATTRIBUTE]} for name, value in attributes.items()}


async def _give_up(
    platform: Platform,
    space: Space,
    execution: Execution,
    target: dict[str, Any],
    payload: str,
    attributes: dict[str, dict[str, str]],
) -> None:
    """The end of an execution that failed: to the dead-letter queue, if there is one and it takes the message."""
    _count(platform, execution, "InvocationDroppedCount")
    queue = target.get("DeadLetterConfig", {}).get("Arn")
    message = Outgoing(derived(execution.id, "dead"), payload, attributes=attributes)
    source = Source(SERVICE, execution.arn, execution.account, role=target["RoleArn"])
    now_ms = platform.clock.now_ms()

    def body(tx: Tx) -> str | None:
        """The fault's code where the queue did not take it."""
        if not state.end(tx, space, execution) or queue is None:
            return None
        try:
            platform.queues.send(tx, queue, [message], now_ms=now_ms, source=source)
        except Fault as refused:
            return refused.code
        return None

    refused = await platform.store.transact(body)
    if refused is not None:
        _count(platform, execution, f"InvocationsFailedToBeSentToDeadLetterCount_{refused}")
    elif queue is not None:
        _count(platform, execution, "InvocationsSentToDeadLetterCount")


def _count(platform: Platform, execution: Execution, metric: str) -> None:
    """The metrics of the AWS/Scheduler namespace."""
    platform.meters.add(
        execution.account, execution.region, f"AWS/Scheduler {metric}", 1.0, ScheduleGroup=execution.group
    )
