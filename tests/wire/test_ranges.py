"""Smithy's integers have 32 bits and its longs 64: a number beyond is of another type (smithy.io, "Simple types")."""

from __future__ import annotations

from typing import Any

import pytest

from freehold import wire
from freehold.kit.faults import Fault
from tests.wire.requests import sent

INT, LONG = 2**31, 2**63


def parsed(service: str, operation: str, **params: Any) -> dict[str, Any]:
    request = sent(service, operation, **params)
    loaded = wire.load(service)
    match = wire.match([loaded], request, hint=loaded.signing_name)
    return wire.parse(match, request)


IN_JSON = ("events", "create_archive", {"ArchiveName": "a", "EventSourceArn": "arn"}, "RetentionDays")
IN_CBOR = ("cloudwatch", "describe_alarms", {}, "MaxRecords")
IN_FORM = ("iam", "list_users", {}, "MaxItems")
IN_QUERY_STRING = ("lambda", "list_functions", {}, "MaxItems")
IN_A_HEADER = ("s3", "list_objects_v2", {"Bucket": "bucket"}, "MaxKeys")
EVERYWHERE = (IN_JSON, IN_CBOR, IN_FORM, IN_QUERY_STRING, IN_A_HEADER)


@pytest.mark.parametrize("place", EVERYWHERE, ids=lambda place: place[0])
@pytest.mark.parametrize("number", [INT - 1, INT, LONG])
def test_integers_have_32_bits(place: tuple[str, str, dict[str, Any], str], number: int) -> None:
    service, operation, params, member = place
    params = {**params, member: number}
    if number < INT:
        assert parsed(service, operation, **params)[member] == number
    else:
        with pytest.raises(Fault) as refused:
            parsed(service, operation, **params)
        assert refused.value.status == 400


def test_a_json_service_says_so_as_it_says_any_wrong_type() -> None:
    with pytest.raises(Fault) as refused:
        parsed("dynamodb", "scan", TableName="table", Limit=INT)
    assert (refused.value.code, str(refused.value)) == (
        "SerializationException",
        "NUMBER_VALUE cannot be converted to Integer",
    )


def test_longs_have_64_bits() -> None:
    given = {"logGroupName": "g", "endTime": LONG - 1}
    assert parsed("logs", "filter_log_events", **given)["endTime"] == LONG - 1
    with pytest.raises(Fault, match="NUMBER_VALUE cannot be converted to Long"):
        parsed("logs", "filter_log_events", **{**given, "endTime": LONG})
