"""Custom resources: a function, or who listens to a topic (ServiceToken), does the work and answers by a PUT to a URL.

Documented in the user guide, "Custom resource reference": request and response objects, one hour of patience (or
ServiceTimeout seconds), responses of at most 4,096 bytes, all property values as strings.
"""

from __future__ import annotations

import json
from typing import Any, cast

import msgspec
import orjson

from freehold.kit import arns
from freehold.kit.faults import Fault
from freehold.kit.http import Response
from freehold.kit.tuples import pack
from freehold.ports.call import Cause
from freehold.ports.manifest import HostRequest
from freehold.ports.platform import Platform
from freehold.ports.resources import ANY, Physical, ResourceContext, ResourceType, Schema
from freehold.rules.templates.parameters import text
from freehold.services.cloudformation.context import Context
from freehold.services.cloudformation.prepare import CUSTOM
from freehold.store.base import ReadTx, Tx

Properties = dict[str, Any]
DOOR = "cloudformation"
"""Front hands `/_cloudformation/{token}` to `answered`."""
MAX_ANSWER = 4_096
PATIENCE_S = 3_600
SUBJECT = "AWS CloudFormation custom resource request"


class Question(msgspec.Struct):
    """A request to a custom resource, and its answer when it came."""

    id: str
    answer: dict[str, Any] | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Question).decode


def _question_key(token: str) -> bytes:
    return pack("cloudformation-question", token)


def question(tx: ReadTx, token: str) -> Question | None:
    value = tx.get(_question_key(token))
    return _decode(value) if value else None


def put_question(tx: Tx, token: str, asked: Question) -> None:
    tx.put(_question_key(token), _encode(asked))
    tx.wake(_question_key(token))


def drop_question(tx: Tx, token: str) -> None:
    tx.delete(_question_key(token))


async def answered(platform: Platform, request: HostRequest) -> Response | None:
    """The front door of response URLs."""
    if request.http.method != "PUT":
        return Response(405, [], b"")
    if len(request.http.body) > MAX_ANSWER:
        return Response(413, [("content-type", "text/plain")], b"A response is at most 4096 bytes.\n")
    try:
        answer = orjson.loads(request.http.body)
        orjson.dumps(answer)  # what is nested too deeply to be written again cannot be kept either
    except (orjson.JSONDecodeError, TypeError):
        answer = None
    if not isinstance(answer, dict):
        return Response(400, [("content-type", "text/plain")], b"A response is a JSON object.\n")

    def body(tx: Tx) -> bool:
        asked = question(tx, request.id)
        if asked is None:
            return False
        if asked.answer is None:
            asked.answer = answer
            put_question(tx, request.id, asked)
        return True

    known = await platform.store.transact(body)
    return Response(200 if known else 403, [], b"")


def _strings(value: Any) -> Any:
    """CloudFormation gives custom resources every scalar as a string."""
    if isinstance(value, dict):
        return {key: _strings(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strings(item) for item in value]
    return text(value)


async def _ask(context: Context, kind: str, properties: Properties, **members: Any) -> dict[str, Any]:
    """Ask the function or the topic, and wait for the answer. Raises Fault where it fails or does not come."""
    platform = context.origin.platform
    token, request_id = platform.ids.secret(43), platform.ids.uuid()
    arn = properties["ServiceToken"]
    named = arns.parse(arn)
    if named is None or named.service not in ("lambda", "sns"):
        raise Fault("ValidationError", f"Invalid service token: {arn} is the ARN of neither a function nor a topic.")
    await platform.store.transact(lambda tx: put_question(tx, token, Question(request_id)))
    event = {
        "RequestType": kind,
        "ServiceToken": arn,
        "ResponseURL": f"{platform.settings.url}/_{DOOR}/{token}/response",
        "StackId": context.stack_id,
        "RequestId": request_id,
        "LogicalResourceId": context.logical_id,
        "ResourceType": context.resource_type or CUSTOM,
        "ResourceProperties": _strings(properties),
        **members,
    }
    try:
        if named.service == "sns":
            await context.origin.call("sns", "Publish", TopicArn=arn, Message=json.dumps(event), Subject=SUBJECT)
        else:
            await platform.functions.invoke(
                arn,
                json.dumps(event).encode(),
                cause=Cause(),
                source="cloudformation.amazonaws.com",
                source_arn=context.stack_id,
                asynchronous=True,
            )
        patience = float(properties.get("ServiceTimeout", PATIENCE_S))
        answer = await _wait(platform, token, patience)
    finally:
        await platform.store.transact(lambda tx: drop_question(tx, token))
    if answer is None:
        raise Fault(
            "StackFailure",
            "CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId"
            f" [{request_id}]. If you are using the Python cfn-response module, you may need to update your Lambda"
            " function code so that CloudFormation can attach the updated version.",
        )
    if answer.get("Status") != "SUCCESS":
        reason = answer.get("Reason") or "the custom resource did not say why"
        raise Fault(
            "StackFailure", f"Received response status [FAILED] from custom resource. Message returned: {reason}"
        )
    return answer


async def _wait(platform: Platform, token: str, seconds: float) -> dict[str, Any] | None:
    until = platform.clock.monotonic() + seconds
    async with platform.store.watch(_question_key(token)) as watch:
        while True:
            asked = await platform.store.read(lambda tx: question(tx, token))
            if asked is not None and asked.answer is not None:
                return asked.answer
            left = until - platform.clock.monotonic()
            if left <= 0:
                return None
            await watch.wait(min(left, 1.0))


def _physical(answer: dict[str, Any], fallback: str) -> Physical:
    data = answer.get("Data") or {}
    attributes = {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else {}
    return Physical(str(answer.get("PhysicalResourceId") or fallback), attributes)


async def _create(ctx: ResourceContext, properties: Properties) -> Physical:
    context = cast(Context, ctx)
    answer = await _ask(context, "Create", properties)
    return _physical(answer, ctx.name(128))


async def _update(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    context = cast(Context, ctx)
    answer = await _ask(context, "Update", new, PhysicalResourceId=physical.id, OldResourceProperties=_strings(old))
    updated = _physical(answer, physical.id)
    if updated.id != physical.id:
        # Another physical id is how a custom resource says that it was replaced: the old one is then deleted.
        await _ask(context, "Delete", old, PhysicalResourceId=physical.id)
    return updated


async def _delete(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await _ask(cast(Context, ctx), "Delete", properties, PhysicalResourceId=physical.id)


class Free(dict[str, Schema]):
    """A schema that takes any property."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> Schema:
        return ANY


CUSTOM_RESOURCE = ResourceType(
    name=CUSTOM,
    properties=Free(),
    required=frozenset({"ServiceToken"}),
    replace=frozenset({"ServiceToken"}),
    attributes=frozenset({"*"}),
    create=_create,
    update=_update,
    delete=_delete,
)
