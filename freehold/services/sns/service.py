"""Amazon SNS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from freehold.ports.call import Call
from freehold.ports.manifest import Manifest
from freehold.services.sns import (
    check,
    envelope,
    fanout,
    http,
    jobs,
    mailbox,
    mobile,
    publishing,
    sequencing,
    signing,
    sms,
    status,
    subscribing,
    subscriptions,
    topics,
)
from freehold.services.sns.port import TopicsPort
from freehold.services.sns.resources import TYPES

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

_NAMED = ("TopicArn", "TargetArn", "SubscriptionArn", "ResourceArn", "PlatformApplicationArn", "EndpointArn")


def arn(call: Call) -> str:
    """The topic, subscription, application or endpoint that a call names."""
    for member in _NAMED:
        named = call.params.get(member)
        if named:
            return str(named)
    return call.arn("sns", call.params["Name"]) if call.params.get("Name") else "*"


def _ports(platform: Platform) -> Mapping[str, Any]:
    return {"topics": TopicsPort(platform)}


MANIFEST = Manifest(
    model="sns",
    handlers=(topics, subscriptions, publishing, mobile, sms),
    arn=arn,
    prefix="sns",
    actions={"PublishBatch": "Publish"},
    types=TYPES,
    hosts={signing.DOOR: signing.serve, envelope.DOOR: subscriptions.serve_link},
    deliverers={
        jobs.KIND: http.deliver,
        fanout.EXPAND: fanout.expand,
        status.KIND: status.deliver,
        topics.SWEEP: topics.sweep,
    },
    parallel={jobs.KIND: http.PARALLEL, fanout.EXPAND: 4, topics.SWEEP: 2},
    timers={subscribing.TIMER: subscribing.expire, sequencing.TIMER: sequencing.forget},
    control={"sns": mailbox.control},
    ports=_ports,
    check=check.check,
)
