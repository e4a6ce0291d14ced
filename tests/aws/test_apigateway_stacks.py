"""APIs as SAM and CDK templates make them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.aws.conftest import Server
from tests.aws.rest_apis import Api

Client = Callable[..., Any]
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
CODE = """
import json
def handler(event, context):
    return {"statusCode": 200, "body": json.dumps({"said": "%s", "stage": event["requestContext"]["stage"],
            "authorizer": event["requestContext"].get("authorizer"), "variables": event.get("stageVariables")})}
"""
AUTHORIZER = """
def handler(event, context):
    return {"principalId": "me", "policyDocument": {"Version": "2012-10-17", "Statement": [
        {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "*"}]}}
"""


def function(code: str, **properties: Any) -> dict[str, Any]:
    common = {"Runtime": "python3.11", "Handler": "index.handler", "InlineCode": code}
    return {"Type": "AWS::Serverless::Function", "Properties": common | properties}


def sam(resources: dict[str, Any], outputs: dict[str, Any]) -> str:
    return json.dumps(
        {
            "Transform": "AWS::Serverless-2016-10-31",
            "Resources": resources,
            "Outputs": {name: {"Value": value} for name, value in outputs.items()},
        }
    )


class Stack:
    """A stack that is created, updated and deleted to its end."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def create(self, body: str) -> dict[str, str]:
        """By change set, as `sam deploy` does: templates with transforms need one."""
        return self._apply(body, "CREATE")

    def update(self, body: str) -> dict[str, str]:
        return self._apply(body, "UPDATE")

    def _apply(self, body: str, kind: str) -> dict[str, str]:
        client = self._client
        named = {"StackName": "s", "ChangeSetName": f"c{abs(hash(body))}"}
        client.create_change_set(**named, ChangeSetType=kind, TemplateBody=body, Capabilities=CAPABILITIES)
        client.get_waiter("change_set_create_complete").wait(**named, WaiterConfig={"Delay": 1})
        client.execute_change_set(**named)
        waiter = client.get_waiter(f"stack_{kind.lower()}_complete")
        try:
            waiter.wait(StackName="s", WaiterConfig={"Delay": 1})
        finally:
            events = client.describe_stack_events(StackName="s")["StackEvents"]
            print([e.get("ResourceStatusReason") for e in events if "FAILED" in e["ResourceStatus"]])
        outputs = client.describe_stacks(StackName="s")["Stacks"][0].get("Outputs", [])
        return {output["OutputKey"]: output["OutputValue"] for output in outputs}

    def delete(self) -> None:
        self._client.delete_stack(StackName="s")
        self._client.get_waiter("stack_delete_complete").wait(StackName="s", WaiterConfig={"Delay": 1})


@pytest.fixture
def stack(aws: Client) -> Stack:
    return Stack(aws("cloudformation"))


def hello(said: str) -> str:
    event = {"Type": "Api", "Properties": {"Path": "/hello", "Method": "get"}}
    return sam({"Hello": function(CODE % said, Events={"Get": event})}, {"Api": {"Ref": "ServerlessRestApi"}})


def test_sams_hello_answers_changes_and_goes(stack: Stack, aws: Client, server: Server) -> None:
    made = stack.create(hello("one"))
    api = Api(server, made["Api"])
    assert api("/Prod/hello").json()["said"] == "one"
    assert api("/Stage/hello").json()["stage"] == "Stage", "SAM's own extra stage"
    client = aws("apigateway")
    deployments = client.get_deployments(restApiId=made["Api"])["items"]
    assert client.get_rest_api(restApiId=made["Api"])["tags"]["aws:cloudformation:logical-id"] == "ServerlessRestApi"

    event = {"Type": "Api", "Properties": {"Path": "/hello", "Method": "get"}}
    more = {"Type": "Api", "Properties": {"Path": "/more", "Method": "post"}}
    body = sam(
        {"Hello": function(CODE % "two", Events={"Get": event, "More": more})}, {"Api": {"Ref": "ServerlessRestApi"}}
    )
    assert stack.update(body) == made, "the API stays"
    assert api("/Prod/more", "POST").json()["said"] == "two"
    after = client.get_deployments(restApiId=made["Api"])["items"]
    assert len(after) == 1 and after[0]["id"] != deployments[0]["id"], "a changed definition is a new deployment"

    stack.delete()
    with pytest.raises(client.exceptions.NotFoundException):
        client.get_rest_api(restApiId=made["Api"])
    assert api("/Prod/hello").status == 404


