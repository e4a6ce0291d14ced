"""Stages of REST APIs: what they serve, how fast, and what they record."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.aws.conftest import Server
from tests.aws.rest_apis import Client, Deploy, definition, deploy, echo, send
from tests.aws.waiting import eventually

__all__ = ["deploy", "echo"]


def test_methods_are_throttled_by_the_stage(deploy: Deploy, aws: Client, echo: str) -> None:
    api, client = deploy(definition(echo)), aws("apigateway")
    shown = client.update_stage(
        restApiId=api.id,
        stageName="prod",
        patchOperations=[
            {"op": "replace", "path": "/~1hello/GET/throttling/rateLimit", "value": "0.001"},
            {"op": "replace", "path": "/~1hello/GET/throttling/burstLimit", "value": "2"},
        ],
    )
    assert shown["methodSettings"]["~1hello/GET"]["throttlingBurstLimit"] == 2
    assert [api("/prod/hello").status for _ in range(3)] == [200, 200, 429]
    assert api("/prod/hello").json() == {"message": "Too Many Requests"}
    assert api("/prod/items/special").status == 200


def test_access_logs(deploy: Deploy, aws: Client, echo: str, account: str) -> None:
    logs, client = aws("logs"), aws("apigateway")
    logs.create_log_group(logGroupName="access")
    api = deploy(definition(echo))
    line = "$context.requestId $context.httpMethod $context.resourcePath $context.status $context.error.message"
    client.update_stage(
        restApiId=api.id,
        stageName="prod",
        patchOperations=[
            {
                "op": "add",
                "path": "/accessLogSettings/destinationArn",
                "value": f"arn:aws:logs:us-east-1:{account}:log-group:access",
            },
            {"op": "add", "path": "/accessLogSettings/format", "value": line},
        ],
    )
    request_id = api("/prod/hello").header("x-amzn-requestid")
    api("/prod/nowhere")

    def lines() -> Any:
        found = logs.filter_log_events(logGroupName="access")["events"]
        return found if len(found) == 2 else None

    events = eventually(lines)
    assert events[0]["message"] == f"{request_id} GET /hello 200 -"
    assert events[1]["message"].endswith("GET - 403 Missing Authentication Token")


def test_stages_serve_the_deployment_and_not_the_draft(deploy: Deploy, aws: Client, echo: str) -> None:
    client = aws("apigateway")
    api = deploy(definition(echo))
    first = client.get_stage(restApiId=api.id, stageName="prod")["deploymentId"]
    document = definition(echo)
    document["paths"]["/fresh"] = {"get": document["paths"]["/hello"]["get"]}
    ids = {r["path"]: r["id"] for r in client.get_resources(restApiId=api.id, limit=500)["items"]}
    client.put_rest_api(restApiId=api.id, mode="overwrite", body=json.dumps(document).encode())
    found = {r["path"]: r["id"] for r in client.get_resources(restApiId=api.id, limit=500)["items"]}
    assert found.items() >= ids.items(), "resources that stay keep their ids"
    assert api("/prod/fresh").status == 403
    second = client.create_deployment(restApiId=api.id)["id"]
    client.update_stage(
        restApiId=api.id,
        stageName="prod",
        patchOperations=[{"op": "replace", "path": "/deploymentId", "value": second}],
    )
    assert api("/prod/fresh").status == 200
    with pytest.raises(client.exceptions.BadRequestException, match="Active stages pointing to this deployment"):
        client.delete_deployment(restApiId=api.id, deploymentId=second)
    client.delete_deployment(restApiId=api.id, deploymentId=first)
    embedded = client.get_deployment(restApiId=api.id, deploymentId=second, embed=["apisummary"])
    assert embedded["apiSummary"]["/fresh"]["GET"]["authorizationType"] == "NONE"


def test_the_execute_api_endpoint_can_be_disabled(deploy: Deploy, aws: Client, echo: str) -> None:
    client = aws("apigateway")
    api = deploy(definition(echo))
    assert api("/prod/hello").status == 200
    client.update_rest_api(
        restApiId=api.id, patchOperations=[{"op": "replace", "path": "/disableExecuteApiEndpoint", "value": "true"}]
    )
    client.create_deployment(restApiId=api.id, stageName="prod")
    answer = api("/prod/hello")
    assert (answer.status, answer.json()) == (403, {"message": "Forbidden"})


def test_a_stage_that_traces_records_a_segment(
    deploy: Deploy, aws: Client, server: Server, account: str, echo: str
) -> None:
    api = deploy(definition(echo), tracingEnabled=True)
    root = f"1-{int(time.time()):08x}-{account * 2}"
    api("/prod/hello", X_Amzn_Trace_Id=f"Root={root};Sampled=1")

    def recorded() -> Any:
        found = send(server, "127.0.0.1", f"/_freehold/traces?account={account}&region=us-east-1").json()
        (segments,) = [trace["Segments"] for trace in found["traces"] if trace["Id"] == root] or [[]]
        return "AWS::ApiGateway::Stage" in {segment.get("origin") for segment in segments}

    assert eventually(recorded)
