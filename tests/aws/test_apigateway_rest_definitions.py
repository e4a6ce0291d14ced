"""Definitions of REST APIs: made by hand as CDK does, exported and imported, listed; what does not act is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.aws.conftest import Server
from tests.aws.rest_apis import Api, Client, Deploy, definition, deploy, echo, invocation_uri

__all__ = ["deploy", "echo"]


def test_an_api_by_hand_as_cdk_makes_it(aws: Client, server: Server, echo: str) -> None:
    client = aws("apigateway")
    made = client.create_rest_api(name="hand", endpointConfiguration={"types": ["REGIONAL"]})
    api = made["id"]
    pets = client.create_resource(restApiId=api, parentId=made["rootResourceId"], pathPart="pets")["id"]
    where = {"restApiId": api, "resourceId": pets}
    client.put_method(**where, httpMethod="GET", authorizationType="NONE", operationName="listPets")
    client.put_integration(
        **where, httpMethod="GET", type="AWS_PROXY", integrationHttpMethod="POST", uri=invocation_uri(echo)
    )
    client.put_method(**where, httpMethod="OPTIONS", authorizationType="NONE")
    client.put_method_response(
        **where,
        httpMethod="OPTIONS",
        statusCode="204",
        responseParameters={"method.response.header.Access-Control-Allow-Origin": True},
    )
    client.put_integration(
        **where, httpMethod="OPTIONS", type="MOCK", requestTemplates={"application/json": "{ statusCode: 200 }"}
    )
    client.put_integration_response(
        **where,
        httpMethod="OPTIONS",
        statusCode="204",
        responseParameters={"method.response.header.Access-Control-Allow-Origin": "'http://a'"},
    )
    client.create_deployment(restApiId=api, stageName="v1")
    at = Api(server, api)
    assert at("/v1/pets").json()["resource"] == "/pets"
    preflight = at("/v1/pets", "OPTIONS")
    assert preflight.status == 204 and preflight.header("access-control-allow-origin") == "http://a"
    with pytest.raises(client.exceptions.ConflictException, match="Another resource with the same parent"):
        client.create_resource(restApiId=api, parentId=made["rootResourceId"], pathPart="pets")
    embedded = client.get_resources(restApiId=api, embed=["methods"])["items"]
    methods = next(one["resourceMethods"] for one in embedded if one["path"] == "/pets")
    assert methods["GET"]["methodIntegration"]["type"] == "AWS_PROXY"
    assert methods["GET"]["methodIntegration"]["httpMethod"] == "POST"
    client.delete_resource(restApiId=api, resourceId=pets)
    with pytest.raises(client.exceptions.NotFoundException, match="Invalid Resource identifier specified"):
        client.get_resource(restApiId=api, resourceId=pets)


def test_export_imports_to_the_same_api(deploy: Deploy, aws: Client, echo: str) -> None:
    client = aws("apigateway")
    api = deploy(definition(echo))
    for kind in ("swagger", "oas30"):
        exported = client.get_export(
            restApiId=api.id, stageName="prod", exportType=kind, parameters={"extensions": "apigateway"}
        )
        again = deploy(json.loads(exported["body"].read()))
        assert again("/prod/items/1").json()["resource"] == "/items/{id}"
        assert again("/prod/hello", "OPTIONS").header("access-control-allow-origin") == "*"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"x-amazon-apigateway-request-validators": {}}, "request-validators"),
        ({"x-amazon-apigateway-minimum-compression-size": 1}, "minimum-compression-size"),
    ],
)
def test_parts_of_definitions_that_do_not_act_are_refused_by_name(
    aws: Client, echo: str, change: dict[str, Any], named: str
) -> None:
    client = aws("apigateway")
    with pytest.raises(client.exceptions.ClientError, match=named):
        client.import_rest_api(body=json.dumps(definition(echo, **change)).encode())


def test_templates_that_compute_are_refused_by_name(aws: Client) -> None:
    client = aws("apigateway")
    made = client.create_rest_api(name="vtl")
    where = {"restApiId": made["id"], "resourceId": made["rootResourceId"], "httpMethod": "GET"}
    client.put_method(**where, authorizationType="NONE")
    with pytest.raises(client.exceptions.ClientError, match="VTL"):
        client.put_integration(
            **where, type="MOCK", requestTemplates={"application/json": '#set($a = 1){"statusCode": $a}'}
        )
    with pytest.raises(client.exceptions.ClientError, match="integrations of type AWS"):
        client.put_integration(**where, type="AWS", integrationHttpMethod="POST", uri="arn:aws:x")


def test_lists_are_paged(aws: Client) -> None:
    client = aws("apigateway")
    for index in range(3):
        client.create_rest_api(name=f"n{index}", tags={"a": "b"})
    pages = list(client.get_paginator("get_rest_apis").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["items"]) for page in pages] == [2, 1]
    arn = f"arn:aws:apigateway:us-east-1::/restapis/{pages[0]['items'][0]['id']}"
    client.tag_resource(resourceArn=arn, tags={"c": "d"})
    client.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert client.get_tags(resourceArn=arn)["tags"] == {"c": "d"}
    with pytest.raises(client.exceptions.NotFoundException, match="Invalid API identifier specified"):
        client.get_rest_api(restApiId="nothere000")