def test_sams_api_with_cors_authorizers_and_settings(stack: Stack, server: Server) -> None:
    resources = {
        "Api": {
            "Type": "AWS::Serverless::Api",
            "Properties": {
                "StageName": "live",
                "TracingEnabled": True,
                "OpenApiVersion": "3.0.1",
                "BinaryMediaTypes": ["image~1png"],
                "EndpointConfiguration": "REGIONAL",
                "Variables": {"colour": "blue"},
                "Cors": {"AllowMethods": "'GET,OPTIONS'", "AllowHeaders": "'x'", "AllowOrigin": "'https://a'"},
                "MethodSettings": [
                    {"ResourcePath": "/*", "HttpMethod": "*", "ThrottlingRateLimit": 100, "ThrottlingBurstLimit": 50}
                ],
                "Auth": {
                    "DefaultAuthorizer": "Token",
                    "AddDefaultAuthorizerToCorsPreflight": False,
                    "Authorizers": {"Token": {"FunctionArn": {"Fn::GetAtt": ["Judge", "Arn"]}}},
                },
                "GatewayResponses": {
                    "UNAUTHORIZED": {"StatusCode": 418, "ResponseTemplates": {"application/json": '{"tea":true}'}}
                },
            },
        },
        "Judge": function(AUTHORIZER),
        "Hello": function(
            CODE % "hello",
            Events={
                "Get": {"Type": "Api", "Properties": {"Path": "/a", "Method": "get", "RestApiId": {"Ref": "Api"}}},
                "Any": {
                    "Type": "Api",
                    "Properties": {
                        "Path": "/open/{proxy+}",
                        "Method": "any",
                        "RestApiId": {"Ref": "Api"},
                        "Auth": {"Authorizer": "NONE"},
                    },
                },
            },
        ),
    }
    api = Api(server, stack.create(sam(resources, {"Api": {"Ref": "Api"}}))["Api"])
    answer = api("/live/a", Authorization="x").json()
    assert answer["authorizer"]["principalId"] == "me" and answer["variables"] == {"colour": "blue"}
    refused = api("/live/a")
    assert (refused.status, refused.json()) == (418, {"tea": True})
    assert api("/live/open/x/y").status == 200
    preflight = api("/live/a", "OPTIONS")
    assert preflight.status == 200 and preflight.header("access-control-allow-origin") == "https://a"
    stack.delete()


