"""The front door of REST APIs: stage, resource and method, throttle, authorize, integrate, log."""

from __future__ import annotations

from urllib.parse import unquote, urlencode

from freehold.kit.http import Response
from freehold.kit.ids import BASE62
from freehold.ports.manifest import HostRequest
from freehold.ports.platform import Platform
from freehold.services.apigateway import answers, functions, invoking, outbound
from freehold.services.apigateway.incoming import Incoming
from freehold.services.apigateway.rest import events, mock, refusals
from freehold.services.apigateway.rest.authorize import MISSING_TOKEN, Refused, authorize
from freehold.services.apigateway.rest.compiled import Compiled, Method
from freehold.services.apigateway.rest.exchange import Exchange

FORBIDDEN = b'{"message":"Forbidden"}'
OWN = frozenset({"x-amzn-requestid", "x-amz-apigw-id", "x-amzn-trace-id"})


async def serve(platform: Platform, compiled: Compiled, asked: HostRequest) -> Response:
    """Answer a request to a REST API."""
    first, slash, rest = asked.path[1:].partition("/")
    stage = compiled.stages.get(unquote(first))
    extended_id = platform.ids.letters(15, BASE62) + "="
    if stage is None or stage.api.get("disableExecuteApiEndpoint"):
        headers = [("content-type", "application/json"), ("x-amzn-errortype", "ForbiddenException")]
        headers += [("x-amzn-requestid", asked.request_id), ("x-amz-apigw-id", extended_id)]
        return Response(403, headers, FORBIDDEN)
    begun = platform.clock.monotonic()
    sampled = platform.traces.decide() if stage.tracing else None
    trace = platform.traces.begin(asked.http.headers.get("x-amzn-trace-id"), sampled=sampled)
    name = f"{compiled.name}/{stage.name}"
    owner = compiled.owner
    # A header that asks for a trace is passed on; the stage records a segment of its own where its tracing is on.
    segment = platform.traces.segment(trace, owner.account, owner.region, name, origin="AWS::ApiGateway::Stage")
    header = (segment.trace if stage.tracing else trace).header
    path, now = slash + rest or "/", platform.clock.now()
    incoming = Incoming(asked, asked.id, owner.account, stage.name, path, asked.path, asked.request_id, header, now)
    exchange = Exchange(compiled, stage, incoming, extended_id)
    response = await _answer(platform, exchange)
    response.headers = [pair for pair in response.headers if pair[0].lower() not in OWN]
    response.headers += [("x-amzn-requestid", asked.request_id), ("x-amz-apigw-id", extended_id)]
    said = trace.header if trace.sampled is not None else f"{trace.header};Sampled=0"
    response.headers.append(("x-amzn-trace-id", said))
    elapsed = (platform.clock.monotonic() - begun) * 1e3
    if stage.tracing:
        segment.put(
            "http",
            {
                "request": {"method": incoming.method, "url": asked.http.host + incoming.raw_path},
                "response": {"status": response.status},
            },
        )
        segment.put("aws", {"api_gateway": {"rest_api_id": asked.id, "stage": stage.name}})
        segment.end()
    _record(platform, exchange, response, elapsed)
    return response


async def _answer(platform: Platform, exchange: Exchange) -> Response:
    """Find the method and let it answer. A trailing slash is not part of a resource's path."""
    incoming, stage = exchange.incoming, exchange.stage
    path = incoming.path.rstrip("/") or "/"
    found = stage.resources.find("ANY", path)
    method: Method | None = None
    if found is not None:
        methods, incoming.parameters = found
        method = methods.get(incoming.method) or methods.get("ANY")
    if method is None:
        return refusals.render(exchange, MISSING_TOKEN)
    exchange.method = method
    if not method.bucket.take(platform.clock.monotonic(), platform.duties.members.size):
        return refusals.render(exchange, refusals.THROTTLED)
    try:
        await authorize(platform, exchange)
    except Refused as refused:
        return refusals.render(exchange, refused.error)
    kind = method.integration["type"]
    if kind == "AWS_PROXY":
        return await _invoke(platform, exchange, method)
    if kind == "HTTP_PROXY":
        return await _forward(platform, exchange, method)
    return _mock(exchange, method)


