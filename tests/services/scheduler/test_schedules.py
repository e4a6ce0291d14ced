"""Create, get, update, delete, list: what is kept, what is refused, what repeats."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.services.scheduler.support import ACCOUNT, DEAD, QUEUE, REGION, ROLE, Scheduler, at, scenario, schedule

FLEXIBLE = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}


@scenario
async def test_what_was_set_is_shown_and_the_rest_has_its_defaults(house: Scheduler) -> None:
    answer = await house.create(
        "full",
        "cron(0 12 ? * MON-FRI *)",
        Description="noon",
        StartDate=at("2026-02-01T00:00:00"),
        EndDate=at("2026-03-01T00:00:00"),
        ScheduleExpressionTimezone="Europe/Berlin",
        FlexibleTimeWindow=FLEXIBLE,
        ActionAfterCompletion="DELETE",
        State="DISABLED",
        target={"Input": "x", "DeadLetterConfig": {"Arn": DEAD}, "RetryPolicy": {"MaximumRetryAttempts": 3}},
    )
    arn = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/full"
    assert answer == {"ScheduleArn": arn}
    assert await house("GetSchedule", Name="full") == {
        "Arn": arn,
        "Name": "full",
        "GroupName": "default",
        "State": "DISABLED",
        "CreationDate": at("2026-01-01T00:00:00"),
        "LastModificationDate": at("2026-01-01T00:00:00"),
        "ScheduleExpression": "cron(0 12 ? * MON-FRI *)",
        "ScheduleExpressionTimezone": "Europe/Berlin",
        "FlexibleTimeWindow": FLEXIBLE,
        "ActionAfterCompletion": "DELETE",
        "Description": "noon",
        "StartDate": at("2026-02-01T00:00:00"),
        "EndDate": at("2026-03-01T00:00:00"),
        "Target": {
            "Arn": QUEUE,
            "RoleArn": ROLE,
            "Input": "x",
            "DeadLetterConfig": {"Arn": DEAD},
            "RetryPolicy": {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 3},
        },
    }
    await house.create("plain")
    plain = await house("GetSchedule", Name="plain")
    assert (plain["State"], plain["ScheduleExpressionTimezone"]) == ("ENABLED", "UTC")
    assert (plain["ActionAfterCompletion"], plain["FlexibleTimeWindow"]) == ("NONE", {"Mode": "OFF"})
    assert plain["Target"]["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}


@scenario
async def test_an_update_replaces_everything(house: Scheduler) -> None:
    await house.create(Description="before", ScheduleExpressionTimezone="Asia/Tokyo", FlexibleTimeWindow=FLEXIBLE)
    await house.advance(60)
    await house("UpdateSchedule", **schedule(expression="rate(2 hours)"))
    shown = await house("GetSchedule", Name="s")
    assert "Description" not in shown and shown["ScheduleExpressionTimezone"] == "UTC"
    assert shown["FlexibleTimeWindow"] == {"Mode": "OFF"} and shown["ScheduleExpression"] == "rate(2 hours)"
    assert shown["CreationDate"] + 60 == shown["LastModificationDate"]


@scenario
async def test_client_tokens(house: Scheduler) -> None:
    first = await house.create(ClientToken="one")
    assert await house.create(ClientToken="one") == first
    conflict = ("ConflictException", "Schedule s already exists.")
    assert await house.refused("CreateSchedule", **schedule(ClientToken="two")) == conflict
    assert await house.refused("CreateSchedule", **schedule(ClientToken="one", Description="other")) == conflict
    assert await house.refused("CreateSchedule", **schedule()) == conflict
    await house("DeleteSchedule", Name="s", ClientToken="gone")
    await house("DeleteSchedule", Name="s", ClientToken="gone")
    missing = ("ResourceNotFoundException", "Schedule s does not exist.")
    assert await house.refused("DeleteSchedule", Name="s", ClientToken="other") == missing
    assert await house.refused("DeleteSchedule", Name="s") == missing
    await house.advance(3 * 3600)
    await house.create("t")
    await house("DeleteSchedule", Name="t", ClientToken="later")
    assert await house.refused("DeleteSchedule", Name="s", ClientToken="gone") == missing


@scenario
async def test_an_update_that_is_repeated_with_its_token_moves_nothing(house: Scheduler) -> None:
    await house.create(expression="rate(1 hour)")
    await house.advance(1800)
    changed = schedule(expression="rate(10 minutes)", ClientToken="t")
    await house("UpdateSchedule", **changed)
    await house.advance(300)
    await house("UpdateSchedule", **changed)
    await house.advance(300)
    assert [sent.at[11:] for sent in house.sent] == ["00:00:00", "00:30:00", "00:40:00"]


@scenario
async def test_what_does_not_exist(house: Scheduler) -> None:
    missing = ("ResourceNotFoundException", "Schedule s does not exist.")
    assert await house.refused("GetSchedule", Name="s") == missing
    assert (await house.refused("UpdateSchedule", **schedule()))[0] == "ResourceNotFoundException"
    await house.create("other")
    assert await house.refused("UpdateSchedule", **schedule()) == missing
    no_group = ("ResourceNotFoundException", "Schedule group g does not exist.")
    assert await house.refused("CreateSchedule", **schedule(GroupName="g")) == no_group
    assert await house.refused("ListSchedules", GroupName="g") == no_group


@scenario
async def test_lists_in_pages_by_prefix_and_state(house: Scheduler) -> None:
    await house("CreateScheduleGroup", Name="zoo")
    for n in range(5):
        await house.create(f"a{n}", State="DISABLED" if n % 2 else "ENABLED")
        await house.create(f"b{n}", GroupName="zoo")
    assert await house.names() == [f"a{n}" for n in range(5)] + [f"b{n}" for n in range(5)]
    assert await house.names(GroupName="zoo", NamePrefix="b3") == ["b3"]
    assert await house.names(NamePrefix="a", State="DISABLED") == ["a1", "a3"]
    pages, token = [], None
    while True:
        page = await house("ListSchedules", MaxResults=3, **({"NextToken": token} if token else {}))
        pages.append([each["Name"] for each in page["Schedules"]])
        token = page.get("NextToken")
        if token is None:
            break
    assert pages == [["a0", "a1", "a2"], ["a3", "a4", "b0"], ["b1", "b2", "b3"], ["b4"]]
    shown = (await house("ListSchedules", MaxResults=1))["Schedules"][0]
    assert shown["Target"] == {"Arn": QUEUE} and shown["GroupName"] == "default"
    assert (await house.refused("ListSchedules", NextToken="x"))[0] == "ValidationException"


VALIDATION = [
    ({"ScheduleExpression": "cron(0 12 * * * *)"}, "Invalid Schedule Expression cron(0 12 * * * *)."),
    ({"ScheduleExpression": "at(2026-02-30T00:00:00)"}, "Invalid Schedule Expression at(2026-02-30T00:00:00)."),
    ({"ScheduleExpressionTimezone": "Mars/Olympus"}, "Invalid ScheduleExpressionTimezone Mars/Olympus."),
    ({"StartDate": at("2025-12-31T23:54:00")}, "The StartDate you specify cannot be earlier than 5 minutes ago."),
    ({"EndDate": at("2025-12-31T00:00:00")}, "The EndDate you specify must be later than the current time."),
    (
        {"StartDate": at("2026-02-01T00:00:00"), "EndDate": at("2026-01-31T00:00:00")},
        "The StartDate you specify must come before the EndDate you specify.",
    ),
    (
        {"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}},
        "MaximumWindowInMinutes must be set when FlexibleTimeWindow mode is FLEXIBLE.",
    ),
    (
        {"FlexibleTimeWindow": {"Mode": "OFF", "MaximumWindowInMinutes": 5}},
        "MaximumWindowInMinutes must not be set when FlexibleTimeWindow mode is OFF.",
    ),
]


@pytest.mark.parametrize(("change", "message"), VALIDATION)
def test_requests_that_cannot_be(change: dict[str, Any], message: str) -> None:
    @scenario
    async def body(house: Scheduler) -> None:
        assert await house.refused("CreateSchedule", **(schedule() | change)) == ("ValidationException", message)
        assert await house.names() == []

    body()


@scenario
async def test_a_customer_managed_key_is_refused_by_name(house: Scheduler) -> None:
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/abc"
    code, message = await house.refused("CreateSchedule", **schedule(KmsKeyArn=key))
    assert code == "NotImplemented" and "KmsKeyArn" in message


TRUSTS = [
    ({"Principal": {"Service": "lambda.amazonaws.com"}}, False),
    ({"Principal": {"Service": ["lambda.amazonaws.com", "scheduler.amazonaws.com"]}}, True),
    ({"Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}}}, True),
    ({"Condition": {"StringEquals": {"aws:SourceAccount": "999999999999"}}}, False),
    (
        {"Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/default"}}},
        True,
    ),
    (
        {"Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/other"}}},
        False,
    ),
    ({"Effect": "Deny"}, False),
]


@pytest.mark.parametrize(("change", "trusted"), TRUSTS)
def test_the_role_must_trust_scheduler(change: dict[str, Any], trusted: bool) -> None:
    @scenario
    async def body(house: Scheduler) -> None:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "scheduler.amazonaws.com"},
            "Action": "sts:AssumeRole",
        } | change
        trust = orjson.dumps({"Version": "2012-10-17", "Statement": statement}).decode()
        await house("CreateRole", service="iam", RoleName="other", AssumeRolePolicyDocument=trust)
        request = schedule(target={"RoleArn": ROLE.replace("scheduler", "other")})
        if trusted:
            await house("CreateSchedule", **request)
        else:
            assert await house.refused("CreateSchedule", **request) == (
                "ValidationException",
                "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
            )

    body()


@pytest.mark.parametrize(
    "role",
    [
        f"arn:aws:iam::{ACCOUNT}:role/missing",
        f"arn:aws:iam::{ACCOUNT}:role/path/scheduler",
        "arn:aws:iam::999999999999:role/scheduler",
    ],
)
def test_the_role_must_be_there(role: str) -> None:
    @scenario
    async def body(house: Scheduler) -> None:
        code, message = await house.refused("CreateSchedule", **schedule(target={"RoleArn": role}))
        assert code == "ValidationException" and "to assume the role" in message

    body()
