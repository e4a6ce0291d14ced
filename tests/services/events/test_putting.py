"""PutEvents: entries, the envelope, what matches, what is refused."""

from __future__ import annotations

import orjson
import pytest

from freehold.kit.clock import iso8601
from freehold.kit.faults import Fault
from freehold.kit.ids import Ids
from freehold.ports.events import Event
from freehold.ports.identity import Source
from freehold.store.base import Tx
from tests.services.events.support import ACCOUNT, OTHER, QUEUE, REGION, EventBridge, bus_arn, entry, scenario


@scenario
async def test_the_envelope_has_its_members_in_the_documented_order(house: EventBridge) -> None:
    await house.rule("r", {"Arn": QUEUE})
    [result] = await house.put({"price": 1.0, "text": "é"}, Resources=["arn:aws:x"], Time=1767225600.9)
    body = house.to(QUEUE)[0].body
    assert body == (
        f'{{"version":"0","id":"{result["EventId"]}","detail-type":"Order","source":"app","account":"{ACCOUNT}",'
        f'"time":"2026-01-01T00:00:00Z","region":"{REGION}","resources":["arn:aws:x"],'
        '"detail":{"price":1.0,"text":"é"}}'
    )


@scenario
async def test_the_time_of_an_event_is_that_of_the_call_unless_it_says_another(house: EventBridge) -> None:
    await house.rule("r", {"Arn": QUEUE})
    await house.advance(90)
    await house.put()
    assert house.to(QUEUE)[0].event["time"] == iso8601(house.clock.now(), millis=False)


@scenario
async def test_each_entry_fails_by_itself(house: EventBridge) -> None:
    await house.rule("r", {"Arn": QUEUE})
    good = entry({"n": 1})
    without = [{name: value for name, value in good.items() if name != gone} for gone in good]
    bad = [{**good, "Detail": "[]"}, {**good, "Detail": "{"}, {**good, "Source": "aws.s3"}]
    long = {**good, "DetailType": "x" * 129}
    answer = await house("PutEvents", Entries=[*without, good, *bad, long])
    assert answer["FailedEntryCount"] == 7
    codes = [(each.get("ErrorCode"), each.get("ErrorMessage")) for each in answer["Entries"]]
    assert codes[:3] == [
        ("InvalidArgument", f"Parameter {name} is not valid. Reason: {name} is a required argument.") for name in good
    ]
    assert codes[3] == (None, None)
    assert codes[4:7] == [
        ("MalformedDetail", "Detail is malformed."),
        ("MalformedDetail", "Detail is malformed."),
        ("NotAuthorizedForSourceException", "Not authorized for the source."),
    ]
    assert codes[7][0] == "InvalidArgument"
    assert [sent.event["detail"] for sent in house.to(QUEUE)] == [{"n": 1}]


@scenario
async def test_the_time_of_an_event_is_one_of_the_calendar(house: EventBridge) -> None:
    await house.rule("r", {"Arn": QUEUE})
    times = (0, 253_402_300_799, -1)
    answer = await house("PutEvents", Entries=[{**entry(), "Time": time_s} for time_s in times])
    assert [each.get("ErrorCode") for each in answer["Entries"]] == [None, None, "InvalidArgument"]
    assert {sent.event["time"] for sent in house.to(QUEUE)} == {"1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"}


@scenario
async def test_a_detail_may_be_nested_250_levels(house: EventBridge) -> None:
    await house.rule("r", {"Arn": QUEUE})

    def nested(levels: int) -> str:
        return '{"a":' * levels + "1" + "}" * levels

    answer = await house("PutEvents", Entries=[{**entry(), "Detail": nested(levels)} for levels in (250, 253, 900)])
    assert [each.get("ErrorCode") for each in answer["Entries"]] == [None, "MalformedDetail", "MalformedDetail"]
    assert nested(250) in house.to(QUEUE)[0].body
    event = Event(Ids(9).uuid(), "app", "d", orjson.loads(nested(300)))
    source, put = Source("pipes.amazonaws.com", "arn:aws:x", ACCOUNT), house.platform.events.put
    with pytest.raises(Fault, match="Detail is malformed"):
        await house.store.transact(lambda tx: put(tx, bus_arn(), event, now_ms=0, source=source))


