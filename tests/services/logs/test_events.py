import pytest

from freehold.kit.faults import Fault
from freehold.services.logs import events as room
from tests.services.logs.support import ACCOUNT, REGION, scenario, texts

HOUR, DAY = 3_600_000, 86_400_000
STREAM = {"logGroupName": "g", "logStreamName": "s"}


async def follow(logs, token_member, **request):
    """Every page until the token repeats."""
    pages, token = [], {}
    while True:
        page = await logs("GetLogEvents", **STREAM, **request, **token)
        if token.get("nextToken") == page[token_member]:
            assert page["events"] == []
            return pages
        pages.append(texts(page))
        token = {"nextToken": page[token_member]}


@scenario
async def test_what_is_put_is_got(logs):
    await logs.with_stream()
    answer = await logs.put((0, "a"), (5, "b"))
    assert set(answer) == {"nextSequenceToken"}
    got = await logs("GetLogEvents", **STREAM)
    assert got["events"] == [
        {"timestamp": logs.now, "message": "a", "ingestionTime": logs.now},
        {"timestamp": logs.now + 5, "message": "b", "ingestionTime": logs.now},
    ]
    for group in ({"logGroupName": "none"}, {"logStreamName": "none"}):
        with pytest.raises(Fault) as error:
            await logs("PutLogEvents", **{**STREAM, **group}, logEvents=[{"timestamp": 1, "message": "x"}])
        assert error.value.code == "ResourceNotFoundException"


@scenario
async def test_lines_of_functions_and_put_events_are_read_together(logs):
    logs.writer.write(ACCOUNT, REGION, "g", "s", [(logs.now, "from a function")])
    await logs.writer.flush()
    await logs.put((1, "from a client"))
    assert texts(await logs("GetLogEvents", **STREAM)) == ["from a function", "from a client"]
    assert texts(await logs("FilterLogEvents", logGroupName="g")) == ["from a function", "from a client"]


@scenario
async def test_get_log_events_pages_both_ways_and_its_tokens_repeat_at_the_ends(logs):
    await logs.with_stream()
    for n in range(0, 10, 2):
        await logs.put((n, f"{n}"), (n + 1, f"{n + 1}"))
    digits = [str(n) for n in range(10)]
    assert await follow(logs, "nextForwardToken", startFromHead=True, limit=4) == [digits[:4], digits[4:8], digits[8:]]
    assert await follow(logs, "nextBackwardToken", limit=4) == [digits[6:], digits[2:6], digits[:2]]
    latest = await logs("GetLogEvents", **STREAM, limit=3)
    assert texts(latest) == digits[7:]
    end = await logs("GetLogEvents", **STREAM, nextToken=latest["nextForwardToken"])
    assert texts(end) == [] and end["nextForwardToken"] == latest["nextForwardToken"]
    back = await logs("GetLogEvents", **STREAM, nextToken=end["nextBackwardToken"], limit=2)
    assert texts(back) == digits[8:], "turning round at the end finds the last events"
    await logs.put((20, "news"))
    assert texts(await logs("GetLogEvents", **STREAM, nextToken=end["nextForwardToken"])) == ["news"]
    with pytest.raises(Fault) as error:
        await logs("GetLogEvents", **STREAM, nextToken="f/12/s")
    assert error.value.code == "InvalidParameterException"


@scenario
async def test_the_tokens_of_an_empty_stream_lead_to_what_comes(logs):
    await logs.with_stream()
    for head in (True, False):
        empty = await logs("GetLogEvents", **STREAM, startFromHead=head)
        assert empty["events"] == [] and empty["nextForwardToken"] and empty["nextBackwardToken"]
        again = await logs("GetLogEvents", **STREAM, nextToken=empty["nextForwardToken"])
        assert again["nextForwardToken"] == empty["nextForwardToken"]
        before = await logs("GetLogEvents", **STREAM, nextToken=empty["nextBackwardToken"])
        assert before["nextBackwardToken"] == empty["nextBackwardToken"]
    await logs.put("news")
    assert texts(await logs("GetLogEvents", **STREAM, nextToken=empty["nextForwardToken"])) == ["news"]
    assert texts(await logs("GetLogEvents", **STREAM, nextToken=before["nextForwardToken"])) == ["news"]


