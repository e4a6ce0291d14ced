"""Subscription filters: events that match a pattern are sent to a Lambda function as they come.

What is sent: "Real-time processing of log data with subscriptions" of the CloudWatch Logs user guide: a gzipped,
base64-encoded document of messageType DATA_MESSAGE under `awslogs.data`.
"""

from __future__ import annotations

import base64
import gzip

import orjson

from freehold.kit import arns
from freehold.kit.faults import Fault, not_implemented
from freehold.ports.call import Call
from freehold.ports.identity import Source
from freehold.services.logs import filters, state
from freehold.services.logs.filters import Filter
from freehold.services.logs.groups import space
from freehold.services.logs.model import Request, Space, decode_token, encode_token, group_arn, invalid, pattern
from freehold.store.base import ReadTx, Tx

_PAGE = 50
PRINCIPAL = "logs.amazonaws.com"


def source_of(where: Space, group: str) -> Source:
    """CloudWatch Logs, as the policy of a function sees it."""
    return Source(PRINCIPAL, f"{group_arn(where, group)}:*", where.account)


async def put_subscription_filter(call: Call, request: Request) -> Request:
    """A filter to a Lambda function. Kinesis, Firehose and logical destinations are refused by name."""
    where, group = space(call), request["logGroupName"]
    _refuse(request)
    new = Filter(
        request["filterName"],
        request["filterPattern"],
        _function(request["destinationArn"], group),
        call.platform.clock.now_ms(),
        request.get("distribution", "ByLogStream"),
    )
    pattern(new.pattern)

    def body(tx: Tx) -> None:
        try:
            call.platform.functions.check(tx, new.destination, source_of(where, group))
        except Fault as fault:
            raise invalid(
                "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute "
                "your function."
            ) from fault
        filters.put(tx, where, group, new)

    await call.platform.store.transact(body)
    return {}


def _refuse(request: Request) -> None:
    for member in ("fieldSelectionCriteria", "emitSystemFields", "roleArn"):
        if request.get(member):
            raise not_implemented(f"{member} of logs:PutSubscriptionFilter")
    if request.get("applyOnTransformedLogs"):
        raise not_implemented("transformed logs (applyOnTransformedLogs of logs:PutSubscriptionFilter)")


def _function(destination: str, group: str) -> str:
    """The ARN of a function. Raises what refuses other destinations, and a function that would be sent its own lines."""
    arn = arns.parse(destination)
    if arn is None:
        raise invalid(f"Invalid destinationArn: {destination}")
    if arn.service != "lambda":
        raise not_implemented(f"subscription filters to {arn.service} (only Lambda functions are served)")
    name = arn.resource.removeprefix("function:").partition(":")[0]
    if group == f"/aws/lambda/{name}":
        raise not_implemented("subscription filters that send a function its own log: it would run for ever")
    return destination


async def describe_subscription_filters(call: Call, request: Request) -> Request:
    where, name = space(call), request["logGroupName"]
    token = decode_token(request.get("nextToken"), str)
    after, prefix = (token[0] if token else ""), request.get("filterNamePrefix", "")

    def body(tx: ReadTx) -> list[Filter]:
        return filters.of_group(tx, where, state.group(tx, where, name).id)

    found = [one for one in await call.platform.store.read(body) if one.name > after and one.name.startswith(prefix)]
    limit = request.get("limit", _PAGE)
    answer: Request = {"subscriptionFilters": [_described(name, one) for one in found[:limit]]}
    if len(found) > limit:
        answer["nextToken"] = encode_token(found[limit - 1].name)
    return answer


def _described(group: str, one: Filter) -> Request:
    return {
        "filterName": one.name,
        "logGroupName": group,
        "filterPattern": one.pattern,
        "destinationArn": one.destination,
        "distribution": one.distribution,
        "applyOnTransformedLogs": False,
        "creationTime": one.created_ms,
    }


async def delete_subscription_filter(call: Call, request: Request) -> Request:
    where = space(call)
    await call.platform.store.transact(
        lambda tx: filters.remove(tx, where, request["logGroupName"], request["filterName"])
    )
    return {}


def message(where: Space, group: str, stream: str, name: str, events: list[Request]) -> bytes:
    """The payload that a function gets."""
    document = {
        "messageType": "DATA_MESSAGE",
        "owner": where.account,
        "logGroup": group,
        "logStream": stream,
        "subscriptionFilters": [name],
        "logEvents": events,
    }
    packed = gzip.compress(orjson.dumps(document), 6, mtime=0)
    return orjson.dumps({"awslogs": {"data": base64.b64encode(packed).decode()}})
