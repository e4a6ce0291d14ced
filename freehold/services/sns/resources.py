"""CloudFormation types of SNS."""

from __future__ import annotations

from typing import Any

import orjson

from freehold.kit.faults import Fault
from freehold.ports.resources import (
    ANY,
    BOOLEAN,
    STRING,
    Physical,
    ResourceContext,
    ResourceType,
)

Properties = dict[str, Any]
_PROTOCOL = {"http/s": "HTTP", "http": "HTTP", "sqs": "SQS", "lambda": "Lambda", "firehose": "Firehose",
             "application": "Application"}  # fmt: skip
_TEXTS = ("DisplayName", "FifoThroughputScope", "KmsMasterKeyId", "SignatureVersion", "TracingConfig")


def _attributes(properties: Properties) -> dict[str, str]:
    """The topic attributes that properties mean."""
    found = {name: properties[name] for name in _TEXTS if properties.get(name)}
    if "ContentBasedDeduplication" in properties:
        found["ContentBasedDeduplication"] = str(properties["ContentBasedDeduplication"]).lower()
    for entry in properties.get("DeliveryStatusLogging", []):
        family = _PROTOCOL.get(entry["Protocol"].lower())
        if family is None:
            raise Fault("ValidationError", f"Invalid protocol of DeliveryStatusLogging: {entry['Protocol']}")
        for name in ("SuccessFeedbackRoleArn", "FailureFeedbackRoleArn", "SuccessFeedbackSampleRate"):
            if name in entry:
                found[f"{family}{name}"] = entry[name]
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _tags(ctx_tags: dict[str, str], properties: Properties) -> dict[str, str]:
    return {**ctx_tags, **{tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}}


async def _create_topic(ctx: ResourceContext, properties: Properties) -> Physical:
    fifo = properties.get("FifoTopic", False)
    name = properties.get("TopicName")
    if name is None:
        name = ctx.name(251) + ".fifo" if fifo else ctx.name(256)
    attributes = _attributes(properties)
    if fifo:
        attributes["FifoTopic"] = "true"
    else:
        attributes.pop("ContentBasedDeduplication", None)
    tags = [{"Key": key, "Value": value} for key, value in _tags(ctx.tags, properties).items()]
    request: Properties = {"Name": name, "Attributes": attributes, "Tags": tags}
    arn = (await ctx.call("sns", "CreateTopic", **request))["TopicArn"]
    ctx.made(arn)
    made = []
    for entry in properties.get("Subscription", []):
        made.append(await _subscribe_inline(ctx, arn, entry))
    return Physical(arn, {"TopicArn": arn, "TopicName": name}, {"subscriptions": made})


async def _subscribe_inline(ctx: ResourceContext, arn: str, entry: Properties) -> list[str]:
    request = {"TopicArn": arn, "Protocol": entry["Protocol"], "Endpoint": entry["Endpoint"]}
    found = await ctx.call("sns", "Subscribe", ReturnSubscriptionArn=True, **request)
    return [entry["Protocol"], entry["Endpoint"], found["SubscriptionArn"]]


