"""What targets are sent, and what becomes of what could not be delivered."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from freehold.kit.faults import Fault
from freehold.ports.events import Answer
from freehold.services.events import calling
from tests.services.events.support import (
    ACCOUNT,
    DEAD,
    DESTINATION,
    FUNCTION,
    GROUP,
    OTHER,
    QUEUE,
    REGION,
    ROLE,
    THIRD,
    TOPIC,
    EventBridge,
    bus_arn,
    entry,
    scenario,
)

DLQ = {"DeadLetterConfig": {"Arn": DEAD}}


@scenario
async def test_queues_topics_functions_and_log_groups_get_the_event_in_one_commit(house: EventBridge) -> None:
    await house.rule("r", {"Arn": QUEUE}, {"Arn": TOPIC}, {"Arn": FUNCTION}, {"Arn": GROUP})
    [result] = await house.put({"n": 1}, TraceHeader="Root=1-5759e988-bd862e3fe1be46a994272793")
    assert {sent.target for sent in house.sent} == {QUEUE, TOPIC, FUNCTION, GROUP}
    assert {sent.event["id"] for sent in house.sent} == {result["EventId"]}
    assert {(sent.source.service, sent.source.arn) for sent in house.sent if sent.source} == {
        ("events.amazonaws.com", f"arn:aws:events:{REGION}:{ACCOUNT}:rule/r")
    }
    assert house.to(QUEUE)[0].more["trace"] == "Root=1-5759e988-bd862e3fe1be46a994272793"


DEEP = '{"timestamp": 1, "message": ' + "[" * 300 + "]" * 300 + "}"
"""Deeper than JSON is written; its parts cannot stand alone."""
LINES: list[tuple[dict[str, Any], str, int]] = [
    ({"Input": '{"timestamp": 1767225600123, "message": "m"}'}, "m", 1_767_225_600_123),
    ({"Input": '{"timestamp": "2026-01-01T00:00:05Z", "message": {"a": 1}}'}, '{"a":1}', 1_767_225_605_000),
    ({"Input": '{"timestamp": "soon", "message": "m"}'}, "m", 1_767_225_600_000),
    ({"Input": '{"timestamp": 99999999999999999999, "message": "m"}'}, "m", 1_767_225_600_000),
    ({"Input": '{"message": "m"}'}, '{"message": "m"}', 1_767_225_600_000),
    ({"Input": '"text"'}, '"text"', 1_767_225_600_000),
    ({"Input": DEEP}, DEEP, 1_767_225_600_000),
    ({"InputTransformer": {"InputTemplate": '"one"\n"two"'}}, '"one"\n"two"', 1_767_225_600_000),
]


@pytest.mark.parametrize(("input_", "line", "time_ms"), LINES)
def test_what_is_written_to_a_log_group(input_: dict[str, Any], line: str, time_ms: int) -> None:
    @scenario
    async def run(house: EventBridge) -> None:
        await house.rule("r", {"Arn": GROUP, **input_})
        await house.put()
        [sent] = house.to(GROUP)
        assert (sent.body, sent.more["time"]) == (line, time_ms)

    run()


@scenario
async def test_a_fifo_queue_gets_the_group_of_its_target(house: EventBridge) -> None:
    await house.rule("r", {"Arn": f"{QUEUE}.fifo", "SqsParameters": {"MessageGroupId": "g"}})
    await house.put()
    assert house.sent[0].more["group"] == "g"


@scenario
async def test_input_inputpath_and_inputtransformer_make_what_a_target_is_sent(house: EventBridge) -> None:
    transformer = {
        "InputPathsMap": {"n": "$.detail.n", "t": "$.detail-type"},
        "InputTemplate": '{"n": <n>, "text": "a <t>", "rule": "<aws.events.rule-name>"}',
    }
    await house.rule(
        "r",
        {"Arn": QUEUE, "Input": '{"a": [1]}'},
        {"Arn": TOPIC, "InputPath": "$.detail"},
        {"Arn": FUNCTION, "InputTransformer": transformer},
        {"Arn": GROUP, "Input": '{"timestamp": 1767225600000, "message": {"m": 1}}'},
    )
    await house.put({"n": 5})
    assert {sent.target: sent.event for sent in house.sent} == {
        QUEUE: {"a": [1]},
        TOPIC: {"n": 5},
        FUNCTION: {"n": 5, "text": "a Order", "rule": "r"},
        GROUP: {"m": 1},
    }


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("QueueDoesNotExist", "gone"), "NO_RESOURCE"),
        (Fault("AccessDenied", "not yours"), "NO_PERMISSIONS"),
        (Fault("InvalidParameterValue", "no"), "INVALID_PARAMETER"),
    ],
)
def test_what_cannot_recover_becomes_a_dead_letter_at_once(fault: Fault, code: str) -> None:
    @scenario
    async def run(house: EventBridge) -> None:
        house.refusing[QUEUE] = fault
        await house.rule("r", {"Arn": QUEUE, "Input": "1", **DLQ}, {"Arn": TOPIC})
        [result] = await house.put()
        assert [sent.target for sent in house.sent if sent.target != DEAD] == [TOPIC]
        letter = house.to(DEAD)[0]
        assert letter.event["id"] == result["EventId"]
        assert letter.more["attributes"] == {
            "RULE_ARN": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/r",
            "TARGET_ARN": QUEUE,
            "ERROR_CODE": code,
            "ERROR_MESSAGE": fault.message,
            "RETRY_ATTEMPTS": "0",
        }

    run()


@scenario
async def test_without_a_dead_letter_queue_or_with_a_missing_one_the_event_is_dropped_and_counted(
    house: EventBridge,
) -> None:
    house.refusing = {QUEUE: Fault("QueueDoesNotExist"), DEAD: Fault("QueueDoesNotExist")}
    await house.rule("none", {"Arn": QUEUE})
    await house.rule("missing", {"Arn": QUEUE, **DLQ})
    await house.put()
    await house.advance(100_000)
    assert not house.written
    await house.platform.meters.flush()
    now_ms = house.clock.now_ms()
    points = await house.platform.meters.read(
        ACCOUNT, REGION, "AWS/Events:FailedInvocations", start_ms=now_ms - 200_000_000, end_ms=now_ms + 1
    )
    assert sum(point.sum for point in points) >= 2


@scenario
async def test_what_may_recover_is_tried_again_until_it_works(house: EventBridge) -> None:
    house.refusing[QUEUE] = Fault("RequestThrottled", "slow down")
    await house.rule("r", {"Arn": QUEUE, **DLQ})
    await house.put({"n": 1})
    await house.advance(3_600)
    assert not house.written
    house.refusing.clear()
    await house.advance(1_000)
    assert [sent.event["detail"] for sent in house.to(QUEUE)] == [{"n": 1}] and not house.to(DEAD)


def throttled(policy: dict[str, int]) -> list[Any]:
    """What lands in the dead-letter queue of a target that never recovers: (attributes, seconds)."""
    found: list[Any] = []

    @scenario
    async def run(house: EventBridge) -> None:
        start_ms = house.clock.now_ms()
        house.refusing[QUEUE] = Fault("RequestThrottled", "slow down")
        await house.rule("r", {"Arn": QUEUE, "RetryPolicy": policy, **DLQ} if policy else {"Arn": QUEUE, **DLQ})
        await house.put()
        await house.advance(90_000)
        found.extend((sent.more["attributes"], (sent.at_ms - start_ms) / 1000) for sent in house.to(DEAD))

    run()
    return found


def test_after_the_most_attempts_comes_the_dead_letter() -> None:
    [(attributes, seconds)] = throttled({"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 86_400})
    assert attributes["ERROR_CODE"] == "THROTTLING" and attributes["RETRY_ATTEMPTS"] == "3"
    assert attributes["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"
    assert 3 < seconds < 30


def test_no_retries_at_all_may_be_asked_for() -> None:
    [(attributes, seconds)] = throttled({"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60})
    assert attributes["RETRY_ATTEMPTS"] == "0" and seconds == 0
    assert attributes["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"


def test_an_event_older_than_its_most_age_is_given_up() -> None:
    [(attributes, seconds)] = throttled({"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 60})
    assert attributes["EXHAUSTED_RETRY_CONDITION"] == "MaximumEventAgeInSeconds"
    assert 20 < seconds <= 60


def test_by_default_an_event_is_tried_185_times_or_a_day() -> None:
    [(attributes, seconds)] = throttled({})
    assert int(attributes["RETRY_ATTEMPTS"]) >= 150
    assert seconds <= 86_400


def destination(monkeypatch: pytest.MonkeyPatch, *answers: Answer) -> list[Any]:
    """Answer calls of API destinations so; what they were called with."""
    calls: list[Any] = []
    left = list(answers)

    async def call(platform: Any, arn: str, payload: bytes, **more: Any) -> Answer:
        more.pop("ticket")
        calls.append((arn, orjson.loads(payload), more))
        return left.pop(0)

    monkeypatch.setattr(calling, "call", call)
    return calls


def test_api_destinations_are_called_after_the_commit_with_the_values_of_the_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = destination(monkeypatch, Answer(503, {}, b"busy"), Answer(200, {}, b""))
    http = {
        "PathParameterValues": ["$.detail.n"],
        "HeaderParameters": {"x-kind": "$.detail-type", "x-a": "b"},
        "QueryStringParameters": {"q": "v"},
    }

    @scenario
    async def run(house: EventBridge) -> None:
        target = {"Arn": DESTINATION, "RoleArn": ROLE, "HttpParameters": http, "InputPath": "$.detail"}
        await house.rule("r", target)
        await house.put({"n": 5})
        await house.advance(10)

    run()
    more = {"headers": {"x-kind": "Order", "x-a": "b"}, "query": {"q": "v"}, "path_values": ["5"]}
    assert calls == [(DESTINATION, {"n": 5}, more)] * 2


def test_an_endpoint_that_refuses_is_not_called_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = destination(monkeypatch, Answer(404, {}, b"who?\x00\xff" + b"x" * 5_000))

    @scenario
    async def run(house: EventBridge) -> None:
        await house.rule("r", {"Arn": DESTINATION, "RoleArn": ROLE, **DLQ})
        await house.put()
        await house.advance(1_000)
        attributes = house.to(DEAD)[0].more["attributes"]
        assert attributes["ERROR_CODE"] == "SDK_CLIENT_ERROR" and attributes["RETRY_ATTEMPTS"] == "0"
        message = attributes["ERROR_MESSAGE"]
        assert "404" in message and message.isprintable() and len(message) <= 1_024
        assert "EXHAUSTED_RETRY_CONDITION" not in attributes

    run()
    assert len(calls) == 1


@scenario
async def test_an_event_passes_to_another_bus_as_it_is(house: EventBridge) -> None:
    await house("CreateEventBus", Name="orders")
    await house.rule("pass", {"Arn": bus_arn("orders")})
    await house.rule("take", {"Arn": QUEUE}, EventBusName="orders")
    [result] = await house.put({"n": 1})
    assert [sent.event["id"] for sent in house.to(QUEUE)] == [result["EventId"]]


@scenario
async def test_another_account_takes_events_if_its_policy_says_so_and_passes_them_to_no_third(
    house: EventBridge,
) -> None:
    await house.rule("pass", {"Arn": bus_arn(account=OTHER), **DLQ})
    await house.put()
    assert house.to(DEAD)[0].more["attributes"]["ERROR_CODE"] == "NO_PERMISSIONS"
    for account, caller in ((OTHER, ACCOUNT), (THIRD, OTHER)):
        await house("PutPermission", account=account, Action="events:PutEvents", Principal=caller, StatementId="s")
    await house.rule("on", {"Arn": bus_arn(account=THIRD), **DLQ}, {"Arn": QUEUE}, account=OTHER)
    await house.put()
    assert house.to(QUEUE)[0].event["account"] == ACCOUNT
    assert house.to(DEAD)[1].more["attributes"]["ERROR_CODE"] == "THIRD_ACCOUNT_HOP_DETECTED"


@scenario
async def test_a_circle_of_buses_ends(house: EventBridge) -> None:
    await house("CreateEventBus", Name="a")
    await house("CreateEventBus", Name="b")
    await house.rule("go", {"Arn": bus_arn("b"), **DLQ}, EventBusName="a")
    await house.rule("back", {"Arn": bus_arn("a"), **DLQ}, EventBusName="b")
    await house.put(EventBusName="a")
    await house.advance(10)
    assert [sent.more["attributes"]["ERROR_CODE"] for sent in house.to(DEAD)] == ["RESOURCE_LIMIT_EXCEEDED"]


@scenario
async def test_an_event_that_comes_to_a_bus_on_two_ways_is_delivered_twice(house: EventBridge) -> None:
    house.refusing[QUEUE] = Fault("RequestThrottled", "slow down")
    await house("CreateEventBus", Name="orders")
    await house.rule("one", {"Arn": bus_arn("orders")}, {"Arn": bus_arn("orders")})
    await house.rule("take", {"Arn": QUEUE}, {"Arn": TOPIC}, EventBusName="orders")
    await house.put()
    house.refusing.clear()
    await house.advance(10)
    assert len(house.to(QUEUE)) == len(house.to(TOPIC)) == 2


@scenario
async def test_a_bus_that_is_gone_is_a_missing_target(house: EventBridge) -> None:
    await house.rule("pass", {"Arn": bus_arn("nowhere"), **DLQ})
    await house.put()
    assert house.to(DEAD)[0].more["attributes"]["ERROR_CODE"] == "NO_RESOURCE"


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"Arn": "queue"}, "ValidationException", "Provided Arn is not in correct format."),
    ({"Arn": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s", "RoleArn": ROLE}, "NotImplemented", "kinesis"),
    ({"Arn": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:m", "RoleArn": ROLE}, "NotImplemented", "states"),
    ({"Arn": QUEUE, "EcsParameters": {"TaskDefinitionArn": "a"}}, "ValidationException", "EcsParameters"),
    ({"Arn": QUEUE, "Input": "1", "InputPath": "$.detail"}, "ValidationException", "Only one of Input"),
    ({"Arn": QUEUE, "Input": "{"}, "ValidationException", "JSON syntax error in input for target 0."),
    ({"Arn": QUEUE, "InputPath": "detail"}, "ValidationException", ""),
    (
        {"Arn": QUEUE, "InputTransformer": {"InputTemplate": '{"a": <b>}'}},
        "ValidationException",
        "invalid placeholder",
    ),
    ({"Arn": f"{QUEUE}.fifo"}, "ValidationException", "Parameter(s) SqsParameters must be specified for target: 0."),
    ({"Arn": f"{TOPIC}.fifo"}, "ValidationException", "FIFO topics are not supported as targets."),
    ({"Arn": TOPIC, "SqsParameters": {"MessageGroupId": "g"}}, "ValidationException", "SqsParameters not valid"),
    ({"Arn": QUEUE, "HttpParameters": {}}, "ValidationException", "HttpParameters not valid"),
    (
        {"Arn": DESTINATION, "RoleArn": ROLE, "HttpParameters": {"PathParameterValues": ["$.detail["]}},
        "ValidationException",
        "HttpParameters of target 0 contain an invalid path",
    ),
    ({"Arn": DESTINATION}, "ValidationException", f"RoleArn is required for target {DESTINATION}."),
    ({"Arn": bus_arn(region="eu-west-1")}, "ValidationException", "RoleArn is required for target"),
    ({"Arn": bus_arn()}, "ValidationException", "the event bus of the rule"),
    ({"Arn": bus_arn(account=OTHER), "Input": "1"}, "ValidationException", "another account"),
    ({"Arn": bus_arn("b"), "Input": "1"}, "NotImplemented", "Input for targets that are event buses"),
    ({"Arn": QUEUE, "DeadLetterConfig": {"Arn": TOPIC}}, "ValidationException", "not an SQS queue"),
    ({"Arn": QUEUE, "DeadLetterConfig": {"Arn": f"{DEAD}.fifo"}}, "ValidationException", "FIFO"),
    ({"Arn": QUEUE, "RetryPolicy": {"MaximumRetryAttempts": 186}}, "ValidationException", "185"),
    ({"Arn": QUEUE, "RetryPolicy": {"MaximumEventAgeInSeconds": 59}}, "ValidationException", "60"),
]


@pytest.mark.parametrize(("target", "code", "part"), REFUSED)
def test_targets_that_are_refused(target: dict[str, Any], code: str, part: str) -> None:
    @scenario
    async def run(house: EventBridge) -> None:
        await house.rule("r")
        found, message = await house.refused("PutTargets", Rule="r", Targets=[{"Id": "0", **target}])
        assert found == code and part in message
        assert (await house("ListTargetsByRule", Rule="r"))["Targets"] == []

    run()


@scenario
async def test_the_largest_events_wait_for_the_largest_targets(house: EventBridge) -> None:
    paths = {f"{'n' * 250}{number}": "$.detail." + "a" * 245 for number in range(99)}
    template = {"InputPathsMap": {**paths, "pad": "$.detail.pad"}, "InputTemplate": '{"pad": <pad>}'}
    house.refusing[QUEUE] = Fault("RequestThrottled", "slow down")
    await house.rule("r", {"Arn": QUEUE, "InputTransformer": template}, {"Arn": QUEUE, "InputPath": "$.detail"})
    pad = "x" * ((1 << 20) - 50)
    await house.put({"pad": pad})
    house.refusing.clear()
    await house.advance(10)
    assert [sent.event for sent in house.to(QUEUE)] == [{"pad": pad}] * 2
    headers = {f"h{number}": "v" * 500 for number in range(150)}
    target = {"Id": "h", "Arn": DESTINATION, "RoleArn": ROLE, "HttpParameters": {"HeaderParameters": headers}}
    code, _ = await house.refused("PutTargets", Rule="r", Targets=[target])
    assert code == "ValidationException"


@scenario
async def test_a_rule_has_at_most_five_targets(house: EventBridge) -> None:
    await house.rule("r", *[{"Arn": QUEUE}] * 5)
    sixth = {"Id": "six", "Arn": QUEUE}
    code, _ = await house.refused("PutTargets", Rule="r", Targets=[sixth])
    assert code == "LimitExceededException"
    again = {"Id": "0", "Arn": TOPIC}
    await house("PutTargets", Rule="r", Targets=[again])
    assert (await house("ListTargetsByRule", Rule="r", Limit=1))["Targets"] == [again]


@scenario
async def test_a_target_in_trouble_does_not_hold_up_the_others(house: EventBridge) -> None:
    house.refusing[QUEUE] = Fault("RequestThrottled", "slow down")
    await house.rule("r", {"Arn": QUEUE}, {"Arn": TOPIC})
    assert (await house("PutEvents", Entries=[entry(), entry()]))["FailedEntryCount"] == 0
    assert len(house.to(TOPIC)) == 2
