"""The front door of HTTP APIs: stage, CORS, route, throttle, authorize, integrate, log."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, unquote, urlencode

from freehold.kit.http import Response
from freehold.kit.ids import BASE62
from freehold.ports.manifest import HostRequest
from freehold.ports.platform import Platform
from freehold.services.apigateway import answers, functions, invoking, outbound
from freehold.services.apigateway.http import aws_services, events, mapping
from freehold.services.apigateway.http.authorize import Refused, authorize, method_arn
from freehold.services.apigateway.http.compiled import Compiled, Route, Stage
from freehold.services.apigateway.http.mapping import Mapped
from freehold.services.apigateway.incoming import Incoming, split_stage

MESSAGES = {
    401: b'{"message":"Unauthorized"}',
    403: b'{"message":"Forbidden"}',
    404: b'{"message":"Not Found"}',
    429: b'{"message":"Too Many Requests"}',
    500: b'{"message":"Internal Server Error"}',
    503: b'{"message":"Service Unavailable"}',
    504: b'{"message":"Gateway Timeout"}',
}


def message(status: int) -> Response:
    """API Gateway's own answer of a status."""
    return Response(status, [("content-type", "application/json")], MESSAGES[status])


async def serve(platform: Platform, compiled: Compiled, asked: HostRequest) -> Response:
    """Answer a request to an HTTP API."""
    if compiled.api.get("DisableExecuteApiEndpoint"):
        return message(404)
    split = split_stage(asked.path, compiled.names)
    if split is None:
        return message(404)
    stage = compiled.stages[split[0]]
    now = platform.clock.now()
    trace = platform.traces.begin(asked.http.headers.get("x-amzn-trace-id"), sampled=None)
    request_id = platform.ids.letters(15, BASE62) + "="
    incoming = Incoming(
        asked,
        asked.id,
        compiled.owner.account,
        stage.name,
        split[1],
        unquote(asked.path),
        request_id,
        trace.header,
        now,
    )
    begun = platform.clock.monotonic()
    route, response = await _answer(platform, compiled, stage, incoming)
    if stage.cors is not None and incoming.method != "OPTIONS":
        stage.cors.decorate(asked.http.headers, response)
    response.headers.append(("apigw-requestid", request_id))
    elapsed = (platform.clock.monotonic() - begun) * 1e3
    _record(platform, compiled, stage, incoming, response, route, elapsed)
    return response


async def _answer(
    platform: Platform, compiled: Compiled, stage: Stage, incoming: Incoming
) -> tuple[Route | None, Response]:
    found = stage.routes.find(incoming.method, incoming.path)
    headers = incoming.asked.http.headers
    if stage.cors is not None and incoming.method == "OPTIONS" and "origin" in headers:
        return None, stage.cors.preflight(headers)
    if found is None:
        return None, message(404)
    route, incoming.parameters = found
    if not route.bucket.take(platform.clock.monotonic(), platform.duties.members.size):
        return route, message(429)
    try:
        authorizer = incoming.authorizer = await authorize(platform, compiled, stage, route, incoming)
    except Refused as refused:
        return route, message(refused.status)
    if route.integration is None:
        return route, message(500)
    if route.function is not None:
        return route, await _invoke(platform, compiled, stage, route, incoming, authorizer)
    if "IntegrationSubtype" in route.integration:
        return route, await _perform(platform, compiled, stage, route, incoming)
    return route, await _forward(platform, stage, route, incoming)


async def _invoke(
    platform: Platform,
    compiled: Compiled,
    stage: Stage,
    route: Route,
    incoming: Incoming,
    authorizer: dict[str, object] | None,
) -> Response:
    assert route.integration is not None and route.function is not None
    second = route.integration["PayloadFormatVersion"] == "2.0"
    build = events.version_2 if second else events.version_1
    event = build(incoming, route.key, stage.variables, authorizer)
    try:
        payload = await invoking.invoke(
            platform,
            route.function,
            event,
            trace=incoming.trace,
            source_arn=method_arn(compiled, incoming),
            seconds=route.timeout,
        )
    except invoking.Uninvoked as problem:
        return message(503 if problem.reason in (invoking.LATE, invoking.THROTTLED) else 500)
    try:
        response = answers.version_2(payload) if second else answers.version_1(payload)
    except answers.Malformed:
        return message(500)
    return _mapped_response(route, stage, incoming, response)


async def _perform(platform: Platform, compiled: Compiled, stage: Stage, route: Route, incoming: Incoming) -> Response:
    """An operation of an AWS service, which answers in its own words."""
    assert route.integration is not None
    try:
        response = await aws_services.perform(
            platform,
            route.integration,
            lambda name: _lookup(name, stage, route, incoming, None),
            account=compiled.owner.account,
            region=compiled.owner.region,
            trace=incoming.trace,
            seconds=route.timeout,
        )
    except TimeoutError:
        return message(504)
    return _mapped_response(route, stage, incoming, response)