async def _update_topic(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    before, after = _attributes(old), _attributes(new)
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            fallback = {"ContentBasedDeduplication": "false", "FifoThroughputScope": "Topic", "SignatureVersion": "1",
                        "TracingConfig": "PassThrough"}.get(name, "")  # fmt: skip
            await ctx.call(
                "sns",
                "SetTopicAttributes",
                TopicArn=physical.id,
                AttributeName=name,
                AttributeValue=after.get(name, fallback),
            )
    await _update_tags(ctx, physical.id, _tags(ctx.previous_tags, old), _tags(ctx.tags, new))
    wanted = [(entry["Protocol"], entry["Endpoint"]) for entry in new.get("Subscription", [])]
    kept = []
    for protocol, endpoint, arn in physical.data.get("subscriptions", []):
        if (protocol, endpoint) in wanted:
            kept.append([protocol, endpoint, arn])
        else:
            await ctx.call("sns", "Unsubscribe", SubscriptionArn=arn)
    have = {(protocol, endpoint) for protocol, endpoint, _ in kept}
    for protocol, endpoint in wanted:
        if (protocol, endpoint) not in have:
            kept.append(await _subscribe_inline(ctx, physical.id, {"Protocol": protocol, "Endpoint": endpoint}))
    return Physical(physical.id, physical.attributes, {"subscriptions": kept})


async def _update_tags(ctx: ResourceContext, arn: str, before: dict[str, str], after: dict[str, str]) -> None:
    gone = sorted(set(before) - set(after))
    if gone:
        await ctx.call("sns", "UntagResource", ResourceArn=arn, TagKeys=gone)
    changed = [{"Key": key, "Value": value} for key, value in after.items() if before.get(key) != value]
    if changed:
        await ctx.call("sns", "TagResource", ResourceArn=arn, Tags=changed)


async def _delete_topic(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await ctx.call("sns", "DeleteTopic", TopicArn=physical.id)


_SUBSCRIPTION_JSON = ("FilterPolicy", "RedrivePolicy", "DeliveryPolicy")


def _subscription_attributes(properties: Properties) -> dict[str, str]:
    found = {name: _text(properties[name]) for name in _SUBSCRIPTION_JSON if properties.get(name)}
    if properties.get("FilterPolicyScope"):
        found["FilterPolicyScope"] = properties["FilterPolicyScope"]
    if "RawMessageDelivery" in properties:
        found["RawMessageDelivery"] = str(properties["RawMessageDelivery"]).lower()
    return found


async def _create_subscription(ctx: ResourceContext, properties: Properties) -> Physical:
    region = properties.get("Region")
    if region is not None and region != properties["TopicArn"].split(":")[3]:
        raise Fault("ValidationError", "Region must be the region of the topic")
    found = await ctx.call(
        "sns",
        "Subscribe",
        TopicArn=properties["TopicArn"],
        Protocol=properties["Protocol"],
        Endpoint=properties.get("Endpoint", ""),
        Attributes=_subscription_attributes(properties),
        ReturnSubscriptionArn=True,
    )
    arn = found["SubscriptionArn"]
    return Physical(arn, {"Arn": arn})


async def _update_subscription(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    before, after = _subscription_attributes(old), _subscription_attributes(new)
    changed = {
        name: after.get(name) for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)
    }
    steps = [(name, value) for name, value in changed.items() if name not in ("FilterPolicy", "FilterPolicyScope")]
    if "FilterPolicyScope" in changed:
        # What is a policy in one scope may be none in the other.
        steps += [("FilterPolicy", None), ("FilterPolicyScope", changed["FilterPolicyScope"])]
        steps.append(("FilterPolicy", after.get("FilterPolicy")))
    elif "FilterPolicy" in changed:
        steps.append(("FilterPolicy", changed["FilterPolicy"]))
    defaults = {"RawMessageDelivery": "false", "FilterPolicyScope": "MessageAttributes"}
    for name, value in steps:
        await ctx.call(
            "sns",
            "SetSubscriptionAttributes",
            SubscriptionArn=physical.id,
            AttributeName=name,
            AttributeValue=defaults.get(name, "") if value is None else value,
        )
    return physical


async def _delete_subscription(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await ctx.call("sns", "Unsubscribe", SubscriptionArn=physical.id)


async def _set_policy(ctx: ResourceContext, topics: list[str], document: Any) -> None:
    for arn in topics:
        await ctx.call(
            "sns", "SetTopicAttributes", TopicArn=arn, AttributeName="Policy", AttributeValue=_text(document)
        )


async def _clear_policy(ctx: ResourceContext, topics: list[str]) -> None:
    """Back to the default policy; topics that are gone have none."""
    for arn in topics:
        try:
            await ctx.call("sns", "SetTopicAttributes", TopicArn=arn, AttributeName="Policy", AttributeValue="")
        except Fault as fault:
            if fault.code != "NotFoundException":
                raise


async def _create_policy(ctx: ResourceContext, properties: Properties) -> Physical:
    await _set_policy(ctx, properties["Topics"], properties["PolicyDocument"])
    return Physical(ctx.name(64), {"Id": ctx.name(64)})


async def _update_policy(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    await _clear_policy(ctx, sorted(set(old["Topics"]) - set(new["Topics"])))
    await _set_policy(ctx, new["Topics"], new["PolicyDocument"])
    return physical


async def _delete_policy(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await _clear_policy(ctx, properties["Topics"])


async def _create_inline(ctx: ResourceContext, properties: Properties) -> Physical:
    await _set_policy(ctx, [properties["TopicArn"]], properties["PolicyDocument"])
    return Physical(properties["TopicArn"])


async def _update_inline(ctx: ResourceContext, physical: Physical, old: Properties, new: Properties) -> Physical:
    await _set_policy(ctx, [new["TopicArn"]], new["PolicyDocument"])
    return physical


async def _delete_inline(ctx: ResourceContext, physical: Physical, properties: Properties) -> None:
    await _clear_policy(ctx, [properties["TopicArn"]])


_LOGGING = {
    "Protocol": STRING,
    "SuccessFeedbackRoleArn": STRING,
    "FailureFeedbackRoleArn": STRING,
    "SuccessFeedbackSampleRate": STRING,
}

TYPES = (
    ResourceType(
        name="AWS::SNS::Topic",
        properties={
            "TopicName": STRING,
            "DisplayName": STRING,
            "KmsMasterKeyId": STRING,
            "FifoTopic": BOOLEAN,
            "ContentBasedDeduplication": BOOLEAN,
            "FifoThroughputScope": STRING,
            "SignatureVersion": STRING,
            "TracingConfig": STRING,
            "DeliveryStatusLogging": [_LOGGING],
            "Subscription": [{"Protocol": STRING, "Endpoint": STRING}],
            "Tags": [{"Key": STRING, "Value": STRING}],
        },
        replace=frozenset({"TopicName", "FifoTopic"}),
        attributes=frozenset({"TopicArn", "TopicName"}),
        create=_create_topic,
        update=_update_topic,
        delete=_delete_topic,
    ),
    ResourceType(
        name="AWS::SNS::Subscription",
        properties={
            "TopicArn": STRING,
            "Protocol": STRING,
            "Endpoint": STRING,
            "Region": STRING,
            "RawMessageDelivery": BOOLEAN,
            "FilterPolicy": ANY,
            "FilterPolicyScope": STRING,
            "RedrivePolicy": ANY,
            "DeliveryPolicy": ANY,
        },
        required=frozenset({"TopicArn", "Protocol"}),
        replace=frozenset({"TopicArn", "Protocol", "Endpoint"}),
        attributes=frozenset({"Arn"}),
        create=_create_subscription,
        update=_update_subscription,
        delete=_delete_subscription,
    ),
    ResourceType(
        name="AWS::SNS::TopicPolicy",
        properties={"PolicyDocument": ANY, "Topics": [STRING]},
        required=frozenset({"PolicyDocument", "Topics"}),
        attributes=frozenset({"Id"}),
        create=_create_policy,
        update=_update_policy,
        delete=_delete_policy,
    ),
    ResourceType(
        name="AWS::SNS::TopicInlinePolicy",
        properties={"PolicyDocument": ANY, "TopicArn": STRING},
        required=frozenset({"PolicyDocument", "TopicArn"}),
        replace=frozenset({"TopicArn"}),
        create=_create_inline,
        update=_update_inline,
        delete=_delete_inline,
    ),
)
