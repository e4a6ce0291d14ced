"""The events that HTTP APIs send to functions, in payload formats 1.0 and 2.0.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import base64
from typing import Any

import orjson

from freehold.services.apigateway.incoming import Incoming, is_text

Event = dict[str, Any]


def _body(incoming: Incoming) -> tuple[str | None, bool]:
    """(body, whether it is base64)."""
    raw = incoming.body
    if not raw:
        return None, False
    if is_text(incoming.asked.http.headers.get("content-type")):
        try:
            return raw.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(raw).decode(), True


def version_2(
    incoming: Incoming, route_key: str, variables: dict[str, str], authorizer: Event | None, *, with_body: bool = True
) -> Event:
    """Payload format 2.0."""
    headers = incoming.headers
    event: Event = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": incoming.raw_path,
        "rawQueryString": incoming.query_string,
    }
    if "cookie" in headers:
        event["cookies"] = [cookie.strip() for cookie in headers["cookie"].split(";")]
        headers = {name: value for name, value in headers.items() if name != "cookie"}
    event["headers"] = headers
    if incoming.query_string:
        event["queryStringParameters"] = {name: ",".join(values) for name, values in incoming.query.items()}
    context: Event = {
        "accountId": incoming.account,
        "apiId": incoming.api_id,
        "domainName": incoming.domain_name,
        "domainPrefix": incoming.api_id,
        "http": {
            "method": incoming.method,
            "path": incoming.raw_path,
            "protocol": "HTTP/1.1",
            "sourceIp": incoming.source_ip,
            "userAgent": incoming.user_agent,
        },
        "requestId": incoming.request_id,
        "routeKey": route_key,
        "stage": incoming.stage,
        "time": incoming.time_text,
        "timeEpoch": int(incoming.now * 1000),
    }
    if authorizer:
        context["authorizer"] = authorizer
    event["requestContext"] = context
    if incoming.parameters:
        event["pathParameters"] = incoming.parameters
    if variables:
        event["stageVariables"] = variables
    if with_body:
        body, encoded = _body(incoming)
        if body is not None:
            event["body"] = body
        event["isBase64Encoded"] = encoded
    return event


def version_1(incoming: Incoming, route_key: str, variables: dict[str, str], authorizer: Event | None) -> Event:
    """Payload format 1.0: the shape of REST APIs' proxy events."""
    body, encoded = _body(incoming)
    method, _, resource = route_key.partition(" ")
    resource = resource or method
    lists, query = incoming.header_lists, incoming.query
    context: Event = {
        "accountId": incoming.account,
        "apiId": incoming.api_id,
        "domainName": incoming.domain_name,
        "domainPrefix": incoming.api_id,
        "extendedRequestId": incoming.request_id,
        "httpMethod": incoming.method,
        "identity": _identity(incoming),
        "path": incoming.raw_path,
        "protocol": "HTTP/1.1",
        "requestId": incoming.request_id,
        "requestTime": incoming.time_text,
        "requestTimeEpoch": int(incoming.now * 1000),
        "resourceId": route_key,
        "resourcePath": resource,
        "stage": incoming.stage,
    }
    if authorizer:
        context["authorizer"] = _flat(authorizer)
    return {
        "version": "1.0",
        "resource": resource,
        "path": incoming.raw_path,
        "httpMethod": incoming.method,
        "headers": {name: values[-1] for name, values in lists.items()},
        "multiValueHeaders": lists,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "requestContext": context,
        "pathParameters": incoming.parameters or None,
        "stageVariables": variables or None,
        "body": body,
        "isBase64Encoded": encoded,
    }


def _identity(incoming: Incoming) -> Event:
    absent = (
        "accessKey",
        "accountId",
        "caller",
        "cognitoAuthenticationProvider",
        "cognitoAuthenticationType",
        "cognitoIdentityId",
        "cognitoIdentityPoolId",
        "principalOrgId",
        "user",
        "userArn",
    )
    return dict.fromkeys(absent) | {"sourceIp": incoming.source_ip, "userAgent": incoming.user_agent}


def authorizer_values(authorizer: Event) -> dict[str, str]:
    """`authorizer.claims.sub`, `authorizer.user`: what an authorizer said, for mappings and access logs."""
    found: dict[str, str] = {}

    def add(path: str, value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                add(f"{path}.{name}", inner)
        elif value is not None:
            found[path] = value if isinstance(value, str) else orjson.dumps(value).decode()

    add("authorizer", _flat(authorizer))
    return found


def _flat(authorizer: Event) -> Event:
    """Format 1.0 has claims beside scopes, and a function's context at the top."""
    if "jwt" in authorizer:
        return dict(authorizer["jwt"])
    return dict(authorizer.get("lambda", authorizer))
