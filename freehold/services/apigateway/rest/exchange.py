"""One request to a REST API while it is answered: what `$context` knows of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson

from freehold.kit import arns
from freehold.services.apigateway.incoming import Incoming
from freehold.services.apigateway.rest.compiled import Compiled, Method, Stage


@lru_cache(maxsize=1_024)
def header_name(name: str) -> str:
    """REST APIs show header names as clients write them, which for most of them is this."""
    return "-".join(part.capitalize() for part in name.split("-"))


@dataclass(slots=True)
class Error:
    """Why no integration answered: the type of the gateway response, and its words."""

    kind: str
    message: str | None
    type: str


@dataclass(slots=True)
class Exchange:
    """The request, where it goes, and what was found out on the way."""

    compiled: Compiled
    stage: Stage
    incoming: Incoming
    extended_id: str
    method: Method | None = None
    authorizer: dict[str, Any] | None = None
    identity: dict[str, Any] = field(default_factory=dict)
    """What a signature says of the caller."""
    error: Error | None = None

    def header_lists(self) -> dict[str, list[str]]:
        """All values of each header under its usual name, with those that API Gateway adds."""
        return {header_name(name): values for name, values in self.incoming.header_lists.items()}

    @property
    def arn(self) -> str:
        """`arn:aws:execute-api:region:account:api/stage/METHOD/path`"""
        incoming, owner = self.incoming, self.compiled.owner
        path = f"{incoming.api_id}/{incoming.stage}/{incoming.method}/{incoming.path.lstrip('/')}"
        return arns.make("execute-api", owner.region, owner.account, path)

    def context(self, name: str) -> str:
        """The value of a `$context` variable, empty where it has none."""
        kind, _, rest = name.partition(".")
        if kind == "error":
            return self._error(rest)
        if kind == "authorizer":
            value = (self.authorizer or {}).get(rest, "")
            return value if isinstance(value, str) else orjson.dumps(value).decode()
        if kind == "identity":
            return str(self.request_context()["identity"].get(rest) or "")
        value = self.request_context().get(name, "")
        if name == "xrayTraceId":
            return self.incoming.trace.partition(";")[0].removeprefix("Root=")
        return str(value) if isinstance(value, (str, int)) else ""

    def _error(self, name: str) -> str:
        error = self.error
        if error is None:
            return ""
        if name == "messageString":
            return orjson.dumps(error.message).decode()
        return {"message": error.message or "", "responseType": error.kind}.get(name, "")

    def lookup(self, source: str) -> str:
        """The value of a mapping's source: `'text'`, `context.x`, `stageVariables.x`, `method.request.header.x`."""
        if source.startswith("'"):
            return source[1:-1]
        kind, _, rest = source.partition(".")
        if kind == "stageVariables":
            return self.stage.variables.get(rest, "")
        if kind == "context":
            return self.context(rest)
        place, _, name = source.removeprefix("method.request.").partition(".")
        if place == "header":
            return self.incoming.headers.get(name.lower(), "")
        if place == "querystring":
            return (self.incoming.query.get(name) or [""])[-1]
        return self.incoming.parameters.get(name, "")

    def request_context(self) -> dict[str, Any]:
        """The `requestContext` of a proxy event."""
        incoming, method = self.incoming, self.method
        context: dict[str, Any] = {
            "resourceId": method.resource_id if method else "",
            "resourcePath": method.path if method else "",
            "httpMethod": incoming.method,
            "extendedRequestId": self.extended_id,
            "requestTime": incoming.time_text,
            "path": incoming.raw_path,
            "accountId": self.compiled.owner.account,
            "protocol": "HTTP/1.1",
            "stage": incoming.stage,
            "domainPrefix": incoming.api_id,
            "requestTimeEpoch": int(incoming.now * 1000),
            "requestId": incoming.request_id,
            "identity": {
                "cognitoIdentityPoolId": None,
                "accountId": None,
                "cognitoIdentityId": None,
                "caller": None,
                "sourceIp": incoming.source_ip,
                "principalOrgId": None,
                "accessKey": None,
                "cognitoAuthenticationType": None,
                "cognitoAuthenticationProvider": None,
                "userArn": None,
                "userAgent": incoming.user_agent or None,
                "user": None,
            }
            | self.identity,
            "domainName": incoming.domain_name,
            "deploymentId": self.stage.deployment_id,
            "apiId": incoming.api_id,
        }
        if self.authorizer is not None:
            context["authorizer"] = self.authorizer
        return context
