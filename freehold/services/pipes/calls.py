"""Calls that enrichments and targets share: functions, API destinations, APIs of API Gateway."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from freehold.kit import arns
from freehold.kit.faults import Fault
from freehold.ports.call import Cause
from freehold.services.pipes.checks import DESTINATION
from freehold.services.pipes.model import SERVICE
from freehold.services.pipes.plan import Plan
from freehold.work.outgoing import Unreached

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

API_SECONDS = 30.0
PAUSES_S = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Between attempts to invoke a function that is throttled."""


class Failed(Exception):
    """A call did not succeed; `str()` says why."""


async def invoke(platform: Platform, plan: Plan, arn: str, payload: bytes, trace: str | None) -> bytes:
    """Invoke a function and answer what it said; one that is throttled is asked again for some seconds. Raises Failed."""
    invoked = None
    for pause_s in (*PAUSES_S, None):
        try:
            invoked = await platform.functions.invoke(
                arn, payload, cause=Cause(trace), source=SERVICE, source_arn=plan.pipe.arn
            )
        except Fault as fault:
            if fault.code != "TooManyRequestsException" or pause_s is None:
                raise Failed(f"{fault.code}: {fault.message}") from None
            # Real time, as what is waited for is an instance that ends a real invocation.
            await asyncio.sleep(pause_s)
        else:
            break
    assert invoked is not None
    body = invoked.payload if isinstance(invoked.payload, bytes) else b"".join([each async for each in invoked.payload])
    if invoked.function_error:
        raise Failed(f"{invoked.function_error}: {body[:1000].decode(errors='replace')}")
    return body


async def request(platform: Platform, plan: Plan, kind: str, arn: str, body: bytes, http: dict[str, Any]) -> bytes:
    """Call an API destination or an API, with parameters that are filled in. Raises Failed."""
    headers, query = http.get("HeaderParameters", {}), http.get("QueryStringParameters", {})
    values = http.get("PathParameterValues", [])
    try:
        if kind == DESTINATION:
            answer = await platform.events.call_destination(arn, body, headers=headers, query=query, path_values=values)
            status, said = answer.status, answer.body
        else:
            status, said = await _call_api(platform, plan, arn, body, headers, query, values)
    except Fault as fault:
        raise Failed(f"{fault.code}: {fault.message}") from None
    except (OSError, TimeoutError, Unreached) as error:
        raise Failed(str(error) or type(error).__name__) from None
    if not 200 <= status < 300:
        raise Failed(f"the endpoint answered {status}: {said[:1000].decode(errors='replace')}")
    return said


async def _call_api(
    platform: Platform,
    plan: Plan,
    arn: str,
    body: bytes,
    headers: dict[str, str],
    query: dict[str, str],
    values: list[str],
) -> tuple[int, bytes]:
    """Call `arn:aws:execute-api:region:account:api/stage/METHOD/path` through Freehold's own front door."""
    parsed = arns.parse(arn)
    pieces = (parsed.resource if parsed is not None else "").split("/", 3)
    if len(pieces) < 3:
        raise Failed(f"{arn} does not name a method of an API")
    api, stage, method = pieces[:3]
    base = f"{platform.settings.url}/_apis/{api}" + ("" if stage == "$default" else f"/{quote(stage)}")
    url = f"{base}/{_path(pieces[3] if len(pieces) > 3 else '', values)}" + (f"?{urlencode(query)}" if query else "")
    sent = {"content-type": "application/json", "user-agent": "Amazon/EventBridge/ApiGateway", **headers}
    content = b"" if method in ("GET", "HEAD") else body
    signed = _signed(platform, plan, method, url, sent, content)
    answer = await platform.outgoing.pool("pipes").send(method, url, signed, content, seconds=API_SECONDS)
    return answer.status, answer.body


def _path(pattern: str, values: list[str]) -> str:
    """The path with its wildcards filled, in order."""
    parts = pattern.split("*")
    if len(parts) - 1 > len(values):
        raise Failed("PathParameterValues has fewer values than the path has wildcards")
    return parts[0] + "".join(quote(value, safe="") + part for value, part in zip(values, parts[1:], strict=False))


def _signed(
    platform: Platform, plan: Plan, method: str, url: str, headers: dict[str, str], body: bytes
) -> dict[str, str]:
    """The headers with a signature of the pipe's role, which routes with AWS_IAM authorization want."""
    from botocore.auth import SigV4Auth  # at first use: it takes a tenth of the time to start
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    credential = platform.identity.role_session(plan.pipe.role_arn, plan.pipe.name, service=SERVICE)
    unsigned = AWSRequest(method=method, url=url, data=body, headers=headers)
    keys = Credentials(credential.access_key_id, credential.secret_access_key, credential.session_token)
    SigV4Auth(keys, "execute-api", plan.pipe.region).add_auth(unsigned)
    return dict(unsigned.headers.items())