def cdk(part: str) -> str:
    """What CDK's RestApi with default CORS synthesizes, in short."""
    uri = {"Fn::Sub": "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function.Arn}/invocations"}
    role = {
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        }
    }
    header = "method.response.header.Access-Control-Allow-Origin"
    where = {"RestApiId": {"Ref": "Api"}, "ResourceId": {"Ref": "Things"}}
    return json.dumps(
        {
            "Resources": {
                "Role": {"Type": "AWS::IAM::Role", "Properties": role},
                "Function": {
                    "Type": "AWS::Lambda::Function",
                    "Properties": {
                        "Runtime": "python3.11",
                        "Handler": "index.handler",
                        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                        "Code": {"ZipFile": CODE % "cdk"},
                    },
                },
                "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "things"}},
                "Account": {
                    "Type": "AWS::ApiGateway::Account",
                    "Properties": {"CloudWatchRoleArn": {"Fn::GetAtt": ["Role", "Arn"]}},
                },
                "Things": {
                    "Type": "AWS::ApiGateway::Resource",
                    "Properties": {
                        "RestApiId": {"Ref": "Api"},
                        "ParentId": {"Fn::GetAtt": ["Api", "RootResourceId"]},
                        "PathPart": part,
                    },
                },
                "Get": {
                    "Type": "AWS::ApiGateway::Method",
                    "Properties": {
                        **where,
                        "HttpMethod": "GET",
                        "AuthorizationType": "NONE",
                        "Integration": {"Type": "AWS_PROXY", "IntegrationHttpMethod": "POST", "Uri": uri},
                    },
                },
                "Options": {
                    "Type": "AWS::ApiGateway::Method",
                    "Properties": {
                        **where,
                        "HttpMethod": "OPTIONS",
                        "AuthorizationType": "NONE",
                        "ApiKeyRequired": False,
                        "Integration": {
                            "Type": "MOCK",
                            "RequestTemplates": {"application/json": "{ statusCode: 200 }"},
                            "IntegrationResponses": [{"StatusCode": "204", "ResponseParameters": {header: "'*'"}}],
                        },
                        "MethodResponses": [{"StatusCode": "204", "ResponseParameters": {header: True}}],
                    },
                },
                f"Deployment{part}": {
                    "Type": "AWS::ApiGateway::Deployment",
                    "Properties": {"RestApiId": {"Ref": "Api"}, "Description": part},
                    "DependsOn": ["Get", "Options", "Things"],
                },
                "Stage": {
                    "Type": "AWS::ApiGateway::Stage",
                    "Properties": {
                        "RestApiId": {"Ref": "Api"},
                        "StageName": "prod",
                        "DeploymentId": {"Ref": f"Deployment{part}"},
                    },
                },
                "Missing": {
                    "Type": "AWS::ApiGateway::GatewayResponse",
                    "Properties": {
                        "RestApiId": {"Ref": "Api"},
                        "ResponseType": "MISSING_AUTHENTICATION_TOKEN",
                        "StatusCode": "404",
                    },
                },
            },
            "Outputs": {"Api": {"Value": {"Ref": "Api"}}},
        }
    )


def test_resources_and_methods_as_cdk_writes_them(stack: Stack, aws: Client, server: Server) -> None:
    made = stack.create(cdk("things"))
    api = Api(server, made["Api"])
    assert api("/prod/things").json()["said"] == "cdk"
    preflight = api("/prod/things", "OPTIONS")
    assert preflight.status == 204 and preflight.header("access-control-allow-origin") == "*"
    assert aws("apigateway").get_account()["cloudwatchRoleArn"].startswith("arn:aws:iam::")
    assert stack.update(cdk("others")) == made
    assert api("/prod/others").json()["said"] == "cdk"
    stack.delete()


def test_a_definition_without_a_title_takes_the_name_of_its_resource(stack: Stack, aws: Client) -> None:
    """As the pattern eventbridge-pipes-sqs-lambda-api-destination has it."""
    body = {"openapi": "3.0", "info": {}, "paths": {}}
    api = {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "named", "Body": body}}
    made = stack.create(json.dumps({"Resources": {"A": api}, "Outputs": {"Id": {"Value": {"Ref": "A"}}}}))
    assert aws("apigateway").get_rest_api(restApiId=made["Id"])["name"] == "named"


def test_what_does_not_act_fails_by_name(stack: Stack, aws: Client) -> None:
    body = {"Resources": {"A": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"MinimumCompressionSize": 1}}}}
    client = aws("cloudformation")
    with pytest.raises(client.exceptions.ClientError, match="MinimumCompressionSize"):
        client.create_stack(StackName="s", TemplateBody=json.dumps(body))
    body = {"Resources": {"A": {"Type": "AWS::ApiGateway::UsagePlan", "Properties": {}}}}
    with pytest.raises(client.exceptions.ClientError, match="AWS::ApiGateway::UsagePlan"):
        client.create_stack(StackName="s", TemplateBody=json.dumps(body))


