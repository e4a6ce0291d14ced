"""First-class integrations: what is accepted, what an operation is asked, what is answered."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from freehold.kit.faults import Fault
from freehold.kit.http import Response
from freehold.kit.ids import Ids
from freehold.ports.identity import Credential, Principal
from freehold.rules.templates.functions import UNKNOWN
from freehold.services.apigateway import foreseen
from freehold.services.apigateway.http import aws_services, events, integrations, openapi
from freehold.services.apigateway.http.state import Draft

ROLE = "arn:aws:iam::999999999999:role/gateway"
QUEUE = "http://127.0.0.1:4566/111111111111/q"


def sqs(subtype: str = "SQS-SendMessage", **changes: Any) -> dict[str, Any]:
    return {
        "IntegrationType": "AWS_PROXY",
        "IntegrationSubtype": subtype,
        "PayloadFormatVersion": "1.0",
        "CredentialsArn": ROLE,
        "RequestParameters": {"QueueUrl": QUEUE, "MessageBody": "$request.body"},
        **changes,
    }


def refusal(integration: dict[str, Any]) -> Fault:
    with pytest.raises(Fault) as caught:
        integrations.check(integration)
    return caught.value


def test_what_an_integration_needs() -> None:
    integrations.check(sqs())
    integrations.check(sqs(RequestParameters={"QueueUrl": "q", "MessageBody": "b", "Region": "eu-west-1"}))
    detail = {"Detail": "$request.body", "DetailType": "t", "Source": "s"}
    integrations.check(sqs("EventBridge-PutEvents", RequestParameters=detail))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"IntegrationSubtype": "SQS-Frob"}, "Invalid integration subtype specified: SQS-Frob"),
        ({"IntegrationType": "HTTP_PROXY"}, "Invalid integration subtype specified: SQS-SendMessage"),
        ({"CredentialsArn": ""}, "CredentialsArn of a role is required for the integration subtype SQS-SendMessage"),
        ({"PayloadFormatVersion": "2.0"}, "PayloadFormatVersion 1.0 is required"),
        ({"IntegrationUri": "arn:aws:sqs:us-east-1:1:q"}, "IntegrationUri cannot be specified"),
        ({"RequestParameters": {"QueueUrl": QUEUE}}, "Required parameter MessageBody of SQS-SendMessage is missing"),
        (
            {"RequestParameters": {"QueueUrl": QUEUE, "MessageBody": "b", "Colour": "red"}},
            "Parameter Colour in RequestParameters is not a parameter of SQS-SendMessage",
        ),
        ({"ResponseParameters": {"200": {"overwrite:path": "x"}}}, "Invalid mapping expression specified"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], words: str) -> None:
    fault = refusal(sqs(**changes))
    assert fault.code == "BadRequestException"
    assert fault.message.startswith(words)


@pytest.mark.parametrize(
    "changes",
    [
        {"IntegrationSubtype": "StepFunctions-StartExecution"},
        {"IntegrationSubtype": "Kinesis-PutRecord"},
        {"IntegrationSubtype": "AppConfig-GetConfiguration"},
        {"CredentialsArn": "arn:aws:iam::*:user/*"},
        {"ConnectionType": "VPC_LINK"},
    ],
)
def test_what_is_not_done_is_refused_by_name(changes: dict[str, Any]) -> None:
    assert refusal(sqs(**changes)).code == "NotImplemented"


class Calls:
    """The port `calls`, which remembers what it was asked."""

    def __init__(self, answer: dict[str, Any] | Fault) -> None:
        self._answer = answer
        self.asked: dict[str, Any] = {}
        self.options: dict[str, Any] = {}

    async def call(self, service: str, operation: str, request: dict[str, Any], **options: Any) -> dict[str, Any]:
        self.asked, self.options = {f"{service}:{operation}": request}, options
        if isinstance(self._answer, Fault):
            raise self._answer
        return self._answer


def perform(
    integration: dict[str, Any], answer: dict[str, Any] | Fault, values: dict[str, str] | None = None
) -> tuple[Response, Calls]:
    calls = Calls(answer)

    def role_session(role_arn: str, session_name: str) -> Credential:
        return Credential("a", "s", Principal("111111111111", f"{role_arn} as {session_name}", "u"))

    platform: Any = SimpleNamespace(ids=Ids(seed=1), calls=calls, identity=SimpleNamespace(role_session=role_session))
    response = asyncio.run(
        aws_services.perform(
            platform, integration, lambda name: (values or {}).get(name, ""), account="111111111111",
            region="us-east-1", trace="t", seconds=5.0,
        )
    )  # fmt: skip
    return response, calls


def test_a_message_is_sent_as_the_role_and_answered_in_xml() -> None:
    response, calls = perform(
        sqs(), {"MessageId": "m", "MD5OfMessageBody": "5d41402abc4b2a76b9719d911017c592"}, {"request.body": "hello"}
    )
    assert calls.asked == {"sqs:SendMessage": {"QueueUrl": QUEUE, "MessageBody": "hello"}}
    assert calls.options["principal"].arn == ("arn:aws:iam::111111111111:role/gateway as BackplaneAssumeRoleSession")
    assert (calls.options["account"], calls.options["region"]) == ("111111111111", "us-east-1")
    assert response.status == 200
    assert {name.lower(): value for name, value in response.headers}["content-type"].startswith("text/xml")
    assert isinstance(response.body, bytes)
    assert b"<SendMessageResponse" in response.body and b"<MessageId>m</MessageId>" in response.body


def test_events_are_put_and_answered_in_json() -> None:
    parameters = {
        "Detail": "$request.body",
        "DetailType": "Order ${request.path.kind}",
        "Source": "shop",
        "Resources": "$request.header.resource",
        "EventBusName": "$request.querystring.bus",
    }
    values = {"request.body": '{"a": 1}', "request.path.kind": "placed", "request.header.resource": "r1"}
    answer = {"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]}
    response, calls = perform(sqs("EventBridge-PutEvents", RequestParameters=parameters), answer, values)
    entry = {"Detail": '{"a": 1}', "DetailType": "Order placed", "Source": "shop", "Resources": ["r1"]}
    assert calls.asked == {"events:PutEvents": {"Entries": [entry]}}
    assert isinstance(response.body, bytes)
    assert orjson.loads(response.body) == answer


def test_structures_and_lists_are_json_and_a_region_may_be_named() -> None:
    parameters = {
        "QueueUrl": QUEUE,
        "MessageBody": "b",
        "Region": "eu-west-1",
        "MessageAttributes": '{"who": {"DataType": "String", "StringValue": "${request.header.who}"}}',
    }
    _, calls = perform(sqs(RequestParameters=parameters), {}, {"request.header.who": "ann"})
    assert calls.options["region"] == "eu-west-1"
    assert calls.asked["sqs:SendMessage"]["MessageAttributes"] == {"who": {"DataType": "String", "StringValue": "ann"}}
    response, _ = perform(sqs(RequestParameters=parameters), {}, {"request.header.who": '"'})
    assert response.status == 400


def test_errors_of_the_service_are_the_answer() -> None:
    response, _ = perform(
        sqs(), Fault("QueueDoesNotExist", "The specified queue does not exist."), {"request.body": "x"}
    )
    assert response.status == 400
    assert isinstance(response.body, bytes)
    assert b"<Code>AWS.SimpleQueueService.NonExistentQueue</Code>" in response.body


def test_what_an_authorizer_said_can_be_mapped() -> None:
    jwt = {"jwt": {"claims": {"sub": "ann", "age": 3, "groups": ["a"]}, "scopes": None}}
    assert events.authorizer_values(jwt) == {
        "authorizer.claims.sub": "ann", "authorizer.claims.age": "3", "authorizer.claims.groups": '["a"]',
    }  # fmt: skip
    assert events.authorizer_values({"lambda": {"user": "bob"}}) == {"authorizer.user": "bob"}


def test_templates_are_refused_before_anything_is_made() -> None:
    known_later = {"QueueUrl": UNKNOWN, "MessageBody": "b"}
    foreseen.check_http_integration(sqs(CredentialsArn=UNKNOWN, RequestParameters=known_later, ApiId=UNKNOWN))
    steps = {"type": "aws_proxy", "integrationSubtype": "StepFunctions-StartExecution", "payloadFormatVersion": "1.0"}
    body = {
        "openapi": "3.0.1", "info": {"title": "t"}, "paths": {"/": {"post": {"x-amazon-apigateway-integration": steps}}},
    }  # fmt: skip
    with pytest.raises(Fault, match="StepFunctions-StartExecution"):
        foreseen.check_http_api({"Body": body})
    with pytest.raises(Fault, match="Kinesis-PutRecord"):
        foreseen.check_http_integration(sqs("Kinesis-PutRecord", CredentialsArn=UNKNOWN))


def test_definitions_keep_their_subtypes_when_they_are_exported() -> None:
    section = {
        "type": "aws_proxy", "integrationSubtype": "SQS-PurgeQueue", "payloadFormatVersion": "1.0", "credentials": ROLE,
        "requestParameters": {"QueueUrl": QUEUE}, "connectionType": "INTERNET",
    }  # fmt: skip
    operation = {"post": {"x-amazon-apigateway-integration": section}}
    made = Draft({})
    ids = iter("abcdef")
    openapi.build({"openapi": "3.0.1", "info": {"title": "t"}, "paths": {"/": operation}}, made, lambda: next(ids))
    exported = openapi.exported(made, extensions=True)["paths"]["/"]["post"]["x-amazon-apigateway-integration"]
    assert exported == {name: value for name, value in section.items() if name != "connectionType"}
