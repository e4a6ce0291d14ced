"""First-class integrations of HTTP APIs over the wire: a request becomes a message or an event."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.aws.conftest import Server
from tests.aws.test_s3_notifications import Listener

Aws = Callable[..., Any]
NS = {"q": "http://queue.amazonaws.com/doc/2012-11-05/"}


class Gateway:
    """An HTTP API with one integration per route."""

    def __init__(self, aws: Aws, server: Server, account: str) -> None:
        self.api, self.account = aws("apigatewayv2"), account
        self.role = f"arn:aws:iam::{account}:role/gateway"
        self.id = self.api.create_api(Name="a", ProtocolType="HTTP")["ApiId"]
        self.api.create_stage(ApiId=self.id, StageName="$default", AutoDeploy=True)
        self.url = f"{server.url}/_apis/{self.id}"

    def integrate(self, route: str, subtype: str, parameters: dict[str, str], **options: Any) -> str:
        made = self.api.create_integration(
            **{
                "ApiId": self.id, "IntegrationType": "AWS_PROXY", "IntegrationSubtype": subtype,
                "PayloadFormatVersion": "1.0", "CredentialsArn": self.role, "RequestParameters": parameters, **options,
            }
        )  # fmt: skip
        self.api.create_route(ApiId=self.id, RouteKey=route, Target=f"integrations/{made['IntegrationId']}")
        return str(made["IntegrationId"])

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str, dict[str, str]]:
        request = urllib.request.Request(self.url + path, body.encode() or None, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), dict(error.headers)


@pytest.fixture
def gateway(aws: Aws, server: Server, account: str) -> Gateway:
    return Gateway(aws, server, account)


def test_messages_are_sent_received_and_deleted(gateway: Gateway, aws: Aws) -> None:
    queue = Listener(aws, gateway.account)
    attributes = '{"who": {"DataType": "String", "StringValue": "${request.header.who}"}}'
    sending = {"QueueUrl": queue.url, "MessageBody": "$request.body", "MessageAttributes": attributes}
    gateway.integrate("POST /messages", "SQS-SendMessage", sending)
    receiving = {
        "QueueUrl": queue.url, "MaxNumberOfMessages": "$request.querystring.most", "MessageAttributeNames": "All",
    }  # fmt: skip
    gateway.integrate("GET /messages", "SQS-ReceiveMessage", receiving)
    gateway.integrate(
        "DELETE /messages", "SQS-DeleteMessage", {"QueueUrl": queue.url, "ReceiptHandle": "$request.body.handle"}
    )
    gateway.integrate("POST /purge", "SQS-PurgeQueue", {"QueueUrl": queue.url})
    status, body, headers = gateway.ask("POST", "/messages", '{"a": 1}', who="ann")
    assert status == 200, body
    assert headers["content-type"].startswith("text/xml")
    sent = ET.fromstring(body)
    identifier = sent.findtext("q:SendMessageResult/q:MessageId", namespaces=NS)
    assert identifier
    _, body, _ = gateway.ask("GET", "/messages?most=1")
    received = ET.fromstring(body).find("q:ReceiveMessageResult/q:Message", NS)
    assert received is not None
    assert received.findtext("q:Body", namespaces=NS) == '{"a": 1}'
    assert received.findtext("q:MessageId", namespaces=NS) == identifier
    assert received.findtext("q:MessageAttribute/q:Value/q:StringValue", namespaces=NS) == "ann"
    handle = received.findtext("q:ReceiptHandle", namespaces=NS)
    assert gateway.ask("DELETE", "/messages", json.dumps({"handle": handle}))[0] == 200
    gateway.ask("POST", "/messages", "{}", who="bob")
    assert gateway.ask("POST", "/purge")[0] == 200
    assert queue.messages(0) == []


def test_errors_of_sqs_are_the_answer(gateway: Gateway) -> None:
    gone = f"https://sqs.us-east-1.amazonaws.com/{gateway.account}/gone"
    gateway.integrate("POST /gone", "SQS-SendMessage", {"QueueUrl": gone, "MessageBody": "$request.body.text"})
    status, body, _ = gateway.ask("POST", "/gone", '{"text": "x"}')
    assert status == 400
    assert "AWS.SimpleQueueService.NonExistentQueue" in body
    status, body, _ = gateway.ask("POST", "/gone", "{}")
    assert status == 400 and "MessageBody" in body


def test_answers_may_be_mapped(gateway: Gateway, aws: Aws) -> None:
    queue = Listener(aws, gateway.account)
    gateway.integrate(
        "POST /", "SQS-SendMessage", {"QueueUrl": queue.url, "MessageBody": '"$context.routeKey"'},
        ResponseParameters={"200": {"overwrite:statuscode": "202", "append:header.queued": "yes"}},
    )  # fmt: skip
    status, _, headers = gateway.ask("POST", "/", "x")
    assert (status, headers["queued"]) == (202, "yes")
    assert queue.messages() == ["POST /"]


def test_events_are_put(gateway: Gateway, aws: Aws) -> None:
    queue, events = Listener(aws, gateway.account, open_to="events.amazonaws.com"), aws("events")
    events.create_event_bus(Name="orders")
    events.put_rule(Name="r", EventBusName="orders", EventPattern='{"source": ["shop"]}')
    events.put_targets(Rule="r", EventBusName="orders", Targets=[{"Id": "q", "Arn": queue.arn}])
    parameters = {
        "Detail": "$request.body", "DetailType": "Order ${request.path.kind}", "Source": "shop",
        "EventBusName": "orders", "Resources": "$request.querystring.of", "Time": "2026-01-02T03:04:05Z",
    }  # fmt: skip
    gateway.integrate("POST /orders/{kind}", "EventBridge-PutEvents", parameters)
    status, body, headers = gateway.ask("POST", "/orders/placed?of=r1", '{"a": [1]}')
    assert status == 200, body
    assert "json" in headers["content-type"]
    answer = json.loads(body)
    assert answer["FailedEntryCount"] == 0
    [event] = queue.messages()
    assert event["id"] == answer["Entries"][0]["EventId"]
    assert (event["detail-type"], event["detail"], event["resources"]) == ("Order placed", {"a": [1]}, ["r1"])
    assert event["time"] == "2026-01-02T03:04:05Z"
    status, body, _ = gateway.ask("POST", "/orders/placed", "no json")
    assert json.loads(body)["Entries"][0]["ErrorCode"] == "MalformedDetail"


def test_what_is_not_done_is_refused_when_it_is_made(gateway: Gateway) -> None:
    with pytest.raises(ClientError, match="StepFunctions-StartExecution"):
        gateway.integrate("GET /", "StepFunctions-StartExecution", {"StateMachineArn": "x"})
    with pytest.raises(ClientError, match="Required parameter MessageBody"):
        gateway.integrate("GET /", "SQS-SendMessage", {"QueueUrl": "x"})
    with pytest.raises(ClientError, match="CredentialsArn"):
        gateway.integrate("GET /", "SQS-PurgeQueue", {"QueueUrl": "x"}, CredentialsArn="")


def test_stacks_and_definitions_make_them(aws: Aws, server: Server, account: str) -> None:
    parameters = {"QueueUrl": {"Ref": "Queue"}, "MessageBody": "$request.body"}
    definition = {
        "openapi": "3.0.1",
        "info": {"title": "defined"},
        "paths": {
            "/": {
                "post": {
                    "x-amazon-apigateway-integration": {
                        "integrationSubtype": "SQS-SendMessage",
                        "credentials": {"Fn::GetAtt": ["Role", "Arn"]},
                        "requestParameters": parameters,
                        "payloadFormatVersion": "1.0",
                        "type": "aws_proxy",
                        "connectionType": "INTERNET",
                    }
                }
            }
        },
    }
    trust = {"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}
    template = {
        "Resources": {
            "Queue": {"Type": "AWS::SQS::Queue"},
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]}},
            },
            "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": "a", "ProtocolType": "HTTP"}},
            "Stage": {
                "Type": "AWS::ApiGatewayV2::Stage",
                "Properties": {"ApiId": {"Ref": "Api"}, "StageName": "$default", "AutoDeploy": True},
            },
            "Integration": {
                "Type": "AWS::ApiGatewayV2::Integration",
                "Properties": {
                    "ApiId": {"Ref": "Api"},
                    "IntegrationType": "AWS_PROXY",
                    "IntegrationSubtype": "SQS-SendMessage",
                    "PayloadFormatVersion": "1.0",
                    "CredentialsArn": {"Fn::GetAtt": ["Role", "Arn"]},
                    "RequestParameters": parameters,
                    "ResponseParameters": {
                        "200": {"ResponseParameters": [{"Destination": "overwrite:statuscode", "Source": "202"}]}
                    },
                },
            },
            "Route": {
                "Type": "AWS::ApiGatewayV2::Route",
                "Properties": {
                    "ApiId": {"Ref": "Api"},
                    "RouteKey": "POST /",
                    "Target": {"Fn::Sub": "integrations/${Integration}"},
                },
            },
            "Defined": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Body": definition}},
            "DefinedStage": {
                "Type": "AWS::ApiGatewayV2::Stage",
                "Properties": {"ApiId": {"Ref": "Defined"}, "StageName": "$default", "AutoDeploy": True},
            },
        },
        "Outputs": {name: {"Value": {"Ref": name}} for name in ("Api", "Defined", "Queue")},
    }
    cloudformation = aws("cloudformation")
    cloudformation.create_stack(StackName="s", TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"])
    cloudformation.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    found = cloudformation.describe_stacks(StackName="s")["Stacks"][0]["Outputs"]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in found}
    gateway = Gateway.__new__(Gateway)
    for name, expected in (("Api", 202), ("Defined", 200)):
        gateway.url = f"{server.url}/_apis/{outputs[name]}"
        assert gateway.ask("POST", "/", f'"{name}"')[0] == expected
    received = aws("sqs").receive_message(QueueUrl=outputs["Queue"], MaxNumberOfMessages=10, WaitTimeSeconds=5)
    bodies = {message["Body"] for message in received["Messages"]}
    assert bodies and bodies <= {'"Api"', '"Defined"'}