@scenario
async def test_a_request_is_limited_to_ten_entries_and_one_mebibyte(house: EventBridge) -> None:
    code, _ = await house.refused("PutEvents", Entries=[entry()] * 11)
    assert code == "ValidationException"
    large = entry({"pad": "x" * (1 << 19)})
    code, message = await house.refused("PutEvents", Entries=[large, large])
    assert (code, message) == ("ValidationException", "Total size of the entries in the request is over the limit.")
    assert (await house("PutEvents", Entries=[large]))["FailedEntryCount"] == 0


@scenario
async def test_only_rules_of_the_bus_that_are_enabled_and_match_fire(house: EventBridge) -> None:
    await house("CreateEventBus", Name="orders")
    await house.rule("wanted", {"Arn": QUEUE}, pattern='{"detail": {"n": [{"numeric": [">", 5]}]}}')
    await house.rule("off", {"Arn": QUEUE}, State="DISABLED")
    await house.rule("elsewhere", {"Arn": QUEUE}, EventBusName="orders")
    await house.put({"n": 1}, {"n": 6})
    assert [(sent.event["detail"], sent.source.arn) for sent in house.to(QUEUE) if sent.source] == [
        ({"n": 6}, f"arn:aws:events:{REGION}:{ACCOUNT}:rule/wanted")
    ]


@scenario
async def test_a_rule_put_disabled_enabled_or_deleted_acts_on_the_next_event(house: EventBridge) -> None:
    await house.rule("r", {"Arn": QUEUE})
    counts = []
    for operation in ("DisableRule", "EnableRule"):
        await house(operation, Name="r")
        await house.put()
        counts.append(len(house.written))
    await house("PutRule", Name="r", EventPattern='{"source": ["other"]}')
    await house.put()
    counts.append(len(house.written))
    await house("PutRule", Name="r", EventPattern='{"source": ["app"]}')
    await house("RemoveTargets", Rule="r", Ids=["0"])
    await house.put()
    counts.append(len(house.written))
    await house("DeleteRule", Name="r")
    await house.put()
    assert [*counts, len(house.written)] == [0, 1, 1, 1, 1]


@scenario
async def test_an_event_for_a_bus_that_does_not_exist_gets_an_id_and_is_dropped(house: EventBridge) -> None:
    await house.rule("r", {"Arn": QUEUE})
    [result] = await house.put(EventBusName="nowhere")
    assert "EventId" in result and not house.written


@scenario
async def test_the_bus_of_another_account_takes_what_its_policy_allows(house: EventBridge) -> None:
    await house.rule("r", {"Arn": QUEUE})
    code, _ = await house.refused("PutEvents", account=OTHER, Entries=[{**entry(), "EventBusName": bus_arn()}])
    assert code == "AccessDeniedException"
    statement = {
        "Sid": "other",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"},
        "Action": "events:PutEvents",
        "Resource": bus_arn(),
        "Condition": {"StringEquals": {"events:detail-type": "Order"}},
    }
    await house("PutPermission", Policy=orjson.dumps({"Version": "2012-10-17", "Statement": [statement]}).decode())
    await house.put(account=OTHER, EventBusName=bus_arn())
    assert house.to(QUEUE)[0].event["account"] == OTHER
    refund = {**entry(detail_type="Refund"), "EventBusName": bus_arn()}
    code, _ = await house.refused("PutEvents", account=OTHER, Entries=[refund])
    assert code == "AccessDeniedException"


