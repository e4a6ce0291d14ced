"""CloudFormation's view of log groups and streams."""

import pytest

from freehold.kit.faults import Fault
from freehold.services.logs.resources import TYPES
from tests.services.logs.support import ACCOUNT, REGION, Logs, scenario

GROUP, STREAM, *_ = TYPES


class Context:
    """The part of ResourceContext that the types use."""

    account, region, tags = ACCOUNT, REGION, {"aws:cloudformation:stack-name": "st"}

    def __init__(self, logs: Logs) -> None:
        self._logs = logs

    async def call(self, service, operation, **request):
        assert service == "logs"
        return await self._logs(operation, **request)

    def name(self, max_length=64, *, lower=False):
        return "st-Resource-ABC"


@scenario
async def test_a_log_group_is_created_updated_in_place_and_deleted(logs):
    ctx = Context(logs)
    old = {"RetentionInDays": 7, "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]}
    physical = await GROUP.create(ctx, old)
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:st-Resource-ABC"
    assert physical.id == "st-Resource-ABC" and physical.attributes == {"Arn": arn + ":*"}
    (group,) = (await logs("DescribeLogGroups"))["logGroups"]
    assert group["retentionInDays"] == 7
    new = {"Tags": [{"Key": "a", "Value": "3"}], "DeletionProtectionEnabled": True}
    assert (await GROUP.update(ctx, physical, old, new)).id == physical.id
    (group,) = (await logs("DescribeLogGroups"))["logGroups"]
    assert "retentionInDays" not in group and group["deletionProtectionEnabled"]
    tags = (await logs("ListTagsForResource", resourceArn=arn))["tags"]
    assert tags == {"a": "3", "aws:cloudformation:stack-name": "st"}
    await GROUP.update(ctx, physical, new, {})
    await GROUP.delete(ctx, physical, {})
    await GROUP.delete(ctx, physical, {})
    assert (await logs("DescribeLogGroups"))["logGroups"] == []
    with pytest.raises(Fault):
        await GROUP.update(ctx, physical, {}, {"LogGroupClass": "INFREQUENT_ACCESS"})


@scenario
async def test_a_log_stream_is_created_and_deleted(logs):
    ctx = Context(logs)
    await logs("CreateLogGroup", logGroupName="g")
    physical = await STREAM.create(ctx, {"LogGroupName": "g"})
    assert physical.id == "st-Resource-ABC"
    await STREAM.delete(ctx, physical, {"LogGroupName": "g"})
    await STREAM.delete(ctx, physical, {"LogGroupName": "g"})
    assert (await logs("DescribeLogStreams", logGroupName="g"))["logStreams"] == []


def test_a_kms_key_is_not_among_the_properties():
    assert "KmsKeyId" not in GROUP.properties
