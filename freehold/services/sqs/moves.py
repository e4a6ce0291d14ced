"""Start, cancel and list message move tasks."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.sqs import access, moving, queues, state
from freehold.services.sqs.catalog import memory
from freehold.services.sqs.drafts import invalid
from freehold.services.sqs.model import Place, Queue, place_of_arn
from freehold.services.sqs.moving import CANCELLED, RUNNING, Task
from freehold.store.base import ReadTx, Tx

Request = dict[str, Any]

MAX_RATE = 500


def _queue(call: Call, tx: ReadTx, arn: str, member: str) -> Queue:
    place = place_of_arn(arn)
    queue = None
    if place is not None and (place.account, place.region) == (call.account, call.region):
        queue = memory(call.platform).find(tx, place)
    if queue is None:
        raise Fault(
            "ResourceNotFoundException", f"The resource that you specified for the {member} parameter doesn't exist."
        )
    return queue


async def start_message_move_task(call: Call, request: Request) -> Request:
    source, destination = request["SourceArn"], request.get("DestinationArn") or ""
    rate = request.get("MaxNumberOfMessagesPerSecond")
    if rate is not None and not 1 <= rate <= MAX_RATE:
        raise invalid(
            f"Value {rate} for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: You must enter a value between 1 "
            f"and {MAX_RATE}."
        )
    platform = call.platform
    now_ms, task_id = platform.clock.now_ms(), platform.ids.uuid()

    def body(tx: Tx) -> Task:
        queue = _queue(call, tx, source, "SourceArn")
        access.check_call(call, queue, "StartMessageMoveTask")
        if not queues.sources(tx, queue.place, "", 1):
            raise invalid("Source queue must be configured as a Dead Letter Queue.")
        if destination:
            target = _queue(call, tx, destination, "DestinationArn")
            if target.place == queue.place:
                raise invalid("Source queue arn and destination queue arn must not be the same.")
            if target.fifo != queue.fifo:
                raise invalid("Source and destination queues must be of the same type.")
        if any(task.status == RUNNING for task in moving.tasks(tx, queue.place)):
            raise Fault(
                "UnsupportedOperation",
                "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
            )
        task = Task(task_id, source, destination, rate or 0, now_ms, state.counts(tx, queue, now_ms)[0])
        moving.begin(platform.timers, tx, queue.place, task)
        return task

    return {"TaskHandle": moving.handle_of(await platform.store.transact(body))}


async def cancel_message_move_task(call: Call, request: Request) -> Request:
    parsed = moving.parse_handle(request["TaskHandle"])
    if parsed is None:
        raise invalid("Value for parameter TaskHandle is invalid.")
    task_id, place = parsed

    def body(tx: Tx) -> int:
        access.check_call(call, _queue(call, tx, place.arn, "SourceArn"), "CancelMessageMoveTask")
        task = _find(tx, place, task_id)
        if task.status != RUNNING:
            raise Fault("UnsupportedOperation", "Only active tasks can be cancelled.")
        task.status = CANCELLED
        moving.save(tx, place, task)
        return task.moved

    return {"ApproximateNumberOfMessagesMoved": await call.platform.store.transact(body)}


def _find(tx: ReadTx, place: Place, task_id: str) -> Task:
    for task in moving.tasks(tx, place):
        if task.id == task_id:
            return task
    raise Fault("ResourceNotFoundException", "Task does not exist.")


async def list_message_move_tasks(call: Call, request: Request) -> Request:
    limit = request.get("MaxResults", 1)
    if not 1 <= limit <= moving.KEPT:
        raise invalid(
            f"Value {limit} for parameter MaxResults is invalid. Reason: MaxResults must be between 1 and 10."
        )

    def body(tx: ReadTx) -> list[Task]:
        queue = _queue(call, tx, request["SourceArn"], "SourceArn")
        access.check_call(call, queue, "ListMessageMoveTasks")
        return moving.tasks(tx, queue.place)[:limit]

    return {"Results": [_shape(task) for task in await call.platform.store.read(body)]}


def _shape(task: Task) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "Status": task.status,
        "SourceArn": task.source,
        "ApproximateNumberOfMessagesMoved": task.moved,
        "ApproximateNumberOfMessagesToMove": task.to_move,
        "StartedTimestamp": task.started_ms,
    }
    if task.status == RUNNING:
        shown["TaskHandle"] = moving.handle_of(task)
    if task.destination:
        shown["DestinationArn"] = task.destination
    if task.rate:
        shown["MaxNumberOfMessagesPerSecond"] = task.rate
    if task.failure:
        shown["FailureReason"] = task.failure
    return shown