@scenario
async def test_a_policy_may_deny_the_own_account(house: EventBridge) -> None:
    await house.rule("r", {"Arn": QUEUE})
    deny = {"Effect": "Deny", "Principal": "*", "Action": "events:*", "Resource": "*"}
    deny["Condition"] = {"StringEquals": {"events:source": "app"}}  # type: ignore[assignment]
    await house("PutPermission", Policy=orjson.dumps({"Version": "2012-10-17", "Statement": deny}).decode())
    code, _ = await house.refused("PutEvents", Entries=[entry()])
    assert code == "AccessDeniedException" and not house.written
    assert (await house("PutEvents", Entries=[entry(source="else")]))["FailedEntryCount"] == 0


@scenario
async def test_global_endpoints_are_refused_by_name(house: EventBridge) -> None:
    code, message = await house.refused("PutEvents", EndpointId="abcde.veo", Entries=[entry()])
    assert code == "NotImplemented" and "EndpointId" in message


@scenario
async def test_services_emit_events_of_their_own_and_applications_may_not(house: EventBridge) -> None:
    await house.rule("r", {"Arn": QUEUE}, pattern='{"source": ["aws.s3"]}')
    event = Event(Ids(9).uuid(), "aws.s3", "Object Created", {"bucket": {"name": "b"}}, ["arn:aws:s3:::b"])
    now_ms, emit, put = house.clock.now_ms(), house.platform.events.emit, house.platform.events.put
    await house.store.transact(lambda tx: emit(tx, ACCOUNT, REGION, event, now_ms=now_ms))
    assert house.to(QUEUE)[0].event["detail"] == {"bucket": {"name": "b"}}
    source = Source("s3.amazonaws.com", "arn:aws:s3:::b", ACCOUNT)
    with pytest.raises(Fault, match="Not authorized for the source"):
        await house.store.transact(lambda tx: put(tx, bus_arn(), event, now_ms=now_ms, source=source))


@scenario
async def test_an_event_that_many_rules_want_is_delivered_in_pages(house: EventBridge) -> None:
    for number in range(45):
        await house.rule(f"r{number:03d}", *[{"Arn": QUEUE}] * 5)
    await house.put()
    assert len(house.written) == 100
    await house.advance(0)
    assert len(house.written) == 225
    assert len({sent.id for sent in house.sent}) == 225


@scenario
async def test_events_of_one_transaction_share_what_it_may_deliver(house: EventBridge) -> None:
    for number in range(6):
        await house.rule(f"r{number}", *[{"Arn": QUEUE}] * 5, pattern='{"source": ["aws.s3"]}')
    now_ms, ids = house.clock.now_ms(), [Ids(9).uuid() for _ in range(10)]
    ids = [f"{id[:-2]}{number:02d}" for number, id in enumerate(ids)]

    def emit(tx: Tx) -> None:
        for id in ids:
            event = Event(id, "aws.s3", "Object Created", {})
            house.platform.events.emit(tx, ACCOUNT, REGION, event, now_ms=now_ms)

    await house.store.transact(emit)
    assert len(house.written) == 100
    await house.advance(0)
    assert len({sent.id for sent in house.sent}) == 300


@scenario
async def test_patterns_are_tried_against_events(house: EventBridge) -> None:
    event = {"id": "1", "account": "1", "source": "a", "time": "t", "region": "r", "resources": [], "detail-type": "d"}
    text = orjson.dumps(event).decode()
    assert (await house("TestEventPattern", EventPattern='{"source": ["a"]}', Event=text))["Result"] is True
    assert (await house("TestEventPattern", EventPattern='{"source": ["b"]}', Event=text))["Result"] is False
    code, _ = await house.refused("TestEventPattern", EventPattern='{"source": "b"}', Event=text)
    assert code == "InvalidEventPatternException"
    code, _ = await house.refused("TestEventPattern", EventPattern='{"source": ["b"]}', Event="{}")
    assert code == "ValidationException"
