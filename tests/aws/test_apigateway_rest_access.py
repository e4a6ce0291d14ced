"""Who may call a REST API: authorizers and their cache, resource policies."""

from __future__ import annotations

from typing import Any

from tests.aws.rest_apis import AUTHORIZER, Client, Deploy, definition, deploy, echo, invocation_uri, make_function

__all__ = ["deploy", "echo"]


def token_definition(echo: str, uri: str, **settings: Any) -> dict[str, Any]:
    document = definition(echo)
    document["securityDefinitions"] = {
        "Tok": {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "x-amazon-apigateway-authtype": "custom",
            "x-amazon-apigateway-authorizer": {"type": "token", "authorizerUri": uri, **settings},
        }
    }
    document["paths"]["/hello"]["get"]["security"] = [{"Tok": []}]
    return document


def test_token_authorizers_allow_deny_and_fail(deploy: Deploy, aws: Client, account: str, echo: str) -> None:
    uri = invocation_uri(make_function(aws, account, "auth", AUTHORIZER))
    api = deploy(token_definition(echo, uri, authorizerResultTtlInSeconds=0))
    context = api("/prod/hello", Authorization="me").json()["requestContext"]["authorizer"]
    assert context["principalId"] == "me" and context["number"] == "7" and context["text"] == "t"
    missing = api("/prod/hello")
    assert (missing.status, missing.json()) == (401, {"message": "Unauthorized"})
    assert api("/prod/hello", Authorization="nobody").status == 401
    denied = api("/prod/hello", Authorization="deny")
    assert denied.status == 403
    assert denied.json() == {"Message": "User is not authorized to access this resource with an explicit deny"}
    assert api("/prod/hello", Authorization="other").json() == {
        "Message": "User is not authorized to access this resource"
    }
    broken = api("/prod/hello", Authorization="broken")
    assert (broken.status, broken.json()) == (500, {"message": None})
    assert broken.header("x-amzn-errortype") == "AuthorizerConfigurationException"


def test_decisions_are_cached_by_token_for_five_minutes(deploy: Deploy, aws: Client, account: str, echo: str) -> None:
    uri = invocation_uri(make_function(aws, account, "auth", AUTHORIZER))
    api = deploy(token_definition(echo, uri))

    def seen(token: str) -> Any:
        return api("/prod/hello", Authorization=token).json()["requestContext"]["authorizer"]["seen"]

    first = seen("a")
    assert seen("a") == first and seen("b") != first
    aws("apigateway").flush_stage_authorizers_cache(restApiId=api.id, stageName="prod")
    assert seen("a") != first
    (authorizer,) = aws("apigateway").get_authorizers(restApiId=api.id)["items"]
    assert authorizer["authorizerResultTtlInSeconds"] == 300


def test_request_authorizers_see_the_request(deploy: Deploy, aws: Client, account: str, echo: str) -> None:
    uri = invocation_uri(make_function(aws, account, "auth", AUTHORIZER))
    document = token_definition(
        echo,
        uri,
        type="request",
        identitySource="method.request.header.X-Key, method.request.querystring.k",
        authorizerResultTtlInSeconds=0,
    )
    api = deploy(document)
    assert api("/prod/hello?k=1", X_Key="me").json()["requestContext"]["authorizer"]["principalId"] == "me"
    assert api("/prod/hello", X_Key="me").status == 401, "every identity source must be there"
    assert api("/prod/hello?k=1", X_Key="deny").status == 403


def test_resource_policies_are_evaluated(deploy: Deploy, echo: str) -> None:
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}

    def policy(*statements: dict[str, Any]) -> dict[str, Any]:
        return {"x-amazon-apigateway-policy": {"Version": "2012-10-17", "Statement": list(statements)}}

    blocked = everybody | {"Effect": "Deny", "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}}
    assert deploy(definition(echo, **policy(everybody)))("/prod/hello").status == 200
    answer = deploy(definition(echo, **policy(everybody, blocked)))("/prod/hello")
    assert answer.status == 403 and "is not authorized to perform: execute-api:Invoke" in answer.json()["Message"]
    elsewhere = everybody | {"Resource": "execute-api:/test/*"}
    assert deploy(definition(echo, **policy(elsewhere)))("/prod/hello").status == 403
