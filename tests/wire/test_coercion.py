"""Values from templates take the model's types, or are refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from freehold import wire
from freehold.kit.faults import Fault


def coerce(service: str, operation: str, **params: Any) -> dict[str, Any]:
    return wire.coerce(wire.load(service).operations[operation], params)


def test_scalars_of_templates_become_what_the_model_says() -> None:
    given = {
        "FunctionName": 5,
        "MemorySize": "128",
        "Timeout": 3.0,
        "Publish": "true",
        "Code": {"ZipFile": "text", "S3Bucket": None},
        "Environment": {"Variables": {"A": 1, "B": True, "C": None}},
        "Layers": ["a"],
    }
    assert coerce("lambda", "CreateFunction", **given) == {
        "FunctionName": "5",
        "MemorySize": 128,
        "Timeout": 3,
        "Publish": True,
        "Code": {"ZipFile": b"text"},
        "Environment": {"Variables": {"A": "1", "B": "true"}},
        "Layers": ["a"],
    }


def test_recursive_values_and_times() -> None:
    item = {"a": {"L": [{"M": {"b": {"N": "1"}}}, {"B": b"x"}]}}
    assert coerce("dynamodb", "PutItem", TableName="t", Item=item) == {"TableName": "t", "Item": item}
    found = coerce("cloudwatch", "GetMetricStatistics", StartTime="2026-01-01T00:00:00Z", EndTime=1)
    assert found == {"StartTime": 1767225600, "EndTime": 1}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"MemorySize": "much"}, "Value of MemorySize must be of type Integer"),
        ({"MemorySize": 1.5}, "Value of MemorySize must be of type Integer"),
        ({"MemorySize": 2**31}, "Value of MemorySize must be of type Integer"),
        ({"MemorySize": str(2**31)}, "Value of MemorySize must be of type Integer"),
        ({"MemorySize": float("inf")}, "Value of MemorySize must be of type Integer"),
        ({"MemorySize": True}, "Value of MemorySize must be of type Integer"),
        ({"Publish": 1}, "Value of Publish must be of type Boolean"),
        ({"FunctionName": ["f"]}, "Value of FunctionName must be of type String"),
        ({"Layers": "a"}, "Value of Layers must be of type List"),
        ({"Layers": [{}]}, "Value of Layers.0 must be of type String"),
        ({"Environment": {"Variables": []}}, "Value of Environment.Variables must be of type Map"),
        ({"Environment": {"Variable": {}}}, "Unknown parameter Environment.Variable"),
    ],
)
def test_anything_else_is_refused_by_name(params: dict[str, Any], message: str) -> None:
    with pytest.raises(Fault) as refused:
        coerce("lambda", "CreateFunction", **params)
    assert (refused.value.code, refused.value.message) == ("ValidationException", message)
