import pytest

from freehold.kit.faults import Fault
from tests.services.logs.support import ACCOUNT, REGION, scenario, texts


async def names(logs, **request):
    found, token = [], {}
    while True:
        page = await logs("DescribeLogStreams", logGroupName="g", **request, **token)
        found += [stream["logStreamName"] for stream in page["logStreams"]]
        if "nextToken" not in page:
            return found
        token = {"nextToken": page["nextToken"]}


@scenario
async def test_a_stream_is_described_by_what_was_put_into_it(logs):
    await logs.with_stream(stream="2026/01/01/[$LATEST]abc")
    created = logs.now
    logs.clock.advance(10)
    await logs.put((-5000, "first"), "last", stream="2026/01/01/[$LATEST]abc")
    (stream,) = (await logs("DescribeLogStreams", logGroupName="g"))["logStreams"]
    token = stream.pop("uploadSequenceToken")
    assert token.isdigit() and len(token) == 56
    assert stream == {
        "logStreamName": "2026/01/01/[$LATEST]abc",
        "creationTime": created,
        "firstEventTimestamp": logs.now - 5000,
        "lastEventTimestamp": logs.now,
        "lastIngestionTime": logs.now,
        "arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:g:log-stream:2026/01/01/[$LATEST]abc",
        "storedBytes": 0,
    }


@scenario
async def test_the_errors_of_streams_are_awss(logs):
    await logs.with_stream()
    with pytest.raises(Fault) as error:
        await logs("CreateLogStream", logGroupName="g", logStreamName="s")
    assert (error.value.code, error.value.message) == (
        "ResourceAlreadyExistsException",
        "The specified log stream already exists",
    )
    for operation in ("DeleteLogStream", "GetLogEvents"):
        with pytest.raises(Fault) as error:
            await logs(operation, logGroupName="g", logStreamName="none")
        assert (error.value.code, error.value.message) == (
            "ResourceNotFoundException",
            "The specified log stream does not exist.",
        )
    with pytest.raises(Fault) as error:
        await logs("CreateLogStream", logGroupName="g", logStreamName="a:b")
    assert error.value.code == "InvalidParameterException"
    with pytest.raises(Fault) as error:
        await logs("DescribeLogStreams", logGroupName="g", orderBy="LastEventTime", logStreamNamePrefix="a")
    assert error.value.message == "Cannot order by LastEventTime with a logStreamNamePrefix."
    for request in ({}, {"logGroupName": "g", "logGroupIdentifier": "g"}):
        with pytest.raises(Fault) as error:
            await logs("DescribeLogStreams", **request)
        assert error.value.code == "InvalidParameterException"


@scenario
async def test_streams_are_ordered_by_name_or_by_last_event_in_pages(logs):
    await logs("CreateLogGroup", logGroupName="g")
    for place, name in enumerate("cadbe"):
        await logs("CreateLogStream", logGroupName="g", logStreamName=name)
        await logs.put((place, "x"), stream=name)
    await logs("CreateLogStream", logGroupName="g", logStreamName="empty")
    for limit in (1, 2, 50):
        by_name = ["a", "b", "c", "d", "e", "empty"]
        assert await names(logs, limit=limit) == by_name
        assert await names(logs, limit=limit, descending=True) == by_name[::-1]
        by_time = ["empty", *"cadbe"]
        assert await names(logs, limit=limit, orderBy="LastEventTime") == by_time
        assert await names(logs, limit=limit, orderBy="LastEventTime", descending=True) == by_time[::-1]
    assert await names(logs, logStreamNamePrefix="e") == ["e", "empty"]
    assert await names(logs, logStreamNamePrefix="e", descending=True, limit=1) == ["empty", "e"]
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:g"
    assert len((await logs("DescribeLogStreams", logGroupIdentifier=arn))["logStreams"]) == 6


@scenario
async def test_a_deleted_stream_is_hidden_at_once_and_then_gone(logs):
    await logs.with_stream()
    await logs("CreateLogStream", logGroupName="g", logStreamName="kept")
    await logs.put("gone")
    await logs.put("kept", stream="kept")
    await logs.timers.close()
    await logs("DeleteLogStream", logGroupName="g", logStreamName="s")
    assert texts(await logs("FilterLogEvents", logGroupName="g")) == ["kept"]
    await logs("CreateLogStream", logGroupName="g", logStreamName="s")
    assert texts(await logs("GetLogEvents", logGroupName="g", logStreamName="s")) == []
    await logs.timers.settle()
    assert (await logs("DescribeLogGroups"))["logGroups"][0]["storedBytes"] == len("kept") + 26
    assert texts(await logs("FilterLogEvents", logGroupName="g")) == ["kept"]
