"""Replays put archived events on their bus once more, page by page, resumably."""

from __future__ import annotations

from typing import Any

from freehold.services.events import archive_rows, replays
from freehold.services.events.archive_rows import Space
from freehold.store.base import ReadTx
from tests.services.events.support import ACCOUNT, QUEUE, REGION, TOPIC, EventBridge, bus_arn, scenario

ARCHIVE = f"arn:aws:events:{REGION}:{ACCOUNT}:archive/a"


async def prepare(house: EventBridge, count: int) -> float:
    """Archived events `n` from 0, ten seconds apart; when the first was put."""
    await house("CreateArchive", ArchiveName="a", EventSourceArn=bus_arn())
    start = house.clock.now()
    for number in range(count):
        await house.put({"n": number})
        await house.advance(10)
    return start


async def replay(house: EventBridge, start: float, end: float, name: str = "again", **more: Any) -> dict[str, Any]:
    destination = {"Arn": bus_arn(), **more}
    return await house(
        "StartReplay",
        ReplayName=name,
        EventSourceArn=ARCHIVE,
        EventStartTime=start,
        EventEndTime=end,
        Destination=destination,
    )


@scenario
async def test_events_of_the_time_are_replayed_in_order_with_the_name_of_the_replay(house: EventBridge) -> None:
    start = await prepare(house, 5)
    await house.rule("r", {"Arn": QUEUE})
    assert (await replay(house, start + 10, start + 40))["State"] == "STARTING"
    await house.advance(1)
    events = [sent.event for sent in house.to(QUEUE)]
    assert [event["detail"]["n"] for event in events] == [1, 2, 3]
    assert {event["replay-name"] for event in events} == {"again"}
    shown = await house("DescribeReplay", ReplayName="again")
    assert shown["State"] == "COMPLETED" and shown["EventLastReplayedTime"] == start + 30
    assert shown["Destination"] == {"Arn": bus_arn()} and shown["ReplayEndTime"] >= shown["ReplayStartTime"]
    assert [each["ReplayName"] for each in (await house("ListReplays", State="COMPLETED"))["Replays"]] == ["again"]
    # archives do not keep them again
    assert (await house("DescribeArchive", ArchiveName="a"))["EventCount"] == 5


@scenario
async def test_only_named_rules_get_the_events(house: EventBridge) -> None:
    start = await prepare(house, 1)
    await house.rule("r", {"Arn": QUEUE})
    await house.rule("s", {"Arn": TOPIC})
    await replay(house, start, start + 10, FilterArns=[f"arn:aws:events:{REGION}:{ACCOUNT}:rule/s"])
    await house.advance(1)
    assert (len(house.to(QUEUE)), len(house.to(TOPIC))) == (0, 1)


@scenario
async def test_replayed_deliveries_are_new_ones(house: EventBridge) -> None:
    await house.rule("r", {"Arn": QUEUE})
    start = await prepare(house, 1)
    for name in ("first", "second"):
        await replay(house, start, start + 10, name)
        await house.advance(1)
    assert len({sent.id for sent in house.to(QUEUE)}) == 3
    assert len({sent.event["id"] for sent in house.to(QUEUE)}) == 1


@scenario
async def test_a_replay_goes_on_where_it_was_after_a_crash(house: EventBridge) -> None:
    start = await prepare(house, 120)
    await house.rule("r", {"Arn": QUEUE})
    space = Space(ACCOUNT, REGION)
    await house.timers.close()  # nobody works: as if the server had died
    await house.store.transact(
        lambda tx: archive_rows.put_replay(
            tx, space, archive_rows.Replay("again", "a", uid_of(tx), "default", start, start + 1200, "STARTING", start)
        )
    )
    assert await house.store.transact(replays._next_page(house.platform, space, "again", house.clock.now_ms()))
    shown = await house("DescribeReplay", ReplayName="again")
    assert shown["State"] == "RUNNING" and len(house.to(QUEUE)) == 50
    await replays.proceed(house.platform, replays._key(space, "again"))
    assert (await house("DescribeReplay", ReplayName="again"))["State"] == "COMPLETED"
    assert sorted(sent.event["detail"]["n"] for sent in house.to(QUEUE)) == list(range(120))


def uid_of(tx: ReadTx) -> str:
    found = archive_rows.archive(tx, Space(ACCOUNT, REGION), "a")
    assert found is not None
    return found.uid


@scenario
async def test_a_cancelled_replay_stops(house: EventBridge) -> None:
    start = await prepare(house, 3)
    await house.rule("r", {"Arn": QUEUE})
    await replay(house, start, start + 100)
    assert (await house("CancelReplay", ReplayName="again"))["State"] == "CANCELLING"
    await house.advance(1)
    shown = await house("DescribeReplay", ReplayName="again")
    assert shown["State"] in ("CANCELLED", "COMPLETED")
    assert (await house.refused("CancelReplay", ReplayName="again"))[0] == "IllegalStatusException"


@scenario
async def test_refusals(house: EventBridge) -> None:
    start = await prepare(house, 1)
    await house("CreateEventBus", Name="other")
    request: dict[str, Any] = {
        "ReplayName": "x",
        "EventSourceArn": ARCHIVE,
        "EventStartTime": start,
        "EventEndTime": start + 1,
        "Destination": {"Arn": bus_arn()},
    }
    for change, code in (
        ({"EventEndTime": start}, "ValidationException"),
        ({"EventSourceArn": ARCHIVE + "b"}, "ResourceNotFoundException"),
        ({"Destination": {"Arn": bus_arn("other")}}, "ValidationException"),
        ({"Destination": {"Arn": bus_arn(), "FilterArns": [QUEUE]}}, "ValidationException"),
    ):
        assert (await house.refused("StartReplay", **(request | change)))[0] == code
    assert (await house.refused("DescribeReplay", ReplayName="x"))[0] == "ResourceNotFoundException"


@scenario
async def test_a_replay_is_forgotten_90_days_after_its_end(house: EventBridge) -> None:
    start = await prepare(house, 1)
    await replay(house, start, start + 10)
    await house.advance(89 * 86_400)
    assert (await house("DescribeReplay", ReplayName="again"))["State"] == "COMPLETED"
    await house.advance(2 * 86_400)
    assert (await house("ListReplays"))["Replays"] == []