@scenario
async def test_get_log_events_end_time_is_exclusive_and_filter_log_events_inclusive(logs):
    await logs.with_stream()
    await logs.put((0, "0"), (1, "1"), (2, "2"), (3, "3"))
    span = {"startTime": logs.now + 1, "endTime": logs.now + 3}
    assert texts(await logs("GetLogEvents", **STREAM, **span)) == ["1", "2"]
    assert texts(await logs("GetLogEvents", **STREAM, **span, startFromHead=True)) == ["1", "2"]
    assert texts(await logs("FilterLogEvents", logGroupName="g", **span)) == ["1", "2", "3"]


@scenario
async def test_events_come_in_order_of_time_however_they_were_put(logs):
    await logs.with_stream()
    for batch in ([4, 9], [0, 8], [5, 5], [3, 3], [1, 12]):
        await logs.put(*[(n * 1000, f"{n}") for n in batch])
    ordered = ["0", "1", "3", "3", "4", "5", "5", "8", "9", "12"]
    for limit in (1, 2, 3, 50):
        head = await follow(logs, "nextForwardToken", startFromHead=True, limit=limit)
        assert [m for page in head for m in page] == ordered
        tail = await follow(logs, "nextBackwardToken", limit=limit)
        assert [m for page in reversed(tail) for m in page] == ordered


@scenario
async def test_a_page_holds_one_mebibyte(logs):
    await logs.with_stream()
    for n in range(5):
        await logs.put((n, f"{n}" * 400_000))
    pages = await follow(logs, "nextForwardToken", startFromHead=True)
    assert [[m[0] for m in page] for page in pages] == [["0", "1"], ["2", "3"], ["4"]]


@scenario
async def test_a_batch_is_bounded_and_in_order(logs):
    await logs.with_stream()
    with pytest.raises(Fault) as error:
        await logs.put((1, "b"), (0, "a"))
    assert error.value.message == "Log events in a single PutLogEvents request must be in chronological order."
    with pytest.raises(Fault) as error:
        await logs.put("x" * 524_263, "y" * 524_262)
    assert error.value.message == "Upload too large: 1048577 bytes exceeds limit of 1048576"
    with pytest.raises(Fault) as error:
        await logs.put("x" * 1_048_551)
    assert error.value.code == "InvalidParameterException"
    with pytest.raises(Fault) as error:
        await logs.put((-DAY - 1, "a"), "b")
    assert error.value.message == (
        "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
    )
    with pytest.raises(Fault) as error:
        await logs.put(*["x"] * 10_001)
    assert error.value.code == "InvalidParameterException"
    await logs.put("x" * 1_048_550)
    await logs.put(*["x"] * 10_000)
    await logs.put((-DAY, "day"), *[(-DAY + n * 10_000, "x") for n in range(1, 8641)])
    pages = await follow(logs, "nextForwardToken", startFromHead=True)
    assert sum(len(page) for page in pages) == 1 + 10_000 + 8641 and max(len(page) for page in pages) <= 10_000


