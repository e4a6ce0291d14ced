from __future__ import annotations

import json
from typing import Any

import pytest

from freehold.rules.inputs import InvalidInput, RuleVariables, compile_transformer

EVENT: dict[str, Any] = {
    "version": "0",
    "id": "7bf73129-1428-4cd3-a780-95db273d1602",
    "detail-type": "EC2 Instance State-change Notification",
    "source": "aws.ec2",
    "account": "123456789012",
    "time": "2015-11-11T21:29:54Z",
    "region": "us-east-1",
    "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111"],
    "detail": {"instance-id": "i-0123456789", "state": "RUNNING", "n": 3, "quote": 'say "hi"\n', "none": None},
}
PATHS = {
    "timestamp": "$.time",
    "instance": "$.detail.instance-id",
    "state": "$.detail.state",
    "detail": "$.detail",
    "n": "$.detail.n",
    "quote": "$.detail.quote",
    "none": "$.detail.none",
    "missing": "$.detail.nowhere",
}
RULE = RuleVariables("arn:aws:events:us-east-2:123456789012:rule/example", "example", "2026-01-01T00:00:00Z")


def apply(template: str) -> str:
    return compile_transformer(PATHS, template, target="t")(EVENT, RULE)


@pytest.mark.parametrize(
    ("template", "output"),
    [
        ('"instance <instance> is in <state>"', '"instance i-0123456789 is in RUNNING"'),
        ('"instance \\"<instance>\\" is in <state>"', '"instance \\"i-0123456789\\" is in RUNNING"'),
        ('{\n "instance" : <instance>,\n "state": <state>\n}', '{"instance":"i-0123456789","state":"RUNNING"}'),
        (
            '{"instance" : <instance>, "state": "<state>", "instanceStatus": "instance \\"<instance>\\" is in <state>"}',
            '{"instance":"i-0123456789","state":"RUNNING","instanceStatus":"instance \\"i-0123456789\\" is in RUNNING"}',
        ),
        (
            '{"instance": <instance>, "state": [9, <state>, true], "Transformed" : "Yes"}',
            '{"instance":"i-0123456789","state":[9,"RUNNING",true],"Transformed":"Yes"}',
        ),
        ('"<aws.events.rule-name> triggered"', '"example triggered"'),
        ('{"t": <timestamp>}', '{"t":"2015-11-11T21:29:54Z"}'),
        ('{"at": <aws.events.event.ingestion-time>}', '{"at":"2026-01-01T00:00:00Z"}'),
        ("<instance>", '"i-0123456789"'),
        ('"first <n>"\n"second <state>"', '"first 3"\n"second RUNNING"'),
    ],
)
def test_the_documented_examples(template: str, output: str) -> None:
    assert apply(template) == output


def test_reserved_variables_in_json() -> None:
    made = json.loads(
        apply('{"arn": <aws.events.rule-arn>, "all": <aws.events.event.json>, "head": <aws.events.event>}')
    )
    assert made["arn"] == RULE.rule_arn
    assert made["all"] == EVENT
    assert made["head"] == {name: value for name, value in EVENT.items() if name != "detail"}


def test_objects_as_values_stay_objects_and_lose_their_quotes_inside_a_string() -> None:
    assert json.loads(apply('{"d": <detail>}'))["d"] == EVENT["detail"]
    assert json.loads(apply('{"d": "<detail>"}'))["d"].startswith("{instance-id:i-0123456789,state:RUNNING,n:3")


def test_strings_inside_a_string_keep_json_valid() -> None:
    assert json.loads(apply('{"q": "they <quote>"}')) == {"q": 'they say "hi"\n'}


def test_what_the_event_has_not_is_empty_and_null_is_null() -> None:
    assert apply('{"a": <missing>, "b": "x<missing>y", "c": <none>, "d": <n>}') == '{"a":"","b":"xy","c":null,"d":3}'


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("instance <instance>", "Invalid InputTemplate for target t : [Source: (String)"),
        ('{"a": <instance>', "Invalid InputTemplate for target t : [Source: (String)"),
        ("{<instance>: 1}", "Invalid InputTemplate for target t : [Source: (String)"),
        ('{"a": 1} {"b": 2}', "Invalid InputTemplate for target t"),
        ("", "Invalid InputTemplate for target t"),
        ('{"a": <other>}', "InputTemplate for target t contains invalid placeholder other."),
        ("[" * 8000, "Invalid InputTemplate for target t"),
    ],
)
def test_a_template_that_is_not_json_is_refused(template: str, says: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        apply(template)
    assert str(refused.value).startswith(says)


def test_the_map_is_bounded_and_its_names_are_not_reserved() -> None:
    for paths in ({"aws.events.event": "$"}, {f"n{i}": "$" for i in range(101)}, {"a": "detail"}):
        with pytest.raises(InvalidInput):
            compile_transformer(paths, '"x"')


def test_the_output_is_bounded() -> None:
    big = {"detail": "x" * 250_000}
    transformer = compile_transformer({"d": "$.detail"}, '{"a": [' + ",".join(["<d>"] * 100) + "]}")
    with pytest.raises(InvalidInput, match="larger"):
        transformer(big, RULE)


def test_numbers_of_thousands_of_digits_are_refused() -> None:
    """Found by ./dev fuzz."""
    with pytest.raises(InvalidInput, match="number"):
        compile_transformer({}, '{"a": ' + "9" * 5_000 + "}")
