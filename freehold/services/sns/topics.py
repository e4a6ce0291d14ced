"""Topics: create, list, change, delete; tags and permissions."""

from __future__ import annotations

from typing import Any

import msgspec

from freehold.kit.faults import Fault, not_implemented
from freehold.kit.tuples import pack
from freehold.ports.call import Call
from freehold.ports.platform import Platform
from freehold.services.sns import attributes, catalog, paging, policies, state
from freehold.services.sns.model import (
    PAGE,
    Topic,
    TopicName,
    check_name,
    check_tags,
    invalid,
    parse_topic,
    tags_of,
)
from freehold.services.sns.policies import Guard
from freehold.store.base import ReadTx, Tx
from freehold.work.outbox import Delivery

Request = dict[str, Any]
SWEEP = "sns.sweep"


def version(call: Call) -> bytes:
    """A version that no topic had before."""
    return call.platform.ids.bytes(12)


def admitted(tx: ReadTx, call: Call, name: TopicName, action: str, **context: str | None) -> Topic:
    """The topic, for a caller who may. Raises NotFound, AuthorizationError, InvalidParameter.

    It costs the topic's row, however many subscriptions there are.
    """
    if name.region != call.region:
        raise invalid("TopicArn")
    found = state.require(tx, name)
    Guard(found).admit(call.principal, call.account, action, **context)
    return found


async def create_topic(call: Call, request: Request) -> Request:
    asked: dict[str, str] = dict(request.get("Attributes", {}))
    if request.get("DataProtectionPolicy"):
        raise not_implemented("data protection policies (DataProtectionPolicy of sns:CreateTopic)")
    fifo = asked.pop("FifoTopic", "false").lower()
    if fifo not in ("true", "false"):
        raise invalid("Attributes Reason: FifoTopic: Invalid value")
    check_name(request["Name"], fifo=fifo == "true")
    tags = check_tags(tags_of(request.get("Tags", [])))
    new = Topic(request["Name"], call.account, call.region, call.platform.ids.hex(16), {}, tags)
    for name, value in asked.items():
        kept = attributes.check_topic_attribute(new, name, value)
        if kept:
            new.attributes[name] = kept
    fresh = version(call)

    def body(tx: Tx) -> None:
        old = state.find(tx, state.name_of(new))
        if old is None:
            state.save(tx, msgspec.structs.replace(new), fresh)
            return
        if any(old.attributes.get(name, _default(name)) != value for name, value in new.attributes.items()):
            raise invalid("Attributes Reason: Topic already exists with different attributes")
        if "Tags" in request and old.tags != tags:
            raise invalid("Tags Reason: Topic already exists with different tags")

    await call.platform.store.transact(body)
    return {"TopicArn": new.arn}


def _default(name: str) -> str | None:
    return {"ContentBasedDeduplication": "false", "FifoThroughputScope": "Topic", "TracingConfig": "PassThrough"}.get(
        name
    )


async def delete_topic(call: Call, request: Request) -> Request:
    name = parse_topic(request["TopicArn"])

    def body(tx: Tx) -> None:
        if state.find(tx, name) is None and name.account == call.account:
            return  # deleting a topic that is gone is no error
        admitted(tx, call, name, "DeleteTopic")
        gone = state.delete_topic(tx, name)
        if gone is not None:
            payload = msgspec.msgpack.encode((name, gone.id))
            call.platform.outbox.add(tx, SWEEP, payload, id=gone.id, due_ms=call.platform.clock.now_ms())

    await call.platform.store.transact(body)
    catalog.forget(call.platform, name)
    return {}


async def sweep(platform: Platform, delivery: Delivery) -> None:
    """Outbox: delete what a topic left."""
    name, topic_id = msgspec.msgpack.decode(delivery.payload, type=tuple[TopicName, str])
    platform.own.get("sns.topics", {}).pop(name, None)
    while await platform.store.transact(lambda tx: state.sweep(tx, name, topic_id)):
        pass
    await platform.store.transact(lambda tx: tx.delete(pack("sns", "q", topic_id)))


async def list_topics(call: Call, request: Request) -> Request:
    after = paging.read(request.get("NextToken"))

    names = await call.platform.store.read(lambda tx: state.topics(tx, call.account, call.region, after, PAGE + 1))
    result: Request = {"Topics": [{"TopicArn": call.arn("sns", name)} for name in names[:PAGE]]}
    if len(names) > PAGE:
        result["NextToken"] = paging.token(names[PAGE - 1])
    return result


