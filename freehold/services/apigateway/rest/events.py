"""The events that REST APIs send to functions: the proxy event, and those of authorizers.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

from __future__ import annotations

import base64
from typing import Any

from freehold.services.apigateway.rest.exchange import Exchange

Event = dict[str, Any]


def request(exchange: Exchange) -> Event:
    """What proxy events and events of REQUEST authorizers share. Paths keep their percent-encoding."""
    incoming = exchange.incoming
    assert exchange.method is not None
    headers, query = exchange.header_lists(), incoming.query
    return {
        "resource": exchange.method.path,
        "path": incoming.path,
        "httpMethod": incoming.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": incoming.parameters or None,
        "stageVariables": exchange.stage.variables or None,
        "requestContext": exchange.request_context(),
    }


def proxy(exchange: Exchange) -> Event:
    """The event of a Lambda proxy integration. Bodies of binary media types are in base64, others text."""
    event = request(exchange)
    raw = exchange.incoming.body
    encoded = bool(raw) and exchange.stage.is_binary(exchange.incoming.headers.get("content-type"))
    if not raw:
        event["body"] = None
    else:
        event["body"] = base64.b64encode(raw).decode() if encoded else raw.decode("utf-8", "replace")
    event["isBase64Encoded"] = encoded
    return event
