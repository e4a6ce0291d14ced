import pytest

from freehold.kit.faults import Fault
from tests.services.logs.support import ACCOUNT, REGION, scenario


def refused(error, code, message=None):
    assert error.value.code == code
    if message is not None:
        assert error.value.message == message


@scenario
async def test_a_group_is_created_described_and_deleted(logs):
    await logs("CreateLogGroup", logGroupName="/aws/lambda/f", tags={"a": "1"}, logGroupClass="INFREQUENT_ACCESS")
    (group,) = (await logs("DescribeLogGroups"))["logGroups"]
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/f"
    assert group == {
        "logGroupName": "/aws/lambda/f",
        "creationTime": logs.now,
        "metricFilterCount": 0,
        "arn": arn + ":*",
        "logGroupArn": arn,
        "storedBytes": 0,
        "logGroupClass": "INFREQUENT_ACCESS",
        "deletionProtectionEnabled": False,
    }
    assert (await logs("DescribeLogGroups", account="222222222222"))["logGroups"] == []
    await logs("DeleteLogGroup", logGroupName="/aws/lambda/f")
    assert (await logs("DescribeLogGroups"))["logGroups"] == []


@scenario
async def test_the_errors_of_groups_are_awss(logs):
    await logs("CreateLogGroup", logGroupName="g")
    with pytest.raises(Fault) as error:
        await logs("CreateLogGroup", logGroupName="g")
    refused(error, "ResourceAlreadyExistsException", "The specified log group already exists")
    for operation in ("DeleteLogGroup", "DeleteRetentionPolicy", "ListTagsLogGroup", "DescribeLogStreams"):
        with pytest.raises(Fault) as error:
            await logs(operation, logGroupName="none")
        refused(error, "ResourceNotFoundException", "The specified log group does not exist.")
    for request in ({"logGroupName": "aws/x"}, {"logGroupName": "white space"}, {"logGroupName": "x" * 513}):
        with pytest.raises(Fault) as error:
            await logs("CreateLogGroup", **request)
        refused(error, "InvalidParameterException")
    for member in ({"kmsKeyId": "arn:aws:kms:x"}, {"logGroupClass": "DELIVERY"}):
        with pytest.raises(Fault) as error:
            await logs("CreateLogGroup", logGroupName="x", **member)
        refused(error, "NotImplemented")


@scenario
async def test_groups_are_listed_in_pages_by_prefix_and_by_pattern(logs):
    names = [f"/app/{n:02}" for n in range(12)] + ["/other/app/00"]
    for name in reversed(names):
        await logs("CreateLogGroup", logGroupName=name)

    async def every(operation="DescribeLogGroups", **request):
        found, token = [], {}
        while True:
            page = await logs(operation, limit=5, **request, **token)
            assert len(page["logGroups"]) <= 5
            found += [group["logGroupName"] for group in page["logGroups"]]
            if "nextToken" not in page:
                return found
            token = {"nextToken": page["nextToken"]}

    assert await every() == names
    assert await every(logGroupNamePrefix="/app/") == names[:12]
    assert await every(logGroupNamePrefix="/app/1") == names[10:12]
    assert await every(logGroupNamePattern="app/0") == [*names[:10], "/other/app/00"]
    assert await every(logGroupNamePattern="APP") == []
    assert await every("ListLogGroups") == names
    assert await every("ListLogGroups", logGroupNamePattern="^/app/1|other") == [*names[10:]]
    arns = [f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/app/03", "/app/04"]
    assert await every(logGroupIdentifiers=arns) == ["/app/03", "/app/04"]
    with pytest.raises(Fault) as error:
        await logs("DescribeLogGroups", logGroupNamePrefix="a", logGroupNamePattern="b")
    refused(error, "InvalidParameterException")
    with pytest.raises(Fault) as error:
        await logs("DescribeLogGroups", nextToken="nonsense")
    refused(error, "InvalidParameterException")


@scenario
async def test_tags_old_and_new(logs):
    await logs("CreateLogGroup", logGroupName="g", tags={"a": "1"})
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:g"
    await logs("TagResource", resourceArn=arn, tags={"b": "2", "a": "3"})
    await logs("TagLogGroup", logGroupName="g", tags={"c": "4"})
    await logs("UntagResource", resourceArn=arn, tagKeys=["b"])
    await logs("UntagLogGroup", logGroupName="g", tags=["never"])
    assert await logs("ListTagsForResource", resourceArn=arn) == {"tags": {"a": "3", "c": "4"}}
    assert await logs("ListTagsLogGroup", logGroupName="g") == {"tags": {"a": "3", "c": "4"}}
    with pytest.raises(Fault) as error:
        await logs("TagResource", resourceArn=arn, tags={f"k{n}": "" for n in range(49)})
    refused(error, "TooManyTagsException")
    for other in (arn.replace(ACCOUNT, "222222222222"), arn + "x"):
        with pytest.raises(Fault) as error:
            await logs("ListTagsForResource", resourceArn=other)
        refused(error, "ResourceNotFoundException")


@scenario
async def test_deletion_protection_blocks_until_it_is_lifted(logs):
    await logs("CreateLogGroup", logGroupName="g", deletionProtectionEnabled=True)
    with pytest.raises(Fault) as error:
        await logs("DeleteLogGroup", logGroupName="g")
    refused(error, "ValidationException")
    await logs("PutLogGroupDeletionProtection", logGroupIdentifier="g", deletionProtectionEnabled=False)
    await logs("DeleteLogGroup", logGroupName="g")


@scenario
async def test_retention_takes_the_documented_days_only(logs):
    await logs("CreateLogGroup", logGroupName="g")
    for days in (0, 2, 31, 9999):
        with pytest.raises(Fault) as error:
            await logs("PutRetentionPolicy", logGroupName="g", retentionInDays=days)
        refused(error, "InvalidParameterException")
    await logs("PutRetentionPolicy", logGroupName="g", retentionInDays=7)
    assert (await logs("DescribeLogGroups"))["logGroups"][0]["retentionInDays"] == 7
    await logs("DeleteRetentionPolicy", logGroupName="g")
    assert "retentionInDays" not in (await logs("DescribeLogGroups"))["logGroups"][0]


@scenario
async def test_expired_events_are_not_seen_and_then_really_deleted(logs):
    await logs.with_stream()
    await logs("PutRetentionPolicy", logGroupName="g", retentionInDays=1)
    await logs.timers.settle()
    await logs.put((-3_600_000, "older"), "old")
    logs.clock.advance(86_400 - 3000)
    await logs.put("new")

    async def seen():
        return [e["message"] for e in (await logs("FilterLogEvents", logGroupName="g"))["events"]]

    async def size():
        return (await logs("DescribeLogGroups"))["logGroups"][0]["storedBytes"]

    assert await seen() == ["old", "new"]
    logs.clock.advance(3001)
    assert await seen() == ["new"]
    before = await logs.rows()
    for _ in range(3):
        logs.clock.advance(3600)
        await logs.timers.settle()
    assert await size() == len("new") + 26
    assert await logs.rows() < before
    assert (await logs("DescribeLogStreams", logGroupName="g"))["logStreams"], "streams stay"


@scenario
async def test_a_deleted_group_leaves_no_rows_and_its_successor_is_empty(logs):
    await logs.with_stream()
    for n in range(30):
        await logs.put(f"event {n}")
    await logs("DeleteLogGroup", logGroupName="g")
    await logs.with_stream()
    assert (await logs("FilterLogEvents", logGroupName="g"))["events"] == []
    await logs("DeleteLogGroup", logGroupName="g")
    await logs.timers.settle()
    assert await logs.rows() == 0
