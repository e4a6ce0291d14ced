"""Schedule groups: the default one, deletion with everything in them, tags."""

from __future__ import annotations

from freehold.services.scheduler import groups
from tests.services.scheduler.support import ACCOUNT, REGION, Scheduler, scenario, schedule


def arn(name: str) -> str:
    return f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/{name}"


@scenario
async def test_every_account_has_a_default_group(house: Scheduler) -> None:
    found = (await house("ListScheduleGroups"))["ScheduleGroups"]
    assert [(each["Name"], each["State"], each["Arn"]) for each in found] == [("default", "ACTIVE", arn("default"))]
    assert await house("GetScheduleGroup", Name="default") == found[0]
    assert (await house.refused("DeleteScheduleGroup", Name="default"))[0] == "ValidationException"
    assert (await house("ListTagsForResource", ResourceArn=arn("default"))) == {"Tags": []}


@scenario
async def test_groups_are_created_once(house: Scheduler) -> None:
    assert await house("CreateScheduleGroup", Name="g", ClientToken="t") == {"ScheduleGroupArn": arn("g")}
    assert await house("CreateScheduleGroup", Name="g", ClientToken="t") == {"ScheduleGroupArn": arn("g")}
    for more in ({}, {"ClientToken": "u"}, {"ClientToken": "t", "Tags": [{"Key": "a", "Value": "b"}]}):
        assert await house.refused("CreateScheduleGroup", Name="g", **more) == (
            "ConflictException",
            "Schedule group g already exists.",
        )


@scenario
async def test_lists_in_pages(house: Scheduler) -> None:
    for name in ("alpha", "beta", "better", "gamma"):
        await house("CreateScheduleGroup", Name=name)
    page = await house("ListScheduleGroups", MaxResults=3)
    assert [each["Name"] for each in page["ScheduleGroups"]] == ["alpha", "beta", "better"]
    page = await house("ListScheduleGroups", MaxResults=3, NextToken=page["NextToken"])
    assert [each["Name"] for each in page["ScheduleGroups"]] == ["default", "gamma"] and "NextToken" not in page
    page = await house("ListScheduleGroups", NamePrefix="bet")
    assert [each["Name"] for each in page["ScheduleGroups"]] == ["beta", "better"]


@scenario
async def test_a_group_is_deleting_until_its_schedules_are_gone(house: Scheduler) -> None:
    await house("CreateScheduleGroup", Name="g")
    for n in range(groups._SWEPT + 5):
        await house.create(f"s{n}", "at(2026-01-01T12:00:00)", GroupName="g")
    await house.create("kept", "at(2026-01-01T12:00:00)")
    await house("DeleteScheduleGroup", Name="g", ClientToken="t")
    assert (await house("GetScheduleGroup", Name="g"))["State"] == "DELETING"
    assert (await house.refused("CreateSchedule", **schedule("new", GroupName="g")))[0] == "ConflictException"
    await house("DeleteScheduleGroup", Name="g")
    await house.advance(0)
    assert (await house.refused("GetScheduleGroup", Name="g"))[0] == "ResourceNotFoundException"
    assert await house.names() == ["kept"]
    await house("DeleteScheduleGroup", Name="g", ClientToken="t")
    assert (await house.refused("DeleteScheduleGroup", Name="g"))[0] == "ResourceNotFoundException"
    await house("CreateScheduleGroup", Name="g")
    await house.advance(86_400)
    assert len(house.sent) == 1


@scenario
async def test_a_restart_goes_on_deleting(house: Scheduler) -> None:
    await house("CreateScheduleGroup", Name="g")
    await house.create(GroupName="g")
    await house.timers.close()
    await house("DeleteScheduleGroup", Name="g")
    await house.restart()
    assert (await house.refused("GetScheduleGroup", Name="g"))[0] == "ResourceNotFoundException"


@scenario
async def test_tags_of_groups(house: Scheduler) -> None:
    await house("CreateScheduleGroup", Name="g", Tags=[{"Key": "a", "Value": "1"}])
    await house("TagResource", ResourceArn=arn("g"), Tags=[{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}])
    await house("UntagResource", ResourceArn=arn("g"), TagKeys=["a", "c"])
    assert await house("ListTagsForResource", ResourceArn=arn("g")) == {"Tags": [{"Key": "b", "Value": "3"}]}
    assert (await house.refused("ListTagsForResource", ResourceArn=arn("x")))[0] == "ResourceNotFoundException"
    foreign = arn("g").replace(ACCOUNT, "999999999999")
    assert (await house.refused("ListTagsForResource", ResourceArn=foreign))[0] == "ResourceNotFoundException"
    many = [{"Key": f"k{n}", "Value": "v"} for n in range(50)]
    assert (await house.refused("TagResource", ResourceArn=arn("g"), Tags=many))[0] == "ServiceQuotaExceededException"
    own = [{"Key": "aws:x", "Value": "v"}]
    assert (await house.refused("TagResource", ResourceArn=arn("g"), Tags=own))[0] == "ValidationException"
