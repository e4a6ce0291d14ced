"""Buses, their policies, rules and tags: what is kept, shown and refused."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from freehold.kit.tuples import span
from freehold.services.events import rows
from freehold.services.events.names import BusName
from tests.services.events.support import (
    ACCOUNT,
    DEAD,
    OTHER,
    PATTERN,
    QUEUE,
    REGION,
    TOPIC,
    EventBridge,
    bus_arn,
    entry,
    scenario,
)


@scenario
async def test_the_default_bus_is_always_there(house: EventBridge) -> None:
    assert await house("DescribeEventBus") == {"Name": "default", "Arn": bus_arn()}
    assert (await house("ListEventBuses"))["EventBuses"] == [{"Name": "default", "Arn": bus_arn()}]
    assert await house.refused("DeleteEventBus", Name="default") == (
        "ValidationException",
        "Cannot delete event bus default.",
    )
    assert await house.refused("CreateEventBus", Name="default") == (
        "ResourceAlreadyExistsException",
        "Event bus default already exists.",
    )


@scenario
async def test_a_custom_bus_shows_what_was_set_on_it(house: EventBridge) -> None:
    settings: dict[str, Any] = {
        "Description": "d",
        "LogConfig": {"Level": "OFF"},
    }
    created = await house("CreateEventBus", Name="orders", **settings)
    assert created == {"EventBusArn": bus_arn("orders"), **settings}
    await house.advance(5)
    await house("UpdateEventBus", Name="orders", Description="e")
    shown = await house("DescribeEventBus", Name=bus_arn("orders"))
    assert shown["LastModifiedTime"] - shown["CreationTime"] == 5
    assert {name: shown[name] for name in settings} == {**settings, "Description": "e"}
    await house("DeleteEventBus", Name="orders")
    await house("DeleteEventBus", Name="orders")
    assert await house.refused("DescribeEventBus", Name="orders") == (
        "ResourceNotFoundException",
        "Event bus orders does not exist.",
    )
    left = await house.store.read(lambda tx: tx.scan(*span("events", ACCOUNT, REGION)))
    assert left == []


REFUSED_BUSES: list[tuple[dict[str, Any], str]] = [
    ({"KmsKeyIdentifier": "alias/a"}, "NotImplemented"),
    ({"LogConfig": {"Level": "TRACE"}}, "NotImplemented"),
    ({"EventSourceName": "aws.partner/a/b"}, "NotImplemented"),
    ({"DeadLetterConfig": {"Arn": DEAD}}, "NotImplemented"),
    ({"Name": "a/b"}, "ValidationException"),
    ({"Tags": [{"Key": "aws:x", "Value": "y"}]}, "ValidationException"),
]


@pytest.mark.parametrize(("settings", "code"), REFUSED_BUSES)
def test_what_cannot_be_acted_on_is_refused(settings: dict[str, Any], code: str) -> None:
    @scenario
    async def run(house: EventBridge) -> None:
        found, _ = await house.refused("CreateEventBus", **{"Name": "orders", **settings})
        assert found == code
        assert len((await house("ListEventBuses"))["EventBuses"]) == 1

    run()


@scenario
async def test_a_bus_with_rules_is_not_deleted(house: EventBridge) -> None:
    await house("CreateEventBus", Name="orders")
    await house.rule("r", EventBusName="orders")
    code, _ = await house.refused("DeleteEventBus", Name="orders")
    assert code == "ValidationException"


@scenario
async def test_buses_are_listed_by_prefix_and_in_pages(house: EventBridge) -> None:
    for name in ("c", "da", "de", "e"):
        await house("CreateEventBus", Name=name)
    found: list[str] = []
    token: dict[str, Any] = {}
    while True:
        page = await house("ListEventBuses", Limit=2, **token)
        found += [bus["Name"] for bus in page["EventBuses"]]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert found == ["c", "da", "de", "default", "e"]
    assert [bus["Name"] for bus in (await house("ListEventBuses", NamePrefix="de"))["EventBuses"]] == ["de", "default"]


# --- policies


@scenario
async def test_statements_are_added_replaced_and_removed(house: EventBridge) -> None:
    for sid, principal in (("a", OTHER), ("b", "*"), ("a", ACCOUNT)):
        await house("PutPermission", Action="events:PutEvents", Principal=principal, StatementId=sid)
    policy = orjson.loads((await house("DescribeEventBus"))["Policy"])
    assert policy == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "b",
                "Effect": "Allow",
                "Principal": "*",
                "Action": "events:PutEvents",
                "Resource": bus_arn(),
            },
            {
                "Sid": "a",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                "Action": "events:PutEvents",
                "Resource": bus_arn(),
            },
        ],
    }
    code, message = await house.refused("RemovePermission", StatementId="c")
    assert (code, message) == ("ResourceNotFoundException", "Statement with the provided id does not exist.")
    await house("RemovePermission", StatementId="a")
    await house("RemovePermission", RemoveAllPermissions=True)
    code, message = await house.refused("RemovePermission", StatementId="b")
    assert (code, message) == ("ResourceNotFoundException", "EventBus does not have a policy.")
    assert "Policy" not in await house("DescribeEventBus")


ORGANIZATION = {"Type": "StringEquals", "Key": "aws:PrincipalOrgID", "Value": "o-1"}
ASKING = {"Effect": "Allow", "Principal": "*", "Action": "events:PutEvents", "Resource": "*"}
SOURCE_IP = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
SIMPLE = {"Action": "events:PutEvents", "Principal": OTHER, "StatementId": "s"}


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({**SIMPLE, "Action": "events:PutRule"}, "ValidationException"),
        ({"Action": "events:PutEvents", "Principal": OTHER}, "ValidationException"),
        ({**SIMPLE, "Condition": {**ORGANIZATION, "Key": "aws:PrincipalArn"}}, "ValidationException"),
        ({"Policy": orjson.dumps({"Statement": {**ASKING, "Condition": SOURCE_IP}}).decode()}, "NotImplemented"),
        ({**SIMPLE, "Policy": "{}"}, "ValidationException"),
        ({"Policy": "{}"}, "ValidationException"),
        ({"Policy": "not json"}, "ValidationException"),
        ({"Policy": '{"pad": "' + "x" * 10_240 + '"}'}, "PolicyLengthExceededException"),
    ],
)
def test_policies_that_are_refused(request_: dict[str, Any], code: str) -> None:
    @scenario
    async def run(house: EventBridge) -> None:
        found, _ = await house.refused("PutPermission", **request_)
        assert found == code

    run()


@scenario
async def test_another_account_may_put_rules_where_the_policy_says_so(house: EventBridge) -> None:
    await house("CreateEventBus", Name="orders")
    statement = {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": ["events:PutRule", "events:DescribeRule"]}
    document = {"Version": "2012-10-17", "Statement": {**statement, "Resource": "*"}}
    rule = {"Name": "r", "EventBusName": bus_arn("orders"), "EventPattern": PATTERN}
    code, _ = await house.refused("PutRule", account=OTHER, **rule)
    assert code == "AccessDeniedException"
    await house("PutPermission", EventBusName="orders", Policy=orjson.dumps(document).decode())
    arn = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/orders/r"
    assert await house("PutRule", account=OTHER, **rule) == {"RuleArn": arn}
    assert (await house("DescribeRule", Name="r", EventBusName="orders"))["CreatedBy"] == OTHER
    code, _ = await house.refused("DeleteRule", account=OTHER, Name="r", EventBusName=bus_arn("orders"))
    assert code == "AccessDeniedException"


@scenario
async def test_what_is_for_an_organization_lets_nobody_in_since_no_account_is_in_one(house: EventBridge) -> None:
    everybody = {"Action": "events:PutEvents", "Principal": "*", "StatementId": "s"}
    await house("PutPermission", **everybody, Condition=ORGANIZATION)
    one = {**entry(), "EventBusName": bus_arn()}
    code, _ = await house.refused("PutEvents", account=OTHER, Entries=[one])
    assert code == "AccessDeniedException"
    await house("PutPermission", **everybody)
    await house("PutEvents", account=OTHER, Entries=[one])


@scenario
async def test_accounts_that_share_a_bus_may_be_held_to_their_own_rules(house: EventBridge) -> None:
    creator = {"StringEqualsIfExists": {"events:creatorAccount": "${aws:PrincipalAccount}"}}
    statement = {**ASKING, "Action": "events:*", "Condition": creator}
    await house("PutPermission", Policy=orjson.dumps({"Statement": statement}).decode())
    await house.rule("ours")
    shared = {"EventBusName": bus_arn()}
    await house("PutRule", account=OTHER, Name="theirs", EventPattern=PATTERN, **shared)
    await house("DisableRule", account=OTHER, Name="theirs", **shared)
    code, _ = await house.refused("DisableRule", account=OTHER, Name="ours", **shared)
    assert code == "AccessDeniedException"


# --- rules


@scenario
async def test_a_rule_that_is_put_again_is_set_anew_and_keeps_targets_and_tags(house: EventBridge) -> None:
    tags = [{"Key": "k", "Value": "v"}]
    await house.rule("r", {"Arn": QUEUE}, Description="d", State="DISABLED", Tags=tags)
    await house("PutRule", Name="r", EventPattern=PATTERN, Tags=[{"Key": "x", "Value": "y"}])
    arn = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/r"
    assert await house("DescribeRule", Name="r") == {
        "Name": "r",
        "Arn": arn,
        "EventPattern": PATTERN,
        "State": "ENABLED",
        "EventBusName": "default",
        "CreatedBy": ACCOUNT,
    }
    assert (await house("ListTargetsByRule", Rule="r"))["Targets"] == [{"Id": "0", "Arn": QUEUE}]
    assert (await house("ListTagsForResource", ResourceARN=arn))["Tags"] == tags
    await house("TagResource", ResourceARN=arn, Tags=[{"Key": "n", "Value": "1"}])
    await house("UntagResource", ResourceARN=arn, TagKeys=["k", "none"])
    assert (await house("ListTagsForResource", ResourceARN=arn))["Tags"] == [{"Key": "n", "Value": "1"}]


@scenario
async def test_rules_that_are_refused(house: EventBridge) -> None:
    await house("CreateEventBus", Name="orders")
    assert await house.refused("PutRule", Name="r") == (
        "ValidationException",
        "Parameter(s) EventPattern or ScheduleExpression must be specified.",
    )
    assert await house.refused("PutRule", Name="r", EventBusName="orders", ScheduleExpression="rate(1 hour)") == (
        "ValidationException",
        "ScheduleExpression is supported only on the default event bus.",
    )
    code, message = await house.refused("PutRule", Name="r", EventPattern='{"source": "app"}')
    assert code == "InvalidEventPatternException" and message.startswith("Event pattern is not valid. Reason: ")
    assert await house.refused("PutRule", Name="r", EventBusName="none", EventPattern=PATTERN) == (
        "ResourceNotFoundException",
        "Event bus none does not exist.",
    )
    for operation in ("DescribeRule", "EnableRule", "DisableRule"):
        assert await house.refused(operation, Name="r") == (
            "ResourceNotFoundException",
            "Rule r does not exist on EventBus default.",
        )
    await house("DeleteRule", Name="r")
    await house.rule("r", {"Arn": QUEUE})
    assert await house.refused("DeleteRule", Name="r") == (
        "ValidationException",
        "Rule can't be deleted since it has targets.",
    )


@scenario
async def test_pages_of_large_rules_are_full(house: EventBridge) -> None:
    large = {"Id": "x", "Arn": QUEUE, "Input": '"' + "x" * 8_000 + '"'}
    for number in range(40):
        targets = [{**large, "Id": str(each)} for each in range(5)]
        await house.rule(f"r{number:02d}", *targets)
    first = await house("ListRules", Limit=35)
    rest = await house("ListRules", Limit=35, NextToken=first["NextToken"])
    assert [rule["Name"] for rule in first["Rules"] + rest["Rules"]] == [f"r{number:02d}" for number in range(40)]


@scenario
async def test_rules_are_found_by_target(house: EventBridge) -> None:
    for name, arn in (("a", QUEUE), ("b", TOPIC), ("c", QUEUE), ("d", QUEUE)):
        await house.rule(name, {"Arn": arn})
    first = await house("ListRuleNamesByTarget", TargetArn=QUEUE, Limit=2)
    rest = await house("ListRuleNamesByTarget", TargetArn=QUEUE, Limit=2, NextToken=first["NextToken"])
    assert first["RuleNames"] + rest["RuleNames"] == ["a", "c", "d"] and "NextToken" not in rest


@scenario
async def test_rules_that_a_service_manages_are_changed_by_force_only(house: EventBridge) -> None:
    await house.rule("r", {"Arn": QUEUE})
    bus, now_ms = BusName(ACCOUNT, REGION, "default"), house.clock.now_ms()

    def manage(tx: Any) -> None:
        row = rows.rule(tx, bus, "r")
        assert row is not None
        row.managed_by = "vault.amazonaws.com"
        rows.put_rule(tx, bus, row)
        rows.touch(tx, bus, None, token="t", now_ms=now_ms, rule="r")

    await house.store.transact(manage)
    requests: list[tuple[str, dict[str, Any]]] = [
        ("PutRule", {"Name": "r", "EventPattern": PATTERN}),
        ("DisableRule", {"Name": "r"}),
        ("PutTargets", {"Rule": "r", "Targets": [{"Id": "1", "Arn": QUEUE}]}),
        ("RemoveTargets", {"Rule": "r", "Ids": ["0"]}),
        ("DeleteRule", {"Name": "r"}),
    ]
    for operation, request in requests:
        code, _ = await house.refused(operation, **request)
        assert code == "ManagedRuleException"
    assert (await house("ListRules"))["Rules"][0]["ManagedBy"] == "vault.amazonaws.com"
    await house("RemoveTargets", Rule="r", Ids=["0"], Force=True)
    await house("DeleteRule", Name="r", Force=True)
    await house("PutEvents", Entries=[entry()])
    assert (await house("ListRules"))["Rules"] == [] and not house.written


@scenario
async def test_nothing_of_a_deleted_bus_stays_in_memory(house: EventBridge) -> None:
    await house("CreateEventBus", Name="orders")
    await house("PutEvents", Entries=[{**entry(), "EventBusName": "orders"}])
    assert [name.name for name in house.platform.own["events"]] == ["orders"]
    await house("DeleteEventBus", Name="orders")
    assert not house.platform.own["events"] and not house.platform.own.get("events.warming")
