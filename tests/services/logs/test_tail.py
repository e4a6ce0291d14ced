import pytest

from freehold.kit.faults import Fault
from freehold.services.logs import sweeping, tail
from tests.services.logs.support import ACCOUNT, REGION, scenario

ARN = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:g"


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(tail, "UPDATE_S", 0)


async def update(session):
    found = (await anext(session))["sessionUpdate"]
    return [event["message"] for event in found["sessionResults"]], found["sessionMetadata"]["sampled"]


@scenario
async def test_a_tail_tells_what_is_ingested_in_the_order_of_commits(logs):
    await logs.with_stream()
    await logs.put("before")
    session = (await logs("StartLiveTail", logGroupIdentifiers=[ARN], logEventFilterPattern="-secret"))[
        "responseStream"
    ]
    begin = (await anext(session))["sessionStart"]
    assert begin["logGroupIdentifiers"] == [ARN] and begin["logEventFilterPattern"] == "-secret" and begin["sessionId"]
    assert await update(session) == ([], False)
    await logs.put("new", "secret")
    await logs.put((-5000, "newer"))
    assert await update(session) == (["new", "newer"], False)
    logs.writer.write(ACCOUNT, REGION, "g", "s", [(logs.now, "of a function")])
    await logs.writer.flush()
    event = (await anext(session))["sessionUpdate"]["sessionResults"][0]
    assert event == {
        "logStreamName": "s",
        "logGroupIdentifier": ARN,
        "message": "of a function",
        "timestamp": logs.now,
        "ingestionTime": logs.now,
    }
    before = await logs.rows()
    await logs.put("unread")
    await session.aclose()
    await logs.put("nobody listens")
    assert await logs.rows() == before - 1 + 2 * 2


@scenario
async def test_two_tails_hear_the_same(logs):
    await logs.with_stream()
    sessions = [(await logs("StartLiveTail", logGroupIdentifiers=[ARN]))["responseStream"] for _ in range(2)]
    for session in sessions:
        await anext(session)
    await logs.put("x")
    for session in sessions:
        assert await update(session) == (["x"], False)
        assert await update(session) == ([], False)
        await session.aclose()


@scenario
async def test_a_tail_can_be_of_some_streams(logs):
    await logs.with_stream()
    await logs("CreateLogStream", logGroupName="g", logStreamName="other")
    for member in ({"logStreamNames": ["other"]}, {"logStreamNamePrefixes": ["o", "x"]}):
        session = (await logs("StartLiveTail", logGroupIdentifiers=[ARN], **member))["responseStream"]
        await anext(session)
        await logs.put("a")
        await logs.put("b", stream="other")
        assert await update(session) == (["b"], False)
        await session.aclose()


@scenario
async def test_of_more_than_500_events_a_sample_is_told(logs):
    await logs.with_stream()
    session = (await logs("StartLiveTail", logGroupIdentifiers=[ARN]))["responseStream"]
    await anext(session)
    await logs.put(*[f"{n}" for n in range(1000)])
    messages, sampled = await update(session)
    assert sampled and messages == [f"{n}" for n in range(0, 1000, 2)]
    await session.aclose()


@scenario
async def test_a_tail_ends_after_three_hours(logs):
    await logs.with_stream()
    tail_s, tail.SESSION_S = tail.SESSION_S, 0.0
    try:
        session = (await logs("StartLiveTail", logGroupIdentifiers=[ARN]))["responseStream"]
        events = [event async for event in session]
    finally:
        tail.SESSION_S = tail_s
    assert [list(event) for event in events] == [["sessionStart"], ["SessionTimeoutException"]]


@scenario
async def test_a_crashed_servers_tails_are_forgotten(logs):
    await logs.with_stream()
    session = (await logs("StartLiveTail", logGroupIdentifiers=[ARN]))["responseStream"]
    await anext(session)
    before = await logs.rows()
    await sweeping.start(logs.platform)
    assert await logs.rows() == before - 1
    await session.aclose()


@scenario
async def test_what_cannot_be_tailed_is_refused(logs):
    await logs.with_stream()
    await logs("CreateLogGroup", logGroupName="rare", logGroupClass="INFREQUENT_ACCESS")
    for request, code in (
        ({"logGroupIdentifiers": [ARN + ":*"]}, "InvalidParameterException"),
        ({"logGroupIdentifiers": ["g"]}, "InvalidParameterException"),
        ({"logGroupIdentifiers": [ARN + "x"]}, "ResourceNotFoundException"),
        ({"logGroupIdentifiers": [ARN[:-1] + "rare"]}, "InvalidOperationException"),
        ({"logGroupIdentifiers": [ARN], "logEventFilterPattern": "{"}, "InvalidParameterException"),
        ({"logGroupIdentifiers": [ARN, ARN], "logStreamNames": ["s"]}, "InvalidParameterException"),
    ):
        with pytest.raises(Fault) as error:
            await logs("StartLiveTail", **request)
        assert error.value.code == code, request
