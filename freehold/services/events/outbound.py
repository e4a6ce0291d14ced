"""Orders that take a call: API destinations, and APIs of API Gateway through Freehold's own front door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import orjson

from freehold.kit import arns
from freehold.kit.faults import Fault
from freehold.rules.inputs import MISSING, compile_path, is_path
from freehold.services.events import authorization, calling
from freehold.services.events.envelope import Event
from freehold.services.events.sending import Failure, Order, failure_of
from freehold.services.events.targets import DESTINATION, SERVICE
from freehold.work.outbox import Retry
from freehold.work.outgoing import Unreached

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "*"))
API_SECONDS = 30.0
"""An API of API Gateway answers within its integration's 29 s."""


async def send(platform: Platform, order: Order) -> Failure | None:
    """Send an order. None: it arrived."""
    filled = {name: _filled(value, order.event) for name, value in order.target.http.items()}
    headers = filled.get("HeaderParameters", {})
    query = filled.get("QueryStringParameters", {})
    values = filled.get("PathParameterValues", [])
    try:
        if order.target.kind == DESTINATION:
            answer = await calling.call(
                platform,
                order.target.arn,
                order.body.encode(),
                headers=headers,
                query=query,
                path_values=values,
                ticket=order.id,
            )
            failure = failure_of_status(answer.status, answer.body)
            return failure and replace(failure, after_ms=calling.retry_after_ms(answer, platform.clock.wall()))
        return await _call_api(platform, order, headers, query, values)
    except calling.Wait as wait:
        raise Retry(wait.due_ms - platform.clock.now_ms(), counts=False) from None
    except Fault as fault:
        return failure_of(fault)
    except TimeoutError as error:
        return Failure("TIMEOUT", str(error) or "The endpoint did not answer in time.", True)
    except OSError as error:
        return Failure("CONNECTION_FAILURE", str(error) or "The endpoint could not be reached.", True)


def _filled(value: Any, event: Event) -> Any:
    """Parameters with the values of the event where they are JSON paths."""
    if isinstance(value, Mapping):
        return {name: _filled(each, event) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, event) for each in value]
    if not is_path(value):
        return value
    found = compile_path(value)(event.document)
    if found is MISSING:
        return ""
    return found if isinstance(found, str) else orjson.dumps(found).decode()


def failure_of_status(status: int, body: bytes) -> Failure | None:
    """What an endpoint's answer means. None: taken."""
    if 200 <= status < 300:
        return None
    message = f"The endpoint answered {status}: {body[:512].decode(errors='replace')}"
    if status == 429:
        return Failure("THROTTLING", message, True)
    if status >= 500:
        return Failure("ERROR_FROM_TARGET", message, True)
    return Failure("SDK_CLIENT_ERROR", message, status in calling.AGAIN)


async def _call_api(
    platform: Platform, order: Order, headers: Mapping[str, str], query: Mapping[str, str], values: list[str]
) -> Failure | None:
    """Call `arn:aws:execute-api:region:account:api/stage/METHOD/path`."""
    called = _address(order.target.arn, values)
    if called is None:
        return Failure("INVALID_PARAMETER", f"{order.target.arn} does not name a method of an API.", False)
    method, address = called
    url = platform.settings.url + address + (f"?{urlencode(query)}" if query else "")
    body = b"" if method in ("GET", "HEAD") else order.body.encode()
    sent = {"content-type": "application/json", "user-agent": "Amazon/EventBridge/ApiGateway", **headers}
    if order.target.source.role is not None:
        sent = _signed(platform, order, method, url, sent, body)
    try:
        answer = await authorization.pool(platform).send(method, url, sent, body, seconds=API_SECONDS)
    except Unreached as error:
        return Failure("TIMEOUT" if error.late else "CONNECTION_FAILURE", str(error), True)
    return failure_of_status(answer.status, answer.body)


def _address(arn: str, values: list[str]) -> tuple[str, str] | None:
    """Method and path at Freehold's front door of a method's ARN, its wildcards filled in their order."""
    parsed = arns.parse(arn)
    pieces = (parsed.resource if parsed is not None else "").split("/", 3)
    if len(pieces) < 3 or pieces[2] not in METHODS:
        return None
    api, stage, method = pieces[:3]
    fixed, left = (pieces[3] if len(pieces) > 3 else "").split("*"), list(values)
    path = quote(fixed[0])
    for piece in fixed[1:]:
        path += quote(left.pop(0) if left else "", safe="") + quote(piece)
    segments = [quote(api, safe=""), *([] if stage == "$default" else [quote(stage, safe="")]), *path.split("/")]
    if any(segment in (".", "..") for segment in segments):
        return None
    return "POST" if method == "*" else method, "/".join(["/_apis", *segments])


def _signed(
    platform: Platform, order: Order, method: str, url: str, headers: dict[str, str], body: bytes
) -> dict[str, str]:
    """The headers with a signature of the target's role: routes and methods with AWS_IAM authorization want one."""
    from botocore.auth import SigV4Auth  # at first use: it takes a tenth of the time to start
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    credential = platform.identity.role_session(order.target.source.role or "", order.event.id, service=SERVICE)
    request = AWSRequest(method=method, url=url, data=body, headers=headers)
    keys = Credentials(credential.access_key_id, credential.secret_access_key, credential.session_token)
    SigV4Auth(keys, "execute-api", order.bus.region).add_auth(request)
    return dict(request.headers.items())