async def _forward(platform: Platform, stage: Stage, route: Route, incoming: Incoming) -> Response:
    """HTTP_PROXY: the request goes on as it came, but for what the mapping changes."""
    integration = route.integration
    assert integration is not None
    uri = functions.with_variables(integration["IntegrationUri"], stage.variables)
    for name, value in incoming.parameters.items():
        # Parameters were decoded; in an address they are encoded again.
        encoded = quote(value, safe="/:@!$&'()*+,;=~")
        uri = uri.replace(f"{{{name}}}", encoded).replace(f"{{{name}+}}", encoded)
    mapped = Mapped({name: list(values) for name, values in incoming.header_lists.items()}, dict(incoming.query))
    mapping.apply(
        integration.get("RequestParameters", {}), mapped, lambda name: _lookup(name, stage, route, incoming, None)
    )
    if mapped.path is not None:
        scheme, _, rest = uri.partition("://")
        uri = f"{scheme}://{rest.partition('/')[0]}{mapped.path}"
    if mapped.query:
        uri += ("&" if "?" in uri else "?") + urlencode(mapped.query, doseq=True)
    host = incoming.asked.http.host
    forwarded = f"for={incoming.source_ip};host={host};proto={incoming.asked.http.scheme}"
    headers = [(name, value) for name, values in mapped.headers.items() for value in values]
    method = integration.get("IntegrationMethod", "ANY")
    try:
        response = await outbound.send(
            platform,
            incoming.method if method == "ANY" else method,
            uri,
            [*headers, ("forwarded", forwarded)],
            incoming.body,
            route.timeout,
        )
    except outbound.Unreached as problem:
        return message(504 if problem.late else 503)
    return _mapped_response(route, stage, incoming, response)


def _mapped_response(route: Route, stage: Stage, incoming: Incoming, response: Response) -> Response:
    assert route.integration is not None
    pairs = route.integration.get("ResponseParameters", {}).get(str(response.status))
    if not pairs:
        return response
    lists: dict[str, list[str]] = {}
    for name, value in response.headers:
        lists.setdefault(name.lower(), []).append(value)
    mapped = Mapped(lists, {})
    mapping.apply(pairs, mapped, lambda name: _lookup(name, stage, route, incoming, response))
    headers = [(name, value) for name, values in mapped.headers.items() for value in values]
    return Response(mapped.status or response.status, headers, response.body)


def _lookup(name: str, stage: Stage, route: Route, incoming: Incoming, response: Response | None) -> str:
    """The value of `request.header.x`, `response.body.a`, `context.stage`, `stageVariables.x`."""
    kind, _, rest = name.partition(".")
    where, _, what = rest.partition(".")
    if kind == "stageVariables":
        return stage.variables.get(rest, "")
    if kind == "context":
        return _context(incoming, route).get(rest, "")
    if kind == "response" and response is not None:
        if where == "header":
            return ",".join(value for key, value in response.headers if key.lower() == what.lower())
        return mapping.body_value(response.body if isinstance(response.body, bytes) else b"", what)
    if where == "header":
        return incoming.headers.get(what.lower(), "")
    if where == "querystring":
        return ",".join(incoming.query.get(what, []))
    if where == "path":
        return incoming.parameters.get(what, "") if what else incoming.path
    return mapping.body_value(incoming.body, what) if where == "body" else ""


def _context(incoming: Incoming, route: Route | None) -> dict[str, str]:
    """The `$context` variables of a request."""
    said = events.authorizer_values(incoming.authorizer) if incoming.authorizer else {}
    return said | {
        "accountId": incoming.account,
        "apiId": incoming.api_id,
        "domainName": incoming.domain_name,
        "domainPrefix": incoming.api_id,
        "extendedRequestId": incoming.request_id,
        "httpMethod": incoming.method,
        "identity.sourceIp": incoming.source_ip,
        "identity.userAgent": incoming.user_agent,
        "path": incoming.raw_path,
        "protocol": "HTTP/1.1",
        "requestId": incoming.request_id,
        "requestTime": incoming.time_text,
        "requestTimeEpoch": str(int(incoming.now * 1000)),
        "routeKey": route.key if route else "",
        "stage": incoming.stage,
    }


def _record(
    platform: Platform,
    compiled: Compiled,
    stage: Stage,
    incoming: Incoming,
    response: Response,
    route: Route | None,
    elapsed: float,
) -> None:
    """Count the request and write the access log."""
    owner = compiled.owner
    platform.meters.add(owner.account, owner.region, "apigateway.requests", 1.0, api=incoming.api_id, stage=stage.name)
    platform.meters.add(owner.account, owner.region, "apigateway.latency", elapsed, api=incoming.api_id)
    if stage.log_group is None or stage.log_line is None:
        return
    values: Mapping[str, str] = _context(incoming, route) | {
        "status": str(response.status),
        "responseLength": str(len(response.body) if isinstance(response.body, bytes) else 0),
        "responseLatency": str(int(elapsed)),
        "integrationLatency": str(int(elapsed)),
        "integrationStatus": str(response.status),
    }
    line = stage.log_line(values)
    stream = f"{stage.name}/{incoming.api_id}"
    platform.logs.write(owner.account, owner.region, stage.log_group, stream, [(int(incoming.now * 1000), line)])
