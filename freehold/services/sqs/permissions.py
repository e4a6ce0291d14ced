"""AddPermission and RemovePermission: statements of a queue's policy, by label."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.sqs import access
from freehold.services.sqs.catalog import memory, place_of, save
from freehold.services.sqs.drafts import invalid
from freehold.services.sqs.model import MAX_STATEMENTS, Place, Queue
from freehold.store.base import Tx

Request = dict[str, Any]

MAX_ACTIONS = 7
_LABEL = re.compile(r"[A-Za-z0-9_\-]{1,80}")
_ACCOUNT = re.compile(r"\d{12}")


async def add_permission(call: Call, request: Request) -> Request:
    place, label = place_of(call, request["QueueUrl"]), _label(request["Label"])
    statement = _statement(place, label, request["AWSAccountIds"], request["Actions"])

    def body(tx: Tx) -> None:
        queue = memory(call.platform).existing(tx, place)
        access.check_call(call, queue, "AddPermission")
        policy = _policy(queue)
        if any(other.get("Sid") == label for other in policy["Statement"]):
            raise invalid(f"Value {label} for parameter Label is invalid. Reason: Already exists.")
        if len(policy["Statement"]) >= MAX_STATEMENTS:
            raise Fault("OverLimit", f"The policy of a queue can have {MAX_STATEMENTS} statements at most.")
        policy["Statement"].append(statement)
        _save(call, tx, queue, policy)

    await call.platform.store.transact(body)
    return {}


async def remove_permission(call: Call, request: Request) -> Request:
    place, label = place_of(call, request["QueueUrl"]), _label(request["Label"])

    def body(tx: Tx) -> None:
        queue = memory(call.platform).existing(tx, place)
        access.check_call(call, queue, "RemovePermission")
        policy = _policy(queue)
        kept = [statement for statement in policy["Statement"] if statement.get("Sid") != label]
        if len(kept) == len(policy["Statement"]):
            raise invalid(f"Value {label} for parameter Label is invalid. Reason: can't find label on existing policy.")
        policy["Statement"] = kept
        _save(call, tx, queue, policy)

    await call.platform.store.transact(body)
    return {}


def _label(label: str) -> str:
    if not _LABEL.fullmatch(label):
        raise invalid(
            f"Value {label} for parameter Label is invalid. Reason: Can only include alphanumeric characters, hyphens, or "
            "underscores. 1 to 80 in length."
        )
    return label


def _statement(place: Place, label: str, accounts: Sequence[str], actions: Sequence[str]) -> dict[str, Any]:
    if not accounts or not actions:
        missing = "Actions" if accounts else "AWSAccountIds"
        raise Fault("MissingParameter", f"The request must contain the parameter {missing}.")
    if len(actions) > MAX_ACTIONS:
        raise Fault("OverLimit", f"{len(actions)} Actions were found, maximum allowed is {MAX_ACTIONS}.")
    for account in accounts:
        if not _ACCOUNT.fullmatch(account):
            raise invalid(f"Value {account} for parameter PrincipalId is invalid. Reason: Unable to verify.")
    for action in actions:
        if action != "*" and action not in access.ANYWHERE:
            raise invalid(
                f"Value SQS:{action} for parameter ActionName is invalid. Reason: Only the queue owner is allowed to invoke "
                "this action."
            )
    principals = [f"arn:aws:iam::{account}:root" for account in accounts]
    named = [f"SQS:{action}" for action in actions]
    return {
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": principals if len(principals) > 1 else principals[0]},
        "Action": named if len(named) > 1 else named[0],
        "Resource": place.arn,
    }


def _policy(queue: Queue) -> dict[str, Any]:
    """The queue's policy with its statements in a list; where it has none, the one that AWS begins."""
    if not queue.record.policy:
        return {"Version": "2008-10-17", "Id": f"{queue.arn}/SQSDefaultPolicy", "Statement": []}
    policy: dict[str, Any] = orjson.loads(queue.record.policy)
    if not isinstance(policy["Statement"], list):
        policy["Statement"] = [policy["Statement"]]
    return policy


def _save(call: Call, tx: Tx, queue: Queue, policy: dict[str, Any]) -> None:
    record = Queue(queue.place, queue.raw).record
    record.policy = orjson.dumps(policy).decode() if policy["Statement"] else ""
    record.modified_ms = call.platform.clock.now_ms()
    save(tx, queue.place, record)
