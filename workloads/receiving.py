"""Receiving from queues into a ledger: a message in its queue is a name, its deletion is None."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from workloads.cloud import Cloud
from workloads.ledger import Ledger

VISIBILITY_S = int(os.environ.get("WORKLOADS_VISIBILITY_S", "3"))
"""Of the queues of all workloads: what a crash left in flight comes back soon. A load without crashes sets the variable to
more: on a busy machine a second may go by between a message and its deletion."""
IN_FLIGHT_S = 5.0
"""After so many seconds without it a message has not been in flight."""

DRAINING_S = 60
"""What is received to be deleted at once stays invisible for so long: a busy machine takes its time in between."""

Named = Callable[[str], str]
"""The name that a message's body has in the ledger."""


class Impossible(Exception):
    """The server served what it cannot have."""


def same(body: str) -> str:
    """A body that is its own name."""
    return body


def receive(cloud: Cloud, queue: str, ledger: Ledger, named: Named = same, *, repeats: bool = False) -> list[str]:
    """Receive up to ten and delete them; answers their names in order. Raises Impossible for one that nobody sent, and
    unless it `repeats`, for one that had been deleted."""
    sqs, url = cloud.client("sqs"), cloud.queue_url(queue)
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    names = [named(message["Body"]) for message in messages]
    for name in names:
        if ledger.possible(name) == [None] and not (repeats and ledger.began(name)):
            raise Impossible(f"{queue} has {name}, which was never sent or has been deleted")
    if messages:
        before = {name: ledger.get(name) for name in names}
        with ledger.write_many(dict.fromkeys(names)):
            late = _delete(cloud, queue, messages)
        for at in late:
            ledger.certain(names[at], before[names[at]])
    return names


def _delete(cloud: Cloud, queue: str, messages: list[dict[str, Any]]) -> list[int]:
    """Delete received messages; the places of those for which it was too late: they are visible again."""
    entries = [{"Id": str(at), "ReceiptHandle": each["ReceiptHandle"]} for at, each in enumerate(messages)]
    answer = cloud.client("sqs").delete_message_batch(QueueUrl=cloud.queue_url(queue), Entries=entries)
    failed = answer.get("Failed", [])
    if any("expired" not in each["Message"] for each in failed):
        raise RuntimeError(f"not deleted from {queue}: {failed}")
    return [int(each["Id"]) for each in failed]


def drain(cloud: Cloud, queue: str, wanted: set[str], patience: float = IN_FLIGHT_S, named: Named = same) -> list[str]:
    """Everything that a queue has, in order, deleted; waits for what is wanted as long as nothing of it comes."""
    return _all(cloud, queue, wanted, patience, named, delete=True)


def peek(cloud: Cloud, queue: str, wanted: set[str], patience: float = IN_FLIGHT_S, named: Named = same) -> list[str]:
    """Everything that a standard queue has; it stays there, invisible for VISIBILITY_S."""
    return _all(cloud, queue, wanted, patience, named, delete=False)


def _all(cloud: Cloud, queue: str, wanted: set[str], patience: float, named: Named, *, delete: bool) -> list[str]:
    sqs, url = cloud.client("sqs"), cloud.queue_url(queue)
    found: dict[str, None] = {}
    until = time.monotonic() + patience
    options = {"VisibilityTimeout": DRAINING_S} if delete else {}
    while True:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, **options).get("Messages", [])
        before = len(found)
        late = _delete(cloud, queue, messages) if delete and messages else []
        found |= dict.fromkeys(named(each["Body"]) for at, each in enumerate(messages) if at not in late)
        if len(found) > before:
            until = time.monotonic() + patience
            continue
        if wanted <= found.keys() or time.monotonic() > until:
            return list(found)
        time.sleep(0.05)
