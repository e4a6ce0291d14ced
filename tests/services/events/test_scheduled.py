"""Rules with a ScheduleExpression: when they fire, what they send, how they change."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.services.scheduler.support import ACCOUNT, QUEUE, REGION, Scheduler, scenario

DAY = 86_400
RULE = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/r"


async def rule(house: Scheduler, expression: str, name: str = "r", **more: Any) -> None:
    await house("PutRule", service="events", Name=name, ScheduleExpression=expression, **more)
    targets = [{"Id": "1", "Arn": QUEUE}]
    await house("PutTargets", service="events", Rule=name, Targets=targets)


def times(house: Scheduler) -> list[str]:
    return [sent.at[5:] for sent in house.sent]


@scenario
async def test_a_rate_counts_from_the_creation_of_the_rule(house: Scheduler) -> None:
    await house.advance(90)
    await rule(house, "rate(30 minutes)")
    await house.advance(2 * 3600)
    assert times(house) == ["01-01T00:31:30", "01-01T01:01:30", "01-01T01:31:30", "01-01T02:01:30"]


@scenario
async def test_cron_is_in_utc_and_the_event_is_the_documented_one(house: Scheduler) -> None:
    await rule(house, "cron(0 12 ? * MON-FRI *)")
    await house.advance(5 * DAY)
    assert times(house) == ["01-01T12:00:00", "01-02T12:00:00", "01-05T12:00:00"]
    event = orjson.loads(house.sent[0].body)
    assert event.pop("id") != orjson.loads(house.sent[1].body)["id"]
    assert event == {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": "2026-01-01T12:00:00Z",
        "region": REGION,
        "resources": [RULE],
        "detail": {},
    }
    assert (house.sent[0].source.service, house.sent[0].source.arn) == ("events.amazonaws.com", RULE)


@scenario
async def test_disabling_stops_and_enabling_begins_anew(house: Scheduler) -> None:
    await rule(house, "rate(1 hour)")
    await house.advance(5400)
    await house("DisableRule", service="events", Name="r")
    await house.advance(5400)
    assert times(house) == ["01-01T01:00:00"]
    await house("EnableRule", service="events", Name="r")
    await house.advance(4000)
    assert times(house)[1:] == ["01-01T04:00:00"]


@scenario
async def test_a_rule_that_is_created_disabled_is_silent(house: Scheduler) -> None:
    await rule(house, "rate(1 hour)", State="DISABLED")
    await house.advance(DAY)
    assert house.sent == []


@scenario
async def test_a_new_expression_counts_at_once_and_new_targets_change_nothing(house: Scheduler) -> None:
    await rule(house, "rate(1 hour)")
    await house.advance(1800)
    more = [{"Id": "2", "Arn": QUEUE, "Input": '"two"'}]
    await house("PutTargets", service="events", Rule="r", Targets=more)
    await house.advance(1800)
    assert times(house) == ["01-01T01:00:00", "01-01T01:00:00"]
    await house("PutRule", service="events", Name="r", ScheduleExpression="cron(10 1 * * ? *)")
    await house.advance(DAY)
    assert times(house)[2:] == ["01-01T01:10:00", "01-01T01:10:00"]


@scenario
async def test_a_deleted_rule_is_silent(house: Scheduler) -> None:
    await rule(house, "rate(1 hour)")
    await house("RemoveTargets", service="events", Rule="r", Ids=["1"])
    await house("DeleteRule", service="events", Name="r")
    await house.advance(DAY)
    assert house.sent == []
    assert await house.store.read(lambda tx: tx.scan(b"\x02timer\x00", b"\x02timer\x00\xff")) == []


@scenario
async def test_a_schedule_that_gives_way_to_a_pattern(house: Scheduler) -> None:
    await rule(house, "rate(1 hour)")
    await house("PutRule", service="events", Name="r", EventPattern='{"source": ["x"]}')
    await house.advance(DAY)
    assert house.sent == []


@scenario
async def test_after_an_outage_the_first_missed_occurrence_fires_late(house: Scheduler) -> None:
    await rule(house, "cron(0 * * * ? *)")
    await house.restart(down_s=DAY + 1800)
    assert [orjson.loads(sent.body)["time"] for sent in house.sent] == ["2026-01-01T01:00:00Z"]
    await house.advance(3600)
    assert [orjson.loads(sent.body)["time"] for sent in house.sent][1:] == ["2026-01-02T01:00:00Z"]


@scenario
async def test_a_failing_target_does_not_hold_up_the_schedule(house: Scheduler) -> None:
    await rule(house, "rate(1 hour)")
    house.missing[QUEUE] = "ThrottlingException"
    await house.advance(3700)
    del house.missing[QUEUE]
    await house.advance(3600)
    assert len(house.sent) == 2


@pytest.mark.parametrize(
    "expression",
    ["rate(1 minutes)", "rate(5 minute)", "cron(* * * * *)", "cron(0 12 * * * *)", "at(2026-01-01T00:00:00)", "soon"],
)
def test_what_is_no_expression_of_a_rule(expression: str) -> None:
    @scenario
    async def body(house: Scheduler) -> None:
        found = await house.refused("PutRule", service="events", Name="r", ScheduleExpression=expression)
        assert found == ("ValidationException", "Parameter ScheduleExpression is not valid.")

    body()


@scenario
async def test_schedules_are_for_the_default_bus(house: Scheduler) -> None:
    await house("CreateEventBus", service="events", Name="b")
    found = await house.refused(
        "PutRule", service="events", Name="r", EventBusName="b", ScheduleExpression="rate(1 hour)"
    )
    assert found == ("ValidationException", "ScheduleExpression is supported only on the default event bus.")
