"""The serverless transform."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any

import pytest

from freehold.kit.faults import Fault
from freehold.services.cloudformation import sam

FUNCTION: dict[str, Any] = {
    "Type": "AWS::Serverless::Function",
    "Properties": {
        "InlineCode": "x",
        "Handler": "a.b",
        "Runtime": "python3.11",
        "Policies": ["AWSXrayWriteOnlyAccess"],
        "Events": {"E": {"Type": "Api", "Properties": {"RestApiId": {"Ref": "A"}, "Path": "/", "Method": "get"}}},
    },
}


def transform(resources: dict[str, Any], cache: Any = None, **parameters: Any) -> dict[str, Any]:
    document = {"Parameters": {name: {"Type": "CommaDelimitedList"} for name in parameters}, "Resources": resources}
    cache = OrderedDict() if cache is None else cache
    return asyncio.run(sam.transform(cache, document, parameters, "eu-west-1"))


def test_parameters_of_list_types_are_lists_to_the_transform() -> None:
    policy = {"ResourcePolicy": {"IpRangeBlacklist": {"Ref": "L"}}}
    api = {"Type": "AWS::Serverless::Api", "Properties": {"StageName": "P", "Auth": policy}}
    found = transform({"A": api, "F": FUNCTION}, L=["10.0.0.1", "10.1.0.0/16"])
    statements = found["Resources"]["A"]["Properties"]["Body"]["x-amazon-apigateway-policy"]["Statement"]
    assert statements[1]["Condition"] == {"IpAddress": {"aws:SourceIp": ["10.0.0.1", "10.1.0.0/16"]}}


def test_managed_policies_get_their_arns_and_results_are_kept() -> None:
    cache: OrderedDict[str, str] = OrderedDict()
    resources = {"A": {"Type": "AWS::Serverless::Api", "Properties": {"StageName": "P"}}, "F": FUNCTION}
    found = transform(resources, cache)
    assert found["Resources"]["FRole"]["Properties"]["ManagedPolicyArns"] == [
        "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
        "arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess",
    ]
    assert len(cache) == 1
    assert transform(resources, cache) == found
    assert len(cache) == 1


def test_the_application_repository_is_refused_by_name() -> None:
    location = {"ApplicationId": "arn:aws:serverlessrepo:us-east-1:1:applications/x", "SemanticVersion": "1.0.0"}
    application = {"Type": "AWS::Serverless::Application", "Properties": {"Location": location}}
    with pytest.raises(Fault, match="the Serverless Application Repository"):
        transform({"App": application})
    nested = {"Type": "AWS::Serverless::Application", "Properties": {"Location": "s3://b/t.yaml"}}
    assert transform({"App": nested})["Resources"]["App"]["Type"] == "AWS::CloudFormation::Stack"