async def _invoke(platform: Platform, exchange: Exchange, method: Method) -> Response:
    if method.function is None:
        return refusals.render(exchange, refusals.BROKEN)
    try:
        payload = await invoking.invoke(
            platform,
            method.function,
            events.proxy(exchange),
            trace=exchange.incoming.trace,
            source_arn=exchange.arn,
            seconds=method.timeout,
        )
    except invoking.Uninvoked as problem:
        errors = {invoking.LATE: refusals.LATE, invoking.FAILED: refusals.MALFORMED}
        return refusals.render(exchange, errors.get(problem.reason, refusals.BROKEN))
    binary = exchange.stage.is_binary(exchange.incoming.headers.get("accept", "").partition(",")[0])
    try:
        return answers.rest(payload, binary=binary)
    except answers.Malformed:
        return refusals.render(exchange, refusals.MALFORMED)


async def _forward(platform: Platform, exchange: Exchange, method: Method) -> Response:
    """HTTP_PROXY: the request goes on as it came, but for what request parameters change."""
    incoming, integration = exchange.incoming, method.integration
    uri = functions.with_variables(integration["uri"], exchange.stage.variables)
    headers = {name: list(values) for name, values in exchange.header_lists().items()}
    query = dict(incoming.query)
    for target, source in integration.get("requestParameters", {}).items():
        place, _, name = target.removeprefix("integration.request.").partition(".")
        value = exchange.lookup(source)
        if place == "path":
            uri = uri.replace(f"{{{name}}}", value)
        elif value and place == "header":
            headers[name] = [value]
        elif value:
            query[name] = [value]
    if query:
        uri += ("&" if "?" in uri else "?") + urlencode(query, doseq=True)
    wanted = integration["httpMethod"]
    pairs = [(name, value) for name, values in headers.items() for value in values]
    try:
        response = await outbound.send(
            platform, incoming.method if wanted == "ANY" else wanted, uri, pairs, incoming.body, method.timeout
        )
    except outbound.Unreached as problem:
        return refusals.render(exchange, refusals.LATE if problem.late else refusals.UNREACHABLE)
    response.headers = answers.remapped(response.headers)
    return response


def _mock(exchange: Exchange, method: Method) -> Response:
    headers = exchange.incoming.headers
    accepted, template = mock.request_template(method.integration, headers.get("content-type"))
    if not accepted:
        return refusals.render(exchange, refusals.UNSUPPORTED)
    status = mock.status_of(template)
    response = mock.choose(method.integration.get("integrationResponses", {}), status) if status is not None else None
    if response is None:
        return refusals.render(exchange, refusals.BROKEN)
    kind, text = mock.response_template(response, headers.get("accept"))
    out = [("content-type", kind)]
    for target, source in (response.get("responseParameters") or {}).items():
        name = target.removeprefix("method.response.header.")
        out = [pair for pair in out if pair[0].lower() != name.lower()]
        out.append((name, exchange.lookup(source)))
    return Response(int(response["statusCode"]), out, text.encode())


def _record(platform: Platform, exchange: Exchange, response: Response, elapsed: float) -> None:
    """Count the request and write the access log."""
    owner, stage, incoming = exchange.compiled.owner, exchange.stage, exchange.incoming
    meters = platform.meters
    meters.add(owner.account, owner.region, "apigateway.requests", 1.0, api=incoming.api_id, stage=stage.name)
    meters.add(owner.account, owner.region, "apigateway.latency", elapsed, api=incoming.api_id)
    if stage.log_group is None or stage.log_line is None:
        return
    line = stage.log_line(_Context(exchange, response, elapsed))
    stream = f"{stage.name}/{incoming.api_id}"
    platform.logs.write(owner.account, owner.region, stage.log_group, stream, [(int(incoming.now * 1000), line)])


class _Context(dict[str, str]):
    """`$context` of a finished request, each variable looked up when the log's format asks for it."""

    def __init__(self, exchange: Exchange, response: Response, elapsed: float) -> None:
        integrated = exchange.error is None
        super().__init__(
            {
                "status": str(response.status),
                "responseLength": str(len(response.body) if isinstance(response.body, bytes) else 0),
                "responseLatency": str(int(elapsed)),
                "integrationLatency": str(int(elapsed)) if integrated else "",
                "integration.latency": str(int(elapsed)) if integrated else "",
                "integrationStatus": str(response.status) if integrated else "",
                "integration.status": str(response.status) if integrated else "",
            }
        )
        self._exchange = exchange

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        return self[name] if name in self else self._exchange.context(name) or default
