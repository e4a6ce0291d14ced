"""Subscriptions: subscribe, confirm, list, change, unsubscribe; and the links that need no signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import msgspec

from freehold.kit.clock import iso8601
from freehold.kit.faults import Fault
from freehold.kit.http import Response
from freehold.ports.call import Call
from freehold.services.sns import attributes, endpoints, envelope, http, paging, push, signing, state, subscribing
from freehold.services.sns.model import (
    PAGE,
    Subscription,
    Topic,
    TopicName,
    invalid,
    parse_subscription,
    parse_topic,
    subscription_arn,
    subscription_missing,
    topic_missing,
)
from freehold.services.sns.subscribing import Letter
from freehold.services.sns.topics import admitted, version
from freehold.store.base import ReadTx, Tx

if TYPE_CHECKING:
    from freehold.ports.manifest import HostRequest
    from freehold.ports.platform import Platform

Request = dict[str, Any]
_PENDING = "pending confirmation"
_HEX = "0123456789abcdef"
_CONFIRMED_BY_OTHERS = ("http", "https", "email", "email-json")


async def subscribe(call: Call, request: Request) -> Request:
    name = parse_topic(request["TopicArn"])
    protocol, asked = request["Protocol"], request.get("Attributes", {})
    context = {"Protocol": protocol, "Endpoint": request.get("Endpoint")}
    topic = await call.platform.store.read(lambda tx: admitted(tx, call, name, "Subscribe", **context))
    endpoint = endpoints.check(topic, protocol, request.get("Endpoint"))
    attributes.check_big(topic, protocol)
    await signing.ensure(call.platform)
    new = Subscription(
        call.platform.ids.secret_uuid(),
        protocol,
        endpoint,
        call.account,
        call.principal.arn,
        call.platform.clock.now_ms(),
        authenticated=True,
    )
    _set_all(topic, new, asked)
    letter = None
    if _needs_confirmation(call, protocol, endpoint):
        letter = await _letter(call.platform, topic, new, "SubscriptionConfirmation")
        new.token, new.authenticated = letter.token, False
    fresh, now_ms = version(call), call.platform.clock.now_ms()

    def body(tx: Tx) -> Subscription:
        current = admitted(tx, call, name, "Subscribe", **context)
        if protocol == "application":
            _require_endpoint(tx, endpoint)
        return subscribing.subscribe(tx, call.platform, current, msgspec.structs.replace(new), letter, fresh, now_ms)

    found = await call.platform.store.transact(body)
    if found.token is not None and not request.get("ReturnSubscriptionArn"):
        return {"SubscriptionArn": _PENDING}
    return {"SubscriptionArn": subscription_arn(name.arn, found.id)}


def _set_all(topic: Topic, new: Subscription, asked: dict[str, str]) -> None:
    """Attributes at creation: the scope of the filter policy before the policy."""
    prefix = "Attributes Reason: "
    for key in sorted(asked, key=lambda key: key != "FilterPolicyScope"):
        kept = attributes.check_subscription_attribute(topic, new, key, asked[key], prefix)
        if kept:
            new.attributes[key] = kept


def _needs_confirmation(call: Call, protocol: str, endpoint: str) -> bool:
    """Whoever owns the endpoint and subscribes it has confirmed; for a queue that is its account."""
    if protocol == "sqs":
        return endpoint.split(":")[4] != call.account
    return protocol in _CONFIRMED_BY_OTHERS


def _require_endpoint(tx: ReadTx, arn: str) -> None:
    try:
        push.endpoint(tx, push.parse(arn, "endpoint", "Endpoint"))
    except Fault as fault:
        if fault.code != "NotFoundException":
            raise
        raise invalid(f"Endpoint Reason: Endpoint does not exist for endpoint arn{arn}") from None


async def _letter(platform: Platform, topic: Topic, to: Subscription, kind: str) -> Letter:
    token = platform.ids.secret(192, _HEX)
    message_id = platform.ids.uuid()
    text = await http.confirmation(
        platform,
        topic.arn,
        topic.attributes.get("SignatureVersion", "1"),
        kind,
        message_id,
        token,
        iso8601(platform.clock.now()),
        subscription_arn(topic.arn, to.id),
    )
    return Letter(kind, message_id, token, envelope.confirm_url(platform.settings.url, topic.arn, token), text)


async def confirm_subscription(call: Call, request: Request) -> Request:
    name, token = parse_topic(request["TopicArn"]), request["Token"]
    locked = request.get("AuthenticateOnUnsubscribe", "false").lower() == "true"
    fresh = version(call)

    def body(tx: Tx) -> Subscription:
        return subscribing.confirm(tx, state.require(tx, name), token, authenticated=True, locked=locked, fresh=fresh)

    found = await call.platform.store.transact(body)
    return {"SubscriptionArn": subscription_arn(name.arn, found.id)}


async def unsubscribe(call: Call, request: Request) -> Request:
    name, id = parse_subscription(request["SubscriptionArn"])
    fresh, now_ms = version(call), call.platform.clock.now_ms()

    def body(tx: Tx) -> None:
        try:
            topic, found = state.locate(tx, name, id)
        except Fault:
            return  # unsubscribing what is gone is no error
        _owned(call, topic, found, "Unsubscribe")
        subscribing.unsubscribe(tx, call.platform, topic, found, None, fresh, now_ms)

    await call.platform.store.transact(body)
    return {}


def _owned(call: Call, topic: Topic, found: Subscription, action: str) -> None:
    """Only the owners of a subscription and of its topic may touch it."""
    if call.account not in (found.owner, topic.account):
        arn = state.arn_of(topic, found)
        raise Fault(
            "AuthorizationErrorException",
            f"User: {call.principal.arn} is not authorized to perform: SNS:{action} on resource: {arn}",
        )


async def get_subscription_attributes(call: Call, request: Request) -> Request:
    name, id = parse_subscription(request["SubscriptionArn"])

    def body(tx: ReadTx) -> dict[str, str]:
        topic, found = state.locate(tx, name, id)
        _owned(call, topic, found, "GetSubscriptionAttributes")
        return attributes.show_subscription(topic, found)

    return {"Attributes": await call.platform.store.read(body)}


async def set_subscription_attributes(call: Call, request: Request) -> Request:
    name, id = parse_subscription(request["SubscriptionArn"])
    key, value, fresh = request["AttributeName"], request.get("AttributeValue", ""), version(call)

    def body(tx: Tx) -> None:
        topic, old = state.locate(tx, name, id)
        _owned(call, topic, old, "SetSubscriptionAttributes")
        kept = attributes.check_subscription_attribute(topic, old, key, value)
        changed = {name: text for name, text in old.attributes.items() if name != key}
        if kept:
            changed[key] = kept
        new = msgspec.structs.replace(old, attributes=changed)
        attributes.check_filter_scope(new)
        state.change(tx, topic, old, new, fresh)

    await call.platform.store.transact(body)
    return {}


def _listed(topic_arn: str, found: Subscription) -> Request:
    return {
        "SubscriptionArn": subscription_arn(topic_arn, found.id) if found.token is None else "PendingConfirmation",
        "Owner": found.owner,
        "Protocol": found.protocol,
        "Endpoint": found.endpoint,
        "TopicArn": topic_arn,
    }


async def list_subscriptions(call: Call, request: Request) -> Request:
    after = paging.read(request.get("NextToken"))
    place = (after.rpartition(":")[0], after.rpartition(":")[2]) if after else None
    rows = await call.platform.store.read_many(
        lambda tx: state.page_of_owner(tx, call.account, call.region, place, PAGE + 1)
    )
    result: Request = {"Subscriptions": [_listed(arn, found) for arn, found in rows[:PAGE]]}
    if len(rows) > PAGE:
        last_arn, last = rows[PAGE - 1]
        result["NextToken"] = paging.token(f"{last_arn}:{last.id}")
    return result


async def list_subscriptions_by_topic(call: Call, request: Request) -> Request:
    name, after = parse_topic(request["TopicArn"]), paging.read(request.get("NextToken"))

    def body(tx: ReadTx) -> list[Subscription]:
        topic = admitted(tx, call, name, "ListSubscriptionsByTopic")
        return state.page_of(tx, topic, after, PAGE + 1)

    rows = await call.platform.store.read(body)
    result: Request = {"Subscriptions": [_listed(name.arn, found) for found in rows[:PAGE]]}
    if len(rows) > PAGE:
        result["NextToken"] = paging.token(rows[PAGE - 1].id)
    return result


async def serve_link(platform: Platform, asked: HostRequest) -> Response | None:
    """SubscribeURL and UnsubscribeURL, visited by whoever got them."""
    query = dict(asked.http.query_pairs())
    try:
        if query.get("Action") == "ConfirmSubscription":
            arn = await _confirm_link(platform, parse_topic(query.get("TopicArn", "")), query.get("Token", ""))
            said = f"<ConfirmSubscriptionResult><SubscriptionArn>{escape(arn)}</SubscriptionArn></ConfirmSubscriptionResult>"
            return _xml("ConfirmSubscriptionResponse", said, asked.request_id)
        if query.get("Action") == "Unsubscribe":
            await _unsubscribe_link(platform, *parse_subscription(query.get("SubscriptionArn", "")))
            return _xml("UnsubscribeResponse", "", asked.request_id)
    except Fault as fault:
        code = {"InvalidParameterException": "InvalidParameter", "NotFoundException": "NotFound"}.get(
            fault.code, "AuthorizationError"
        )
        status = {"InvalidParameter": 400, "NotFound": 404}.get(code, 403)
        said = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(fault.message)}</Message></Error>"
        return _xml("ErrorResponse", said, asked.request_id, status)
    return None


async def _confirm_link(platform: Platform, name: TopicName, token: str) -> str:
    fresh = platform.ids.bytes(12)

    def body(tx: Tx) -> Subscription:
        topic = state.find(tx, name)
        if topic is None:
            raise topic_missing()
        return subscribing.confirm(tx, topic, token, authenticated=False, locked=False, fresh=fresh)

    found = await platform.store.transact(body)
    return subscription_arn(name.arn, found.id)


async def _unsubscribe_link(platform: Platform, name: TopicName, id: str) -> None:
    topic, found = await platform.store.read(lambda tx: state.locate(tx, name, id))
    letter = await _letter(platform, topic, found, "UnsubscribeConfirmation")
    fresh, now_ms = platform.ids.bytes(12), platform.clock.now_ms()

    def body(tx: Tx) -> None:
        topic, found = state.locate(tx, name, id)
        if found.token is not None:
            raise subscription_missing()
        if found.locked:
            raise Fault("AuthorizationErrorException", "Unsubscribing this subscription takes a signed call")
        subscribing.unsubscribe(tx, platform, topic, found, letter, fresh, now_ms)

    await platform.store.transact(body)


def _xml(root: str, inside: str, request_id: str, status: int = 200) -> Response:
    metadata = f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
    if status != 200:
        metadata = f"<RequestId>{request_id}</RequestId>"
    body = f'<{root} xmlns="http://sns.amazonaws.com/doc/2010-03-31/">{inside}{metadata}</{root}>'
    return Response(status, [("content-type", "text/xml")], body.encode())
