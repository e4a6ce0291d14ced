"""Numbers that clients write. Each of these was an internal failure somewhere; found by ./dev fuzz."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.kit.faults import Fault
from freehold.kit.numerals import whole
from freehold.rules import s3urls
from freehold.services.apigateway.http import common as http_common
from freehold.services.apigateway.http.mapping import Mapped
from freehold.services.apigateway.http.mapping import apply as apply_mapping
from freehold.services.apigateway.rest import common as rest_common
from freehold.services.lambda_.names import parse_layer
from freehold.services.s3.conditions import byte_range, copy_range
from freehold.services.sns import attributes as sns_attributes
from freehold.services.sqs import attributes as sqs_attributes

ODD = ("", "x", "-1", "1.5", "²", "\u0661", "9" * 5_000)


def test_whole_numbers() -> None:
    assert (whole("0"), whole("007"), whole("9" * 15)) == (0, 7, 10**15 - 1)
    assert [whole(text) for text in ODD] == [None] * len(ODD)
    assert whole("1" * 4, 3) is None


@pytest.mark.parametrize("text", ODD)
def test_what_is_no_number_is_refused_by_every_service(text: str) -> None:
    calls: list[Any] = [
        lambda: sqs_attributes._number("VisibilityTimeout", text, 0, 43_200),
        lambda: sns_attributes._size(None, text),  # type: ignore[arg-type]
        lambda: http_common.paged({"NextToken": text}, []),
        lambda: http_common.paged({"MaxResults": text}, []),
        lambda: rest_common.paged({"position": text}, []),
        lambda: parse_layer(f"arn:aws:lambda:us-east-1:000000000000:layer:a:{text}", "", ""),
        lambda: copy_range(f"bytes=0-{text}", 10),
    ]
    for call in calls:
        with pytest.raises(Fault):
            call()
    assert s3urls.parse("s3://b/k", (f"h:{text}",))


def test_a_range_ends_with_its_object_however_long_the_number_is() -> None:
    assert byte_range(f"bytes=2-{'9' * 5_000}", 10) == (2, 10)
    assert byte_range(f"bytes=-{'9' * 5_000}", 10) == (0, 10)
    with pytest.raises(Fault):
        byte_range(f"bytes={'9' * 5_000}-", 10)


def test_a_status_that_is_none_is_not_mapped() -> None:
    for text in (*ODD, "100", "99999"):
        mapped = Mapped({}, {}, status=200)
        apply_mapping({"overwrite:statuscode": text}, mapped, lambda name: None)
        assert mapped.status == 200
    apply_mapping({"overwrite:statuscode": "418"}, mapped, lambda name: None)
    assert mapped.status == 418