def test_sams_http_api(stack: Stack, server: Server) -> None:
    resources = {
        "Api": {
            "Type": "AWS::Serverless::HttpApi",
            "Properties": {
                "StageName": "v1",
                "StageVariables": {"colour": "blue"},
                "CorsConfiguration": {"AllowOrigins": ["https://a"], "AllowMethods": ["GET"]},
                "DefaultRouteSettings": {"ThrottlingBurstLimit": 50, "ThrottlingRateLimit": 100},
                "Auth": {
                    "DefaultAuthorizer": "Judge",
                    "Authorizers": {
                        "Judge": {
                            "FunctionArn": {"Fn::GetAtt": ["Judge", "Arn"]},
                            "AuthorizerPayloadFormatVersion": "2.0",
                            "EnableSimpleResponses": False,
                            "Identity": {"Headers": ["Authorization"]},
                        }
                    },
                },
            },
        },
        "Judge": function(AUTHORIZER),
        "Hello": function(
            CODE % "http",
            Events={
                "Get": {"Type": "HttpApi", "Properties": {"Path": "/a", "Method": "get", "ApiId": {"Ref": "Api"}}},
                "Open": {
                    "Type": "HttpApi",
                    "Properties": {
                        "Path": "/open",
                        "Method": "any",
                        "ApiId": {"Ref": "Api"},
                        "Auth": {"Authorizer": "NONE"},
                    },
                },
            },
        ),
    }
    api = Api(server, stack.create(sam(resources, {"Api": {"Ref": "Api"}}))["Api"])
    assert api("/v1/open").json()["variables"] == {"colour": "blue"}
    assert api("/v1/a").status == 401
    assert api("/v1/a", Authorization="x").json()["authorizer"]["lambda"]["principalId"] == "me"
    assert api("/v1/a", "OPTIONS", Origin="https://a").header("access-control-allow-origin") == "https://a"
    stack.delete()


@pytest.mark.parametrize(
    ("kind", "properties", "word"),
    [
        (
            "AWS::ApiGateway::RestApi",
            {
                "Body": {
                    "openapi": "3.0.1",
                    "info": {"title": "x", "version": "1"},
                    "paths": {
                        "/a": {
                            "get": {
                                "x-amazon-apigateway-integration": {
                                    "type": "aws_proxy",
                                    "httpMethod": "POST",
                                    "uri": {"Fn::Sub": "${P}"},
                                }
                            },
                            "put": {
                                "x-amazon-apigateway-integration": {"type": "aws", "httpMethod": "POST", "uri": "x"}
                            },
                        }
                    },
                }
            },
            "integrations of type AWS",
        ),
        (
            "AWS::ApiGateway::Method",
            {"HttpMethod": "GET", "ResourceId": "r", "RestApiId": "a", "Integration": {"Type": "AWS"}},
            "integrations of type AWS",
        ),
        (
            "AWS::ApiGatewayV2::Api",
            {"Body": {"openapi": "3.0.1", "info": {"title": "x"}, "x-amazon-apigateway-policy": {}, "paths": {}}},
            "x-amazon-apigateway-policy",
        ),
    ],
)
def test_what_a_definition_asks_in_vain_is_refused_before_anything_is_created(
    aws: Client, kind: str, properties: dict[str, Any], word: str
) -> None:
    resources = {
        "P": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "never", "Type": "String", "Value": "1"}},
        "A": {"Type": kind, "Properties": properties},
    }
    with pytest.raises(ClientError, match=word):
        aws("cloudformation").create_stack(StackName="vain", TemplateBody=json.dumps({"Resources": resources}))
    assert aws("ssm").describe_parameters()["Parameters"] == []
