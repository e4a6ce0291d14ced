"""Functions in EventBridge Pipes: as enrichment and as target, in whole, in part and not at all successful."""

from __future__ import annotations

import json
from typing import Any

from freehold.testing import Account, Clock
from tests.aws.pipes import World, world
from tests.aws.waiting import eventually

__all__ = ["world"]


ECHO = """
def handler(event, context):
    failed = [m for m in event if m["body"] == "bad" and m["attributes"]["ApproximateReceiveCount"] == "1"]
    return {"batchItemFailures": [{"itemIdentifier": m["messageId"]} for m in failed]}
"""


SHOUT = """
def handler(event, context):
    return [{"up": message["body"].upper()} for message in event if message["body"] != "skip"]
"""


BROKEN = """
def handler(event, context):
    raise ValueError("no")
"""


def test_items_that_a_function_names_come_again(world: World) -> None:
    source_url, source = world.queue("source", VisibilityTimeout="1")
    world.create(
        "p",
        source,
        world.function("echo", ECHO),
        LogConfiguration={
            "Level": "INFO",
            "CloudwatchLogsLogDestination": {
                "LogGroupArn": f"arn:aws:logs:us-east-1:{world.account}:log-group:/pipes/p"
            },
        },
    )
    entries = [{"Id": str(n), "MessageBody": "bad" if n == 1 else "good"} for n in range(4)]
    world.sqs.send_message_batch(QueueUrl=source_url, Entries=entries)
    eventually(lambda: world.left(source_url) == 0)
    logs = world.aws("logs")

    def kinds() -> Any:
        events = logs.filter_log_events(logGroupName="/pipes/p")["events"]
        found = [json.loads(event["message"])["messageType"] for event in events]
        return found if found[-1:] == ["EXECUTION_SUCCEEDED"] else None

    assert "EXECUTION_PARTIALLY_FAILED" in eventually(kinds)


def test_an_enrichment_makes_the_events_of_the_target(world: World) -> None:
    source_url, source = world.queue("source")
    target_url, target = world.queue("target")
    world.create("p", source, target, Enrichment=world.function("shout", SHOUT))
    world.sqs.send_message(QueueUrl=source_url, MessageBody="skip")
    world.sqs.send_message(QueueUrl=source_url, MessageBody="hello")
    assert world.receive(target_url, 1) == ['{"up":"HELLO"}']
    eventually(lambda: world.left(source_url) == 0)


def test_a_failing_target_leaves_messages_to_the_queue_and_its_dead_letter_queue(world: World) -> None:
    dead_url, dead = world.queue("dead")
    policy = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 2})
    source_url, source = world.queue("source", VisibilityTimeout="1", RedrivePolicy=policy)
    world.create("p", source, world.function("broken", BROKEN))
    world.sqs.send_message(QueueUrl=source_url, MessageBody="x")
    assert world.receive(dead_url, 1) == ["x"]


def test_on_a_manual_clock_hours_of_visibility_timeouts_take_no_time(freehold: Account, freehold_clock: Clock) -> None:
    world = World(freehold.client, freehold.id)
    dead_url, dead = world.queue("dead")
    policy = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 3})
    source_url, source = world.queue("source", VisibilityTimeout="3600", RedrivePolicy=policy)
    window = {"SqsQueueParameters": {"MaximumBatchingWindowInSeconds": 60}}
    world.create("p", source, world.function("broken", BROKEN), SourceParameters=window)
    world.sqs.send_message(QueueUrl=source_url, MessageBody="x")
    freehold_clock.advance("2h")
    assert (world.left(source_url), world.left(dead_url)) == (1, 0)
    freehold_clock.advance("2h")
    assert world.receive(dead_url, 1) == ["x"]
