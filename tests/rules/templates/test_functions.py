"""Intrinsic functions."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.rules.templates.document import TemplateError
from freehold.rules.templates.functions import UNKNOWN, Scope, evaluate


def scope(**changes: Any) -> Scope:
    values: dict[str, Any] = {
        "parameters": {"P": "value", "L": ["a", "b", "c"], "Env": "prod"},
        "pseudo": {"AWS::Region": "eu-west-1", "AWS::AccountId": "111122223333"},
        "mappings": {"M": {"eu-west-1": {"Ami": "ami-1", "Zones": ["x", "y"]}}},
        "conditions": {
            "IsProd": {"Fn::Equals": [{"Ref": "Env"}, "prod"]},
            "IsDev": {"Fn::Not": [{"Condition": "IsProd"}]},
            "Both": {"Fn::And": [{"Condition": "IsProd"}, {"Fn::Equals": ["a", "a"]}]},
            "Either": {"Fn::Or": [{"Condition": "IsDev"}, {"Fn::Equals": [1, "1"]}]},
            "Loop": {"Fn::Not": [{"Condition": "Loop"}]},
        },
        "resources": frozenset({"R", "New"}),
        "ref": lambda name: UNKNOWN if name == "New" else "r-1",
        "attribute": lambda name, attribute: UNKNOWN if name == "New" else f"{name}/{attribute}",
        "import_value": lambda name: {"net": "vpc-1"}[name],
    }
    return Scope(**{**values, **changes})


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ({"Ref": "P"}, "value"),
        ({"Ref": "L"}, ["a", "b", "c"]),
        ({"Ref": "AWS::Region"}, "eu-west-1"),
        ({"Ref": "R"}, "r-1"),
        ({"Fn::GetAtt": ["R", "Arn"]}, "R/Arn"),
        ({"Fn::GetAtt": "R.Endpoint.Port"}, "R/Endpoint.Port"),
        ({"Fn::Join": ["-", ["a", {"Ref": "P"}, 3, True]]}, "a-value-3-true"),
        ({"Fn::Join": ["", {"Ref": "L"}]}, "abc"),
        ({"Fn::Sub": "${P} ${R.Arn} ${AWS::AccountId} ${!Literal} $x"}, "value R/Arn 111122223333 ${Literal} $x"),
        ({"Fn::Sub": ["${X}-${P}", {"X": {"Ref": "R"}}]}, "r-1-value"),
        ({"Fn::Select": ["1", {"Ref": "L"}]}, "b"),
        ({"Fn::Select": [0, {"Fn::Split": ["|", "x|y"]}]}, "x"),
        ({"Fn::If": ["IsProd", "big", {"Ref": "Missing"}]}, "big"),
        ({"Fn::If": ["Both", 1, 2]}, 1),
        ({"Fn::If": ["Either", 1, 2]}, 1),
        ({"Fn::If": ["IsDev", 1, 2]}, 2),
        ({"Fn::FindInMap": ["M", {"Ref": "AWS::Region"}, "Ami"]}, "ami-1"),
        ({"Fn::FindInMap": ["M", "eu-west-1", "Zones"]}, ["x", "y"]),
        ({"Fn::Base64": "hello"}, "aGVsbG8="),
        ({"Fn::Cidr": ["10.0.0.0/16", 3, 8]}, ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"]),
        ({"Fn::Cidr": ["2001:db8::/56", "2", "64"]}, ["2001:db8::/64", "2001:db8:0:1::/64"]),
        ({"Fn::GetAZs": ""}, ["eu-west-1a", "eu-west-1b", "eu-west-1c"]),
        ({"Fn::ImportValue": {"Fn::Sub": "net"}}, "vpc-1"),
        ({"a": {"Fn::If": ["IsDev", 1, {"Ref": "AWS::NoValue"}]}, "b": 1}, {"b": 1}),
        ([1, {"Ref": "AWS::NoValue"}, 2], [1, 2]),
        # Only in the Conditions section is {"Condition": name} a function: policies have members of that name.
        ({"Condition": "IsProd"}, {"Condition": "IsProd"}),
    ],
)
def test_functions_give_what_cloudformation_documents(expression: Any, value: Any) -> None:
    assert evaluate(expression, scope()) == value


@pytest.mark.parametrize(
    "expression",
    [
        {"Ref": "New"},
        {"Fn::Sub": "a-${New}"},
        {"Fn::Sub": "${New.Arn}"},
        {"Fn::Join": ["", ["a", {"Ref": "New"}]]},
        {"Fn::Select": [0, {"Fn::Split": ["/", {"Fn::GetAtt": ["New", "Arn"]}]}]},
        {"Fn::Base64": {"Ref": "New"}},
    ],
)
def test_what_depends_on_something_unknown_is_unknown(expression: Any) -> None:
    assert evaluate(expression, scope()) is UNKNOWN


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ({"Fn::GetAtt": ["Nope", "Arn"]}, "Template error: instance of Fn::GetAtt references undefined resource Nope"),
        ({"Fn::Select": [3, ["a"]]}, "Template error: Fn::Select cannot select nonexistent value at index 3"),
        ({"Fn::FindInMap": ["M", "mars", "Ami"]}, "Template error: Unable to get mapping for M::mars::Ami"),
        (
            {"Ref": "Nope"},
            "Template format error: Unresolved resource dependencies [Nope] in the Resources block of the template",
        ),
        (
            {"Fn::Sub": "${a b}"},
            "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores,"
            " periods, and colons",
        ),
        ({"Fn::Sub": "${L}"}, "Template error: variable L in Fn::Sub expression does not resolve to a string"),
        (
            {"Fn::Join": [",", "abc"]},
            "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of"
            " strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined.",
        ),
        ({"Fn::If": ["Loop", 1, 2]}, "Template error: Found circular condition dependency: Loop"),
        ({"Fn::Nope": 1}, "Template error: Encountered unsupported function: Fn::Nope"),
    ],
)
def test_errors_have_the_texts_of_aws(expression: Any, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        evaluate(expression, scope())
    assert caught.value.message == message


def test_language_extensions_must_be_declared() -> None:
    with pytest.raises(TemplateError, match="AWS::LanguageExtensions"):
        evaluate({"Fn::Length": [1, 2]}, scope())
    extended = scope(extended=True)
    assert evaluate({"Fn::Length": {"Ref": "L"}}, extended) == 3
    assert evaluate({"Fn::ToJsonString": {"a": {"Ref": "P"}}}, extended) == '{"a":"value"}'
    assert evaluate({"Fn::FindInMap": ["M", "mars", "Ami", {"DefaultValue": "none"}]}, extended) == "none"
    with pytest.raises(TemplateError):
        evaluate({"Fn::FindInMap": ["M", "mars", "Ami", {"DefaultValue": "none"}]}, scope())