@scenario
async def test_events_too_old_too_new_or_expired_are_rejected_alone(logs):
    await logs.with_stream()
    answer = await logs.put(
        (-15 * DAY, "old"), (-14 * DAY - 1, "old"), (-HOUR, "a"), (2 * HOUR, "b"), (2 * HOUR + 1, "new")
    )
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 2, "tooNewLogEventStartIndex": 4}
    assert texts(await logs("GetLogEvents", **STREAM)) == ["a", "b"]
    await logs("PutRetentionPolicy", logGroupName="g", retentionInDays=1)
    answer = await logs.put((-2 * DAY, "expired"), "c")
    assert answer["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}
    answer = await logs.put((-2 * DAY, "expired"))
    assert answer["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}


async def fill(logs):
    await logs("CreateLogGroup", logGroupName="g")
    for stream in ("web/1", "web/2", "db"):
        await logs("CreateLogStream", logGroupName="g", logStreamName=stream)
    for n in range(12):
        await logs.put((n * 1000, f'{{"n": {n}}}'), stream=("web/1", "web/2", "db")[n % 3])


async def filtered(logs, **request):
    found, token = [], {}
    while True:
        page = await logs("FilterLogEvents", logGroupName="g", **request, **token)
        assert page["searchedLogStreams"] == []
        found += page["events"]
        if "nextToken" not in page:
            return [int(e["message"][6:-1]) for e in found]
        token = {"nextToken": page["nextToken"]}


@scenario
async def test_filter_interleaves_streams_in_pages_both_ways(logs):
    await fill(logs)
    for limit in (1, 5, 12, 100):
        assert await filtered(logs, limit=limit) == list(range(12))
        assert await filtered(logs, limit=limit, startFromHead=False) == list(reversed(range(12)))
        assert await filtered(logs, limit=limit, logStreamNamePrefix="web/") == [0, 1, 3, 4, 6, 7, 9, 10]
        assert await filtered(logs, limit=limit, logStreamNames=["db"]) == [2, 5, 8, 11]
        assert await filtered(logs, limit=limit, logStreamNames=["db", "web/2"]) == [1, 2, 4, 5, 7, 8, 10, 11]
        assert await filtered(logs, limit=limit, filterPattern="{ $.n > 3 && $.n != 7 }") == [4, 5, 6, 8, 9, 10, 11]
    start = {"startTime": logs.now + 3000, "endTime": logs.now + 5000}
    assert await filtered(logs, **start) == [3, 4, 5]
    assert await filtered(logs, **start, startFromHead=False) == [5, 4, 3]


@scenario
async def test_filter_answers_with_a_token_when_it_has_looked_at_enough(logs):
    await fill(logs)
    room_limit, room.MAX_SCANNED = room.MAX_SCANNED, 5
    try:
        page = await logs("FilterLogEvents", logGroupName="g", filterPattern="{ $.n = 11 }")
        assert page["events"] == [] and page["nextToken"]
        assert await filtered(logs, filterPattern="{ $.n = 11 }") == [11]
    finally:
        room.MAX_SCANNED = room_limit


@scenario
async def test_event_ids_are_distinct_and_sort_as_the_events(logs):
    await fill(logs)
    events = (await logs("FilterLogEvents", logGroupName="g"))["events"]
    ids = [event["eventId"] for event in events]
    assert len(set(ids)) == 12 and ids == sorted(ids) and all(len(i) == 56 and i.isdigit() for i in ids)


@scenario
async def test_the_errors_of_filter_are_awss(logs):
    await fill(logs)
    for request, code in (
        ({"logGroupName": "none"}, "ResourceNotFoundException"),
        ({"logGroupName": "g", "logStreamNames": ["none"]}, "ResourceNotFoundException"),
        ({"logGroupName": "g", "logStreamNames": ["db"], "logStreamNamePrefix": "d"}, "InvalidParameterException"),
        ({"logGroupName": "g", "filterPattern": "{ broken"}, "InvalidParameterException"),
        ({"logGroupName": "g", "nextToken": "nonsense"}, "InvalidParameterException"),
        ({"logGroupName": "g", "startTime": 5, "endTime": 4}, "InvalidParameterException"),
    ):
        with pytest.raises(Fault) as error:
            await logs("FilterLogEvents", **request)
        assert error.value.code == code


@scenario
async def test_a_metric_filter_is_tested_on_samples(logs):
    line = '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /apache_pb.gif HTTP/1.0" 404 1534'
    answer = await logs(
        "TestMetricFilter",
        filterPattern="[ip, id, user, timestamp, request, status_code = 404, size]",
        logEventMessages=["nothing", line],
    )
    (match,) = answer["matches"]
    assert (match["eventNumber"], match["eventMessage"]) == (2, line)
    assert match["extractedValues"]["$request"] == "GET /apache_pb.gif HTTP/1.0"
