"""CloudWatch Logs over the wire."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Aws = Callable[..., Any]


def now(logs: Any) -> int:
    """The server's time, as a group's creation shows it."""
    name = "clock"
    try:
        logs.create_log_group(logGroupName=name)
    except logs.exceptions.ResourceAlreadyExistsException:
        logs.delete_log_group(logGroupName=name)
        logs.create_log_group(logGroupName=name)
    return int(logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]["creationTime"])


def put(logs: Any, *messages: str, group: str = "g", stream: str = "s", at: int) -> dict[str, Any]:
    events = [{"timestamp": at + n, "message": message} for n, message in enumerate(messages)]
    return dict(logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events))


def made(aws: Aws) -> tuple[Any, int]:
    logs = aws("logs")
    at = now(logs)
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    return logs, at


def test_events_are_put_got_and_filtered(aws: Aws) -> None:
    logs, at = made(aws)
    assert put(logs, "ERROR one", "fine", '{"level": "ERROR", "ms": 12}', at=at)["nextSequenceToken"]
    got = logs.get_log_events(logGroupName="g", logStreamName="s", startFromHead=True)
    assert [event["message"] for event in got["events"]] == ["ERROR one", "fine", '{"level": "ERROR", "ms": 12}']
    assert [event["timestamp"] - at for event in got["events"]] == [0, 1, 2]
    found = logs.filter_log_events(logGroupName="g", filterPattern="ERROR")
    assert [event["message"][:5] for event in found["events"]] == ["ERROR", '{"lev']
    found = logs.filter_log_events(logGroupName="g", filterPattern="{ $.ms > 10 }")
    assert [event["logStreamName"] for event in found["events"]] == ["s"]


def test_the_errors_are_awss(aws: Aws) -> None:
    logs, _ = made(aws)
    with pytest.raises(logs.exceptions.ResourceAlreadyExistsException) as raised:
        logs.create_log_group(logGroupName="g")
    assert raised.value.response["Error"]["Message"] == "The specified log group already exists"
    with pytest.raises(logs.exceptions.ResourceNotFoundException) as raised:
        logs.get_log_events(logGroupName="g", logStreamName="none")
    assert raised.value.response["Error"]["Message"] == "The specified log stream does not exist."
    with pytest.raises(logs.exceptions.InvalidParameterException):
        logs.put_retention_policy(logGroupName="g", retentionInDays=2)
    with pytest.raises(ClientError) as refused:
        stream = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
        logs.put_subscription_filter(logGroupName="g", filterName="f", filterPattern="", destinationArn=stream)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


@pytest.mark.parametrize("size", [1, 3])
def test_every_paginator_ends_with_everything(aws: Aws, size: int) -> None:
    logs, at = made(aws)
    for n in range(4):
        logs.create_log_stream(logGroupName="g", logStreamName=f"s{n}")
        put(logs, f"{n}", stream=f"s{n}", at=at + n)

    def pages(operation: str, key: str, **request: Any) -> list[Any]:
        paginator = logs.get_paginator(operation)
        found = paginator.paginate(**request, PaginationConfig={"PageSize": size})
        return [item for page in found for item in page[key]]

    streams = pages("describe_log_streams", "logStreams", logGroupName="g", orderBy="LastEventTime", descending=True)
    assert [s["logStreamName"] for s in streams] == ["s3", "s2", "s1", "s0", "s"]
    assert [g["logGroupName"] for g in pages("describe_log_groups", "logGroups")] == ["clock", "g"]
    assert [e["message"] for e in pages("filter_log_events", "events", logGroupName="g")] == ["0", "1", "2", "3"]


def test_get_log_events_tokens_repeat_at_the_end(aws: Aws) -> None:
    logs, at = made(aws)
    put(logs, *"abcde", at=at)
    asked: dict[str, Any] = {"logGroupName": "g", "logStreamName": "s", "limit": 2, "startFromHead": True}
    seen, token = [], None
    while True:
        page = logs.get_log_events(**asked, **({"nextToken": token} if token else {}))
        if page["nextForwardToken"] == token:
            break
        seen += [event["message"] for event in page["events"]]
        token = page["nextForwardToken"]
        assert re.fullmatch(r"f/\d{56}/s", token)
    assert seen == list("abcde")


def test_tags_and_retention(aws: Aws, account: str) -> None:
    logs, _ = made(aws)
    arn = f"arn:aws:logs:us-east-1:{account}:log-group:g"
    logs.tag_resource(resourceArn=arn, tags={"team": "a"})
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "a"}
    logs.put_retention_policy(logGroupName="g", retentionInDays=14)
    group = logs.describe_log_groups(logGroupNamePrefix="g")["logGroups"][0]
    assert group["retentionInDays"] == 14 and group["arn"] == arn + ":*"


def test_a_live_tail_streams_events(aws: Aws, account: str) -> None:
    logs, at = made(aws)
    tail = aws("logs", inject_host_prefix=False)
    arn = f"arn:aws:logs:us-east-1:{account}:log-group:g"
    stream = tail.start_live_tail(logGroupIdentifiers=[arn], logEventFilterPattern="keep")["responseStream"]
    seen: list[str] = []
    for event in stream:
        if "sessionStart" in event:
            threading.Thread(target=put, args=(logs, "keep me", "not me"), kwargs={"at": at}).start()
        else:
            seen += [result["message"] for result in event["sessionUpdate"]["sessionResults"]]
        if seen:
            break
    stream.close()
    assert seen == ["keep me"]


def test_a_batch_near_the_limit_is_durable_and_read_back(aws: Aws) -> None:
    logs, at = made(aws)
    put(logs, *["ä" * 50_000] * 10, at=at)
    put(logs, "z" * 1_048_550, at=at + 20)
    found = logs.get_paginator("filter_log_events").paginate(logGroupName="g")
    sizes = [len(event["message"]) for page in found for event in page["events"]]
    assert sizes == [50_000] * 10 + [1_048_550]
