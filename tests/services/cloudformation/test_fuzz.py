"""Templates of unexpected shapes: whatever stands where, the answer is a refusal or a plan, never a failure of ours."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from freehold.kit.faults import Fault
from tests.services.cloudformation.support import Cloud, run
from tests.services.cloudformation.things import thing

TEMPLATE: dict[str, Any] = {
    "AWSTemplateFormatVersion": "2010-09-09",
    "Transform": ["AWS::LanguageExtensions"],
    "Metadata": {"x": 1},
    "Parameters": {
        "P": {"Type": "String", "Default": "v", "AllowedValues": ["v", "w"], "AllowedPattern": "[a-z]+"},
        "N": {"Type": "Number", "Default": 1, "MinValue": 0, "MaxValue": 9},
        "L": {"Type": "CommaDelimitedList", "Default": "a,b"},
    },
    "Rules": {
        "R": {
            "RuleCondition": {"Fn::Equals": ["a", {"Ref": "P"}]},
            "Assertions": [{"Assert": {"Fn::Contains": [["v"], {"Ref": "P"}]}, "AssertDescription": "x"}],
        }
    },
    "Mappings": {"M": {"eu-west-1": {"K": "v"}}},
    "Conditions": {
        "C": {"Fn::Equals": [{"Ref": "P"}, "v"]},
        "D": {"Fn::And": [{"Condition": "C"}, {"Fn::Not": [{"Condition": "C"}]}]},
    },
    "Resources": {
        "A": thing(
            Name="a",
            Color={"Fn::Sub": "${P}-${AWS::Region}"},
            Size={"Ref": "N"},
            Labels={"a": {"Fn::Join": ["-", {"Ref": "L"}]}},
            Items=[{"Key": "k", "Value": {"Fn::Select": [0, {"Fn::Split": [",", "a,b"]}]}}],
        ),
        "B": {
            **thing(
                Color={"Fn::GetAtt": ["A", "Color"]},
                Shape={"Fn::If": ["C", {"Ref": "A"}, {"Ref": "AWS::NoValue"}]},
                Document={
                    "a": {"Fn::Base64": "x"},
                    "b": {"Fn::Cidr": ["10.0.0.0/16", 2, 8]},
                    "c": {"Fn::GetAZs": ""},
                    "d": {"Fn::FindInMap": ["M", {"Ref": "AWS::Region"}, "K", {"DefaultValue": 1}]},
                    "e": {"Fn::Length": [1]},
                    "f": {"Fn::ToJsonString": {"a": 1}},
                },
            ),
            "DependsOn": ["A"],
            "Condition": "C",
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Delete",
            "Metadata": {"a": 1},
        },
        "Fn::ForEach::X": ["I", ["1", "2"], {"T${I}": thing(Nested={"Deep": {"Ref": "I"}})}],
        "S": {
            "Type": "AWS::CloudFormation::Stack",
            "Properties": {"TemplateURL": "s3://b/k", "Parameters": {"a": "b"}},
        },
        "X": {"Type": "Custom::Thing", "Properties": {"ServiceToken": "arn:aws:lambda:x:y:function:z"}},
    },
    "Outputs": {"O": {"Value": {"Ref": "A"}, "Condition": "C", "Export": {"Name": {"Fn::Sub": "${AWS::StackName}-x"}}}},
}
JUNK: list[Any] = [
    *(None, 1, -1, 1.5, True, "", "x", "${", "${x}", "${A.}", "Fn::If", "A", "C", ["A", "B"], [], {}, [[]], [{}]),
    *({"Ref": 1}, {"Ref": "A"}, {"Ref": "S"}, {"Fn::GetAtt": "A"}, {"Fn::GetAtt": ["A", "Color"]}, {"Fn::Join": 1}),
    *({"Fn::Sub": [1]}, {"Fn::If": ["C"]}, {"Fn::If": [{"Ref": "P"}, 1, 2]}, {"Fn::Nope": 1}, {"Condition": 1}),
    *({"Fn::Select": ["x", 1]}, {"Fn::Transform": "x"}, {"Fn::Transform": {"Name": "AWS::Include"}}),
    *({"Fn::ForEach::Y": 1}, {"Fn::FindInMap": [1, 2, 3]}, {"Fn::Cidr": ["x"]}, {"a": {"b": {"c": [1, 2]}}}),
]
KEYS = ["Fn::If", "Ref", "Fn::Sub", "zz", "Type", "Fn::ForEach::Q", "Fn::Transform"]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))


def mutated(chance: random.Random) -> dict[str, Any]:
    document = copy.deepcopy(TEMPLATE)
    for _ in range(chance.choice([1, 1, 2, 3])):
        *way, last = chance.choice(list(places(document))[1:])
        parent: Any = document
        for key in way:
            parent = parent[key]
        kind = chance.random()
        if kind < 0.75:
            parent[last] = copy.deepcopy(chance.choice(JUNK))
        elif kind < 0.9 or isinstance(parent, list):
            del parent[last]
        else:
            parent[chance.choice(KEYS)] = parent.pop(last)
    return document


@pytest.mark.parametrize("seed", range(3))
def test_no_template_makes_it_fail(seed: int) -> None:
    async def body(cloud: Cloud) -> None:
        chance, plans = random.Random(seed), 0
        for number in range(150):
            text = json.dumps(mutated(chance))
            try:
                await cloud.create_change_set(
                    StackName=f"s{number}",
                    ChangeSetName="c",
                    ChangeSetType="CREATE",
                    TemplateBody=text,
                    Capabilities=["CAPABILITY_IAM"],
                )
                plans += 1
            except Fault as fault:
                assert fault.message
            for ask in (cloud.get_template_summary, cloud.validate_template):
                try:
                    await ask(TemplateBody=text)
                except Fault as fault:
                    assert fault.message
        assert 0 < plans < 150

    run(body)