async def get_topic_attributes(call: Call, request: Request) -> Request:
    name = parse_topic(request["TopicArn"])
    found = await call.platform.store.read(lambda tx: admitted(tx, call, name, "GetTopicAttributes"))
    return {"Attributes": attributes.show_topic(found)}


async def set_topic_attributes(call: Call, request: Request) -> Request:
    name, key, value = parse_topic(request["TopicArn"]), request["AttributeName"], request.get("AttributeValue", "")
    if key == "FifoTopic":
        raise invalid("AttributeName")

    def change(tx: Tx, topic: Topic) -> None:
        kept = attributes.check_topic_attribute(topic, key, value)
        if kept:
            topic.attributes[key] = kept
        else:
            topic.attributes.pop(key, None)
        if key == "MaximumMessageSize":
            for found in state.all_of(tx, topic):
                attributes.check_big(topic, found.protocol)

    await _change(call, name, "SetTopicAttributes", change)
    return {}


async def _change(call: Call, name: TopicName, action: str, change: Any) -> None:
    fresh = version(call)

    def body(tx: Tx) -> None:
        topic = admitted(tx, call, name, action)
        change(tx, topic)
        state.save(tx, topic, fresh)

    await call.platform.store.transact(body)


async def add_permission(call: Call, request: Request) -> Request:
    label, accounts, actions = request["Label"], request["AWSAccountId"], request["ActionName"]
    if not label or len(label) > 80 or not label.replace("-", "").replace("_", "").isalnum():
        raise invalid("Label")
    if not accounts or not all(account.isdigit() and len(account) == 12 for account in accounts):
        raise invalid("AWSAccountId")
    if not actions:
        raise invalid("ActionName")

    def change(tx: Tx, topic: Topic) -> None:
        topic.attributes["Policy"] = policies.with_permission(topic, label, accounts, actions)

    await _change(call, parse_topic(request["TopicArn"]), "AddPermission", change)
    return {}


async def remove_permission(call: Call, request: Request) -> Request:
    def change(tx: Tx, topic: Topic) -> None:
        rest = policies.without_permission(topic, request["Label"])
        if rest:
            topic.attributes["Policy"] = rest
        else:
            topic.attributes.pop("Policy", None)

    await _change(call, parse_topic(request["TopicArn"]), "RemovePermission", change)
    return {}


def _tagged(call: Call, request: Request) -> TopicName:
    try:
        name = parse_topic(request["ResourceArn"], "ResourceArn")
    except Fault as fault:
        raise invalid("ResourceArn") from fault
    if name.account != call.account or name.region != call.region:
        raise invalid("ResourceArn")
    return name


def _require_resource(tx: ReadTx, name: TopicName) -> Topic:
    topic = state.find(tx, name)
    if topic is None:
        raise Fault("ResourceNotFoundException", "Resource does not exist")
    return topic


async def tag_resource(call: Call, request: Request) -> Request:
    name, tags, fresh = _tagged(call, request), tags_of(request["Tags"]), version(call)

    def body(tx: Tx) -> None:
        topic = _require_resource(tx, name)
        topic.tags = check_tags({**topic.tags, **tags})
        state.save(tx, topic, fresh)

    await call.platform.store.transact(body)
    return {}


async def untag_resource(call: Call, request: Request) -> Request:
    name, keys, fresh = _tagged(call, request), set(request["TagKeys"]), version(call)

    def body(tx: Tx) -> None:
        topic = _require_resource(tx, name)
        topic.tags = {key: value for key, value in topic.tags.items() if key not in keys}
        state.save(tx, topic, fresh)

    await call.platform.store.transact(body)
    return {}


async def list_tags_for_resource(call: Call, request: Request) -> Request:
    name = _tagged(call, request)
    topic = await call.platform.store.read(lambda tx: _require_resource(tx, name))
    return {"Tags": [{"Key": key, "Value": value} for key, value in topic.tags.items()]}


async def get_data_protection_policy(call: Call, request: Request) -> Request:
    raise not_implemented(f"data protection policies ({request['ResourceArn']})")


async def put_data_protection_policy(call: Call, request: Request) -> Request:
    raise not_implemented(
        f"data protection policies ({request['ResourceArn']}, {len(request['DataProtectionPolicy'])} bytes)"
    )
