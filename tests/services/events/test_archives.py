"""Archives keep what their bus accepts, in its commit, by pattern and for their days."""

from __future__ import annotations

from typing import Any

from tests.services.events.support import ACCOUNT, QUEUE, REGION, EventBridge, bus_arn, entry, scenario

DAY_S = 86_400


async def archive(house: EventBridge, name: str = "a", **more: Any) -> dict[str, Any]:
    return await house("CreateArchive", ArchiveName=name, EventSourceArn=bus_arn(), **more)


@scenario
async def test_an_archive_keeps_what_its_pattern_wants_from_its_creation_on(house: EventBridge) -> None:
    await house.put({"n": 0})
    made = await archive(house, EventPattern='{"detail":{"n":[1]}}', Description="d")
    assert made["ArchiveArn"] == f"arn:aws:events:{REGION}:{ACCOUNT}:archive/a" and made["State"] == "ENABLED"
    await archive(house, "b")
    await house.put({"n": 1}, {"n": 2})
    shown = await house("DescribeArchive", ArchiveName="a")
    assert (shown["EventCount"], shown["Description"], shown["EventSourceArn"]) == (1, "d", bus_arn())
    assert shown["SizeBytes"] > 100
    assert (await house("DescribeArchive", ArchiveName="b"))["EventCount"] == 2
    assert [each["ArchiveName"] for each in (await house("ListArchives", EventSourceArn=bus_arn()))["Archives"]] == [
        "a",
        "b",
    ]
    first = await house("ListArchives", Limit=1)
    assert [each["ArchiveName"] for each in first["Archives"]] == ["a"]
    rest = await house("ListArchives", NextToken=first["NextToken"])
    assert [each["ArchiveName"] for each in rest["Archives"]] == ["b"]


@scenario
async def test_an_update_changes_what_is_kept_from_then_on(house: EventBridge) -> None:
    await archive(house)
    await house.put({"n": 1})
    await house("UpdateArchive", ArchiveName="a", EventPattern='{"detail":{"n":[2]}}')
    await house.put({"n": 1}, {"n": 2})
    assert (await house("DescribeArchive", ArchiveName="a"))["EventCount"] == 2


@scenario
async def test_events_go_when_their_days_are_over(house: EventBridge) -> None:
    await archive(house, RetentionDays=2)
    await house.put({"n": 1})
    await house.advance(DAY_S)
    await house.put({"n": 2})
    await house.advance(DAY_S - 1)
    assert (await house("DescribeArchive", ArchiveName="a"))["EventCount"] == 2
    await house.advance(3602)
    assert (await house("DescribeArchive", ArchiveName="a"))["EventCount"] == 1
    await house.advance(DAY_S)
    shown = await house("DescribeArchive", ArchiveName="a")
    assert (shown["EventCount"], shown["SizeBytes"]) == (0, 0)


@scenario
async def test_a_deleted_archive_keeps_nothing_and_its_events_go(house: EventBridge) -> None:
    await archive(house)
    await house.put({"n": 1})
    await house("DeleteArchive", ArchiveName="a")
    await house.put({"n": 2})
    await house.advance(1)
    assert (await house.refused("DescribeArchive", ArchiveName="a"))[0] == "ResourceNotFoundException"
    await archive(house)
    assert (await house("DescribeArchive", ArchiveName="a"))["EventCount"] == 0


@scenario
async def test_refusals(house: EventBridge) -> None:
    await archive(house)
    for request, code in (
        ({"ArchiveName": "a", "EventSourceArn": bus_arn()}, "ResourceAlreadyExistsException"),
        ({"ArchiveName": "b", "EventSourceArn": bus_arn("none")}, "ResourceNotFoundException"),
        ({"ArchiveName": "b", "EventSourceArn": bus_arn(), "EventPattern": "{"}, "InvalidEventPatternException"),
        ({"ArchiveName": "b", "EventSourceArn": bus_arn(), "KmsKeyIdentifier": "k"}, "NotImplemented"),
    ):
        assert (await house.refused("CreateArchive", **request))[0] == code
    assert (await house.refused("ListArchives", NamePrefix="a", State="ENABLED"))[0] == "ValidationException"


@scenario
async def test_services_events_are_archived_where_no_rule_wants_them(house: EventBridge) -> None:
    from freehold.ports.events import Event

    await archive(house)
    event = Event("11111111-2222-4333-8444-555555555555", "aws.s3", "Object Created", {"k": 1})
    now_ms = house.clock.now_ms()
    await house.store.transact(lambda tx: house.platform.events.emit(tx, ACCOUNT, REGION, event, now_ms=now_ms))
    assert (await house("DescribeArchive", ArchiveName="a"))["EventCount"] == 1
    assert entry()["Source"] == "app" and not house.to(QUEUE)
