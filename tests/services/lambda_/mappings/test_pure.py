"""The parts of a mapping that know neither store nor time."""

from __future__ import annotations

import orjson
import pytest

from freehold.kit.faults import Fault
from freehold.ports.queues import Received
from freehold.services.lambda_.limits import MAX_SYNC_PAYLOAD
from freehold.services.lambda_.mappings import filters, queue_source, responses
from freehold.services.lambda_.mappings.buffer import Buffer, chunks, payload
from freehold.services.lambda_.mappings.scaling import Scaling
from freehold.services.lambda_.mappings.source import Record


def _record(name: str, size: int = 10, until_ms: int = 30_000) -> Record:
    return Record(name, b'"' + b"x" * (size - 2) + b'"', None, name, 0, until_ms)


def _ids(records: list[Record]) -> list[str]:
    return [record.id for record in records]


@pytest.mark.parametrize(
    ("response", "failed"),
    [
        (b"", set()),
        (b"null", set()),
        (b"{}", set()),
        (b'{"batchItemFailures": null}', set()),
        (b'{"batchItemFailures": []}', set()),
        (b'{"statusCode": 200}', set()),
        (b'{"batchItemFailures": [{"itemIdentifier": "b"}]}', {"b"}),
        (b'{"batchItemFailures": [{"itemIdentifier": "b"}, {"itemIdentifier": "b"}]}', {"b"}),
        (b'{"batchItemFailures": [{"itemIdentifier": ""}]}', None),
        (b'{"batchItemFailures": [{"itemIdentifier": null}]}', None),
        (b'{"batchItemFailures": [{"id": "a"}]}', None),
        (b'{"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "z"}]}', None),
        (b'{"batchItemFailures": ["a"]}', None),
        (b'{"batchItemFailures": "a"}', None),
        (b'"done"', None),
        (b"not json", None),
    ],
)
def test_partial_responses_as_documented(response: bytes, failed: set[str] | None) -> None:
    assert responses.failures(response, {"a", "b"}) == failed


class TestBuffer:
    def test_without_a_window_whatever_is_there_is_a_batch(self) -> None:
        buffer = Buffer(10, 0)
        buffer.add([_record("a"), _record("b")], 0)
        assert _ids(buffer.take(0)) == ["a", "b"]
        assert buffer.take(0) == []

    def test_a_window_gathers_until_it_is_over_or_the_batch_is_full(self) -> None:
        buffer = Buffer(3, 5_000)
        buffer.add([_record("a")], 1_000)
        buffer.add([_record("b")], 2_000)
        assert (buffer.ready(5_999), buffer.due_ms()) == (False, 6_000)
        buffer.add([_record("c"), _record("d")], 3_000)
        assert _ids(buffer.take(3_000)) == ["a", "b", "c"]
        assert (buffer.take(3_000), buffer.due_ms()) == ([], 8_000)
        assert _ids(buffer.take(8_000)) == ["d"]

    def test_a_window_ends_while_the_function_can_still_run_unseen_by_other_readers(self) -> None:
        buffer = Buffer(10, 300_000, timeout_ms=3_000)
        buffer.add([_record("a", until_ms=30_000)], 0)
        assert buffer.due_ms() == 27_000
        buffer.timeout_ms = 30_000
        assert buffer.due_ms() == 15_000

    def test_what_others_may_have_read_meanwhile_is_left_to_them(self) -> None:
        buffer = Buffer(10, 0)
        buffer.add([_record("late", until_ms=5_000), _record("good", until_ms=9_000)], 0)
        assert _ids(buffer.take(5_000)) == ["good"]

    def test_an_event_is_at_most_six_megabytes(self) -> None:
        records = [_record(str(number), 1 << 20) for number in range(8)]
        buffer = Buffer(10, 60_000)
        buffer.add(records, 0)
        batch = buffer.take(0)
        assert len(batch) == 5
        assert len(payload(batch)) <= MAX_SYNC_PAYLOAD
        assert buffer.take(0) == []
        assert [len(part) for part in chunks(records)] == [5, 3]

    def test_shedding_takes_the_latest(self) -> None:
        buffer = Buffer(10, 0)
        buffer.add([_record("a"), _record("b"), _record("c")], 0)
        assert _ids(buffer.shed(1)) == ["c", "b"]
        assert _ids(buffer.take(0)) == ["a"]


