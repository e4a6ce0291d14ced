import asyncio
import json

import pytest

from freehold.kit.faults import Fault
from freehold.ports.identity import Source
from freehold.services.logs.port import LogGroupsPort
from tests.services.logs.support import ACCOUNT, REGION, Logs

GROUP = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/events/orders"
RULE = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/orders"
SOURCE = Source("events.amazonaws.com", RULE, ACCOUNT)


def document(**changes):
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": f"{GROUP}:*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement | changes]})


async def deliver(logs, source=SOURCE):
    port = LogGroupsPort()
    events = [(logs.now, "an event")]
    await logs.store.transact(
        lambda tx: port.put(tx, GROUP, "s", events, id="stream000001", now_ms=logs.now, source=source)
    )


def run(main):
    async def inner():
        logs = Logs()
        await logs.start()
        await logs("CreateLogGroup", logGroupName="/aws/events/orders")
        try:
            await main(logs)
        finally:
            await logs.close()

    asyncio.run(inner())


def refused(logs, source=SOURCE):
    async def attempt():
        with pytest.raises(Fault) as found:
            await deliver(logs, source)
        return found.value.code

    return attempt()


def test_a_service_may_write_only_where_a_policy_lets_it():
    async def main(logs):
        assert await refused(logs) == "AccessDeniedException"
        await logs("PutResourcePolicy", policyName="p", policyDocument=document())
        await deliver(logs)
        found = await logs("GetLogEvents", logGroupName="/aws/events/orders", logStreamName="s")
        assert [event["message"] for event in found["events"]] == ["an event"]
        assert await refused(logs, Source("delivery.logs.amazonaws.com", RULE, ACCOUNT)) == "AccessDeniedException"
        await logs("DeleteResourcePolicy", policyName="p")
        assert await refused(logs) == "AccessDeniedException"

    run(main)


def test_a_role_does_not_ask_the_policy():
    async def main(logs):
        await deliver(logs, Source("pipes.amazonaws.com", RULE, ACCOUNT, role=f"arn:aws:iam::{ACCOUNT}:role/r"))

    run(main)


@pytest.mark.parametrize(
    "changes",
    [
        {"Condition": {"ArnEquals": {"AWS:SourceArn": RULE + "-other"}}},
        {"Resource": f"{GROUP}-other:*"},
        {"Action": "logs:PutLogEvents"},
        {"Effect": "Deny"},
    ],
)
def test_conditions_resources_and_actions_count(changes):
    async def main(logs):
        await logs("PutResourcePolicy", policyName="p", policyDocument=document(**changes))
        assert await refused(logs) == "AccessDeniedException"
        fits = {"Condition": {"ArnEquals": {"AWS:SourceArn": RULE}}}
        await logs("PutResourcePolicy", policyName="p", policyDocument=document(**fits))
        await deliver(logs)

    run(main)


def test_an_account_has_ten_policies_and_they_are_listed_in_pages():
    async def main(logs):
        for number in range(10):
            await logs("PutResourcePolicy", policyName=f"p{number}", policyDocument=document())
        await logs("PutResourcePolicy", policyName="p3", policyDocument=document())
        with pytest.raises(Fault, match="Resource limit exceeded"):
            await logs("PutResourcePolicy", policyName="one-more", policyDocument=document())
        page = await logs("DescribeResourcePolicies", limit=6)
        rest = await logs("DescribeResourcePolicies", limit=6, nextToken=page["nextToken"])
        names = [each["policyName"] for each in page["resourcePolicies"] + rest["resourcePolicies"]]
        assert names == [f"p{number}" for number in range(10)]
        assert "nextToken" not in rest

    run(main)


def test_a_policy_of_a_group_changes_only_with_its_revision():
    async def main(logs):
        first = await logs("PutResourcePolicy", resourceArn=GROUP, policyDocument=document())
        await deliver(logs)
        with pytest.raises(Fault, match="revision") as found:
            await logs("PutResourcePolicy", resourceArn=GROUP, policyDocument=document())
        assert found.value.code == "OperationAbortedException"
        await logs(
            "PutResourcePolicy",
            resourceArn=GROUP,
            policyDocument=document(Effect="Deny"),
            expectedRevisionId=first["revisionId"],
        )
        assert await refused(logs) == "AccessDeniedException"
        shown = await logs("DescribeResourcePolicies", policyScope="RESOURCE")
        assert [each["resourceArn"] for each in shown["resourcePolicies"]] == [GROUP]
        assert (await logs("DescribeResourcePolicies"))["resourcePolicies"] == []

    run(main)


def test_what_is_no_policy_is_refused():
    async def main(logs):
        for document_ in ("x", "{}", json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Maybe"}]})):
            with pytest.raises(Fault) as found:
                await logs("PutResourcePolicy", policyName="p", policyDocument=document_)
            assert found.value.code == "InvalidParameterException"
        with pytest.raises(Fault) as found:
            await logs("DeleteResourcePolicy", policyName="nobody")
        assert found.value.code == "ResourceNotFoundException"

    run(main)
