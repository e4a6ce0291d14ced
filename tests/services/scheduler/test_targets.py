"""What targets receive: inputs, context attributes, universal operations, retries, dead letters, refusals."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.services.scheduler.support import ACCOUNT, DEAD, QUEUE, REGION, ROLE, Scheduler, scenario, schedule

NOON = "at(2026-01-01T12:00:00)"
DAY = 86_400
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:t"
BUS = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"
SCHEDULE = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/s"


@scenario
async def test_an_input_and_its_context_attributes(house: Scheduler) -> None:
    text = (
        '{"arn": "<aws.scheduler.schedule-arn>", "time": "<aws.scheduler.scheduled-time>", '
        '"id": "<aws.scheduler.execution-id>", "attempt": "<aws.scheduler.attempt-number>", "other": "<aws.x>"}'
    )
    await house.create(expression=NOON, target={"Arn": FUNCTION, "Input": text})
    await house.advance(DAY)
    (sent,) = house.sent
    assert sent.target == FUNCTION
    assert len(sent.body.pop("id")) == 16
    assert sent.body == {"arn": SCHEDULE, "time": "2026-01-01T12:00:00Z", "attempt": "1", "other": "<aws.x>"}
    assert (sent.source.service, sent.source.arn, sent.source.account, sent.source.role) == (
        "scheduler.amazonaws.com",
        SCHEDULE,
        ACCOUNT,
        ROLE,
    )


@scenario
async def test_without_an_input_a_notification_is_sent(house: Scheduler) -> None:
    await house.create(expression=NOON)
    await house.advance(DAY)
    body = orjson.loads(house.sent[0].body)
    assert body.pop("id") == house.sent[0].id
    assert body == {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": ACCOUNT,
        "time": "2026-01-01T12:00:00Z",
        "region": REGION,
        "resources": [SCHEDULE],
        "detail": "{}",
    }


@scenario
async def test_templated_targets(house: Scheduler) -> None:
    bus = {"Arn": BUS, "EventBridgeParameters": {"DetailType": "tick", "Source": "my.clock"}, "Input": '{"n": 1}'}
    fifo = {"Arn": QUEUE + ".fifo", "SqsParameters": {"MessageGroupId": "g"}, "Input": "plain text"}
    await house.create("bus", NOON, target=bus)
    await house.create("fifo", NOON, target=fifo)
    await house.create("topic", NOON, target={"Arn": TOPIC, "Input": "hello"})
    await house.advance(DAY)
    by_target = {sent.target: sent for sent in house.sent}
    assert by_target[BUS].body == {"n": 1}
    assert by_target[BUS].more["detail_type"] == "tick" and by_target[BUS].more["source"] == "my.clock"
    assert (by_target[QUEUE + ".fifo"].body, by_target[QUEUE + ".fifo"].more["group"]) == ("plain text", "g")
    assert by_target[TOPIC].body == "hello"


@scenario
async def test_universal_targets_call_any_operation_as_their_role(house: Scheduler) -> None:
    arn = "arn:aws:scheduler:::aws-sdk:ssm:putParameter"
    text = '{"Name": "/at", "Type": "String", "Value": "<aws.scheduler.scheduled-time>"}'
    await house.create(expression=NOON, target={"Arn": arn, "Input": text}, ActionAfterCompletion="DELETE")
    await house.advance(DAY)
    history = (await house("GetParameterHistory", service="ssm", Name="/at"))["Parameters"]
    assert [each["Value"] for each in history] == ["2026-01-01T12:00:00Z"]
    assert ":assumed-role/scheduler/" in history[0]["LastModifiedUser"]
    assert await house.names() == []


@scenario
async def test_a_universal_target_may_be_scheduler_itself(house: Scheduler) -> None:
    arn = "arn:aws:scheduler:::aws-sdk:scheduler:deleteSchedule"
    await house.create("victim", "rate(1 day)")
    await house.create(expression=NOON, target={"Arn": arn, "Input": '{"Name": "victim"}'})
    await house.advance(DAY)
    assert await house.names() == ["s"]


@scenario
async def test_failures_are_retried_with_growing_pauses_until_the_target_is_there(house: Scheduler) -> None:
    house.missing[QUEUE] = "QueueDoesNotExist"
    await house.create(expression=NOON, target={"Input": "<aws.scheduler.attempt-number>"})
    await house.advance(DAY / 2 + 60)
    del house.missing[QUEUE]
    await house.advance(DAY)
    (sent,) = house.sent
    assert sent.at <= "2026-01-01T12:03:00" and 5 <= int(sent.body) <= 9


async def _dead_letter(house: Scheduler, policy: dict[str, int], **target: Any) -> Any:
    house.missing[QUEUE] = "QueueDoesNotExist"
    more = {"RetryPolicy": policy, "DeadLetterConfig": {"Arn": DEAD}, "Input": "work", **target}
    await house.create(expression=NOON, target=more)
    await house.advance(2 * DAY)
    (sent,) = house.sent
    assert sent.target == DEAD and sent.source.role == ROLE
    return sent


@scenario
async def test_a_dead_letter_says_what_happened(house: Scheduler) -> None:
    dead = await _dead_letter(house, {"MaximumRetryAttempts": 2})
    attributes = dead.more["attributes"]
    assert dead.body == "work" and "2026-01-01T12:00:01" < dead.at < "2026-01-01T12:00:05"
    assert len(attributes.pop("EXECUTION_ID")) == 16
    assert attributes == {
        "ERROR_CODE": "AWS.SimpleQueueService.NonExistentQueue",
        "ERROR_MESSAGE": f"no {QUEUE}",
        "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": "2",
        "SCHEDULED_TIME": "2026-01-01T12:00:00Z",
        "SCHEDULE_ARN": SCHEDULE,
        "TARGET_ARN": QUEUE,
    }


@scenario
async def test_events_age(house: Scheduler) -> None:
    dead = await _dead_letter(house, {"MaximumEventAgeInSeconds": 300})
    assert dead.more["attributes"]["EXHAUSTED_RETRY_CONDITION"] == "MaximumEventAgeInSeconds"
    assert "2026-01-01T12:02:00" < dead.at <= "2026-01-01T12:05:00"
    assert 6 <= int(dead.more["attributes"]["RETRY_ATTEMPTS"]) <= 9


@scenario
async def test_by_default_retries_go_on_for_about_a_day(house: Scheduler) -> None:
    dead = await _dead_letter(house, {})
    assert "2026-01-02T08:00:00" < dead.at <= "2026-01-02T12:00:00"


@scenario
async def test_a_role_that_is_gone_fails_the_invocation(house: Scheduler) -> None:
    policy = {"RetryPolicy": {"MaximumRetryAttempts": 0}, "DeadLetterConfig": {"Arn": DEAD}}
    await house.create(expression=NOON, target=policy)
    await house("DeleteRole", service="iam", RoleName="scheduler")
    await house.advance(DAY)
    assert [sent.target for sent in house.sent] == [DEAD]
    assert "assume the role" in house.sent[0].more["attributes"]["ERROR_MESSAGE"]


@scenario
async def test_without_a_dead_letter_queue_that_works_the_invocation_is_dropped(house: Scheduler) -> None:
    house.missing |= {QUEUE: "QueueDoesNotExist", DEAD: "QueueDoesNotExist"}
    policy = {"RetryPolicy": {"MaximumRetryAttempts": 0}, "DeadLetterConfig": {"Arn": DEAD}}
    await house.create(expression=NOON, target=policy)
    await house.advance(DAY)
    assert house.sent == []


@scenario
async def test_a_universal_target_that_refuses_is_a_failure(house: Scheduler) -> None:
    arn = "arn:aws:scheduler:::aws-sdk:ssm:deleteParameter"
    policy = {"RetryPolicy": {"MaximumRetryAttempts": 0}, "DeadLetterConfig": {"Arn": DEAD}}
    await house.create(expression=NOON, target={"Arn": arn, "Input": '{"Name": "/none"}', **policy})
    await house.create("unknown", NOON, target={"Arn": arn, "Input": '{"Nome": "/none"}', **policy})
    await house.advance(DAY)
    codes = sorted(sent.more["attributes"]["ERROR_CODE"] for sent in house.sent)
    assert codes == ["ParameterNotFound", "ValidationException"]


def _kinesis(**more: Any) -> dict[str, Any]:
    return {"Arn": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s", **more}


BUILD = f"arn:aws:codebuild:{REGION}:{ACCOUNT}:project/p"
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:m"
SDK = "arn:aws:scheduler:::aws-sdk"
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    (_kinesis(KinesisParameters={"PartitionKey": "k"}), "NotImplemented", "Amazon Kinesis"),
    (_kinesis(), "NotImplemented", "Amazon Kinesis"),
    ({"Arn": MACHINE}, "NotImplemented", "AWS Step Functions"),
    ({"Arn": BUILD}, "NotImplemented", "AWS CodeBuild"),
    ({"Arn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/c"}, "NotImplemented", "Amazon ECS"),
    ({"Arn": f"{SDK}:ec2:startInstances", "Input": "{}"}, "NotImplemented", "ec2:StartInstances"),
    ({"Arn": f"{SDK}:sfn:startExecution", "Input": "{}"}, "NotImplemented", "stepfunctions:StartExecution"),
    ({"Arn": f"{SDK}:ssm:getParameter", "Input": "{}"}, "ValidationException", "getParameter"),
    ({"Arn": f"{SDK}:dynamodb:scan", "Input": "{}"}, "ValidationException", "scan"),
    ({"Arn": f"{SDK}:ssm:PutParameter", "Input": "{}"}, "ValidationException", "PutParameter"),
    ({"Arn": f"{SDK}:ssm:putParameter", "Input": "[]"}, "ValidationException", "JSON object"),
    ({"Arn": f"{SDK}:ssm:putParameter", "Input": "no"}, "ValidationException", "well-formed JSON"),
    ({"Arn": "nonsense"}, "ValidationException", "Provided Arn is not in correct format."),
    ({"Arn": "arn:aws:s3:::bucket"}, "ValidationException", "Provided Arn is not in correct format."),
    ({"Arn": FUNCTION.replace(":function", "")}, "ValidationException", "Provided Arn is not in correct format."),
    ({"Arn": FUNCTION, "Input": "no"}, "ValidationException", "well-formed JSON"),
    ({"Arn": BUS}, "ValidationException", "EventBridgeParameters"),
    ({"Arn": QUEUE + ".fifo"}, "ValidationException", "MessageGroupId"),
    ({"Arn": TOPIC, "SqsParameters": {"MessageGroupId": "g"}}, "ValidationException", "SqsParameters"),
    ({"Input": "x" * 262_145}, "ValidationException", "262144"),
    ({"DeadLetterConfig": {"Arn": DEAD + ".fifo"}}, "ValidationException", "deadLetterConfig.arn"),
    ({"RetryPolicy": {"MaximumRetryAttempts": 186}}, "ValidationException", "185"),
    ({"RetryPolicy": {"MaximumEventAgeInSeconds": 59}}, "ValidationException", "60"),
]


@pytest.mark.parametrize(("target", "code", "words"), REFUSED)
def test_targets_that_could_never_work_are_refused(target: dict[str, Any], code: str, words: str) -> None:
    @scenario
    async def body(house: Scheduler) -> None:
        found, message = await house.refused("CreateSchedule", **schedule(target=target))
        assert (found, words in message) == (code, True), message

    body()


def test_pascal_case_becomes_the_models_spelling() -> None:
    from freehold.services.scheduler.targets import Universal, request_of

    put = Universal("logs", "PutLogEvents")
    value = {"LogGroupName": "g", "LogStreamName": "s", "LogEvents": [{"Timestamp": 1, "Message": "m"}], "Nope": 1}
    assert request_of(put, value) == {
        "logGroupName": "g",
        "logStreamName": "s",
        "logEvents": [{"timestamp": 1, "message": "m"}],
        "Nope": 1,
    }
    tags = request_of(Universal("lambda", "TagResource"), {"Resource": "r", "Tags": {"Name": "Value"}})
    assert tags == {"Resource": "r", "Tags": {"Name": "Value"}}