class TestScaling:
    def test_five_at_first_and_three_hundred_more_a_minute_while_there_is_more(self) -> None:
        scaling = Scaling(None)
        assert scaling.limit == 5
        scaling.busy(0, 0.0)
        scaling.busy(1_000, 0.0)
        assert scaling.limit == 10
        scaling.busy(61_000, 0.0)
        assert scaling.limit == 310
        scaling.busy(3_600_000, 0.0)
        assert scaling.limit == 1_000
        scaling.idle()
        assert scaling.limit == 5

    def test_maximum_concurrency_and_reserved_concurrency_bound_it(self) -> None:
        scaling = Scaling(2)
        scaling.busy(0, 0.0)
        scaling.busy(60_000, 0.0)
        assert scaling.limit == 2
        scaling = Scaling(None)
        scaling.reserved = 3
        assert scaling.limit == 3
        scaling.reserved = 0
        assert scaling.limit == 1

    def test_throttles_halve_it_failures_take_a_little_and_success_restores_it(self) -> None:
        scaling = Scaling(None)
        scaling.throttled()
        assert scaling.limit == 2
        scaling.failed()
        scaling.failed()
        scaling.failed()
        assert scaling.limit == 1
        for _ in range(10):
            scaling.ended(100)
        assert scaling.limit == 5

    def test_short_functions_get_no_more_instances_but_are_read_for_in_advance(self) -> None:
        scaling = Scaling(None)
        assert scaling.ahead == 0
        for _ in range(20):
            scaling.ended(1)
        scaling.busy(0, 0.0)
        scaling.busy(60_000, 0.0)
        assert scaling.limit == 5
        assert 50 <= scaling.ahead <= 100
        scaling.busy(61_000, 5_000.0)  # it has become slow
        assert scaling.limit == 10

    def test_what_is_reserved_ends_growth(self) -> None:
        scaling = Scaling(None)
        assert scaling.may_grow
        scaling.reserved = 5
        assert not scaling.may_grow


def test_patterns_that_are_none_are_refused() -> None:
    with pytest.raises(Fault, match="Invalid filter pattern definition"):
        filters.read({"Filters": [{"Pattern": '{"body": "x"}'}]})
    with pytest.raises(Fault, match="less than or equal to 5"):
        filters.read({"Filters": [{"Pattern": '{"body": ["x"]}'}] * 6})
    assert filters.read({}) == []


@pytest.mark.parametrize(
    ("pattern", "body", "passes"),
    [
        ('{"body": {"City": ["Seattle"]}}', '{"City": "Seattle"}', True),
        ('{"body": {"City": ["Seattle"]}}', '{"City": "Paris"}', False),
        ('{"body": {"City": ["Seattle"]}}', "Seattle", False),
        ('{"body": ["Seattle"]}', "Seattle", True),
        ('{"body": ["Seattle"]}', '{"City": "Seattle"}', False),
        ('{"attributes": {"ApproximateReceiveCount": ["1"]}}', "anything", True),
        ('{"messageAttributes": {"kind": {"stringValue": ["big"]}}}', "anything", True),
        ('{"eventSource": [{"prefix": "aws:k"}]}', "anything", False),
        ('{"body": {"items": {"n": [{"numeric": [">", 5]}]}}}', '{"items": [{"n": 1}, {"n": 7}]}', True),
        ('{"body": ["{broken"]}', "{broken", True),
    ],
)
def test_filters_see_json_bodies_parsed_and_others_as_strings(pattern: str, body: str, passes: bool) -> None:
    message = Received(
        "id",
        "receipt",
        body,
        "md5",
        {"kind": {"DataType": "String", "StringValue": "big"}},
        None,
        {"ApproximateReceiveCount": "1"},
    )
    fields = queue_source.seen(message, "arn:aws:sqs:us-east-1:1:q", "us-east-1")
    assert filters.Filters([pattern]).accept(fields) is passes


def test_a_record_is_what_lambda_documents() -> None:
    message = Received(
        "11d6ee51",
        "AQEB",
        "Test",
        "0cbc",
        {
            "s": {"DataType": "String", "StringValue": "v"},
            "b": {"DataType": "Binary.png", "BinaryValue": b"\x00\xff"},
        },
        "abcd",
        {"ApproximateReceiveCount": "1", "SenderId": "AIDA"},
    )
    event = queue_source.record(message, "arn:aws:sqs:us-east-1:123456789012:q", "us-east-1")
    assert orjson.loads(orjson.dumps(event)) == {
        "messageId": "11d6ee51",
        "receiptHandle": "AQEB",
        "body": "Test",
        "attributes": {"ApproximateReceiveCount": "1", "SenderId": "AIDA"},
        "messageAttributes": {
            "s": {"stringValue": "v", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
            "b": {"binaryValue": "AP8=", "stringListValues": [], "binaryListValues": [], "dataType": "Binary.png"},
        },
        "md5OfMessageAttributes": "abcd",
        "md5OfBody": "0cbc",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:q",
        "awsRegion": "us-east-1",
    }
