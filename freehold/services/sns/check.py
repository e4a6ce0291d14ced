"""SNS's invariants: topics count their subscriptions, which are found by endpoint and owner; what topics left is swept."""

from __future__ import annotations

import msgspec
import orjson

from freehold.kit.tuples import pack, unpack
from freehold.services.sns import check_leftovers, mailbox, push, signing, state
from freehold.services.sns.model import Subscription, Topic, TopicName, parse_topic
from freehold.work.checking import Report, Snapshot, shown

_topic = msgspec.msgpack.Decoder(Topic).decode
_subscription = msgspec.msgpack.Decoder(Subscription).decode
_application = msgspec.msgpack.Decoder(push.Application).decode
_endpoint = msgspec.msgpack.Decoder(push.Endpoint).decode
_attributes = msgspec.msgpack.Decoder(dict[str, str]).decode
_GLOBAL = ("s", "e", "k", "q", "d", "x", "xp", "signing")


def check(snapshot: Snapshot, report: Report) -> None:
    """Topics with their subscriptions, then what is of none."""
    for account, region in snapshot.spaces("sns"):
        for key, value in snapshot.below("sns", account, region, "t"):
            topic = report.decode(shown(key), value, _topic)
            if topic is not None:
                _check_topic(snapshot, report, key, topic)
    check_leftovers.check(snapshot, report)
    for account, region in snapshot.spaces("sns"):
        _space(snapshot, report, account, region)
    for kind in snapshot.next_parts("sns"):
        if kind not in _GLOBAL and not (isinstance(kind, str) and kind.isdigit()):
            report.broken(f"there are rows of unknown kind {kind!r}")
    raw = snapshot.get(signing.KEY)
    if raw is not None:
        report.decode("the key that signs messages", raw, signing.decode)


def _check_topic(snapshot: Snapshot, report: Report, key: bytes, topic: Topic) -> None:
    name, what = state.name_of(topic), f"topic {topic.arn}"
    report.notes.put("topic", topic.id.encode())
    if state.topic_key(name) != key:
        report.broken(f"{shown(key)} is called {topic.arn}: it cannot be found by its name")
    if snapshot.get(state.version_key(name)) is None:
        report.broken(f"{what} has no version: nothing can be published to it")
    subscriptions = pending = filters = 0
    for row, value in snapshot.below("sns", "s", topic.id):
        subscriptions += 1
        found = report.decode(shown(row), value, _subscription)
        if found is not None:
            pending += found.token is not None
            filters += "FilterPolicy" in found.attributes
            _check_subscription(snapshot, report, name, topic, found)
    report.same(f"{what} counts subscriptions", topic.subscriptions, subscriptions)
    report.same(f"{what} counts those that wait for confirmation", topic.pending, pending)
    report.same(f"{what} counts filter policies", topic.filters, filters)
    endpoints = sum(1 for _ in snapshot.below("sns", "e", topic.id))
    report.same(f"{what} has endpoints", endpoints, subscriptions)


def _check_subscription(snapshot: Snapshot, report: Report, name: TopicName, topic: Topic, found: Subscription) -> None:
    what = f"subscription {state.arn_of(topic, found)}"
    if snapshot.get(state.by_endpoint(topic, found.protocol, found.endpoint)) != found.id.encode():
        report.broken(f"{what} is not found by its endpoint, which could be subscribed twice")
    if snapshot.get(state.by_owner(found.owner, name, found.id)) != topic.id.encode():
        report.broken(f"{what} is not among those of its owner {found.owner}")
    if found.token is not None and snapshot.get(pack("sns", "k", topic.id, found.token)) is None:
        report.broken(f"{what} waits for a confirmation that cannot come, and will wait for ever")


def _space(snapshot: Snapshot, report: Report, account: str, region: str) -> None:
    for kind in snapshot.next_parts("sns", account, region):
        for key, value in snapshot.below("sns", account, region, kind):
            if kind == "v":
                if snapshot.get(pack("sns", account, region, "t", unpack(key)[4])) is None:
                    report.broken(f"{shown(key)} is the version of a topic that is not there")
            elif kind == "o":
                _owned(snapshot, report, key, value)
            elif kind == "a":
                report.decode(shown(key), value, _application)
            elif kind == "p":
                _check_endpoint(snapshot, report, key, value)
            elif kind == "pt":
                path, id = str(unpack(key)[4]), value.decode(errors="replace")
                if snapshot.get(push.endpoint_key(push.Place(account, region, path, id))) is None:
                    report.broken(f"{shown(key)}: the endpoint {id} of that device token is not there")
            elif kind == "m":
                report.decode(shown(key), value, orjson.loads)
            elif kind == "sms":
                report.decode(shown(key), value, _attributes)
            elif kind not in ("t", "mn"):
                report.broken(f"{shown(key)} is a row of unknown kind")
    _mailbox(snapshot, report, account, region)


def _owned(snapshot: Snapshot, report: Report, key: bytes, value: bytes) -> None:
    """`o topic id`: the subscription of that id, unless its topic was deleted and is being swept."""
    topic_id, id = value.decode(errors="replace"), unpack(key)[5]
    swept = report.notes.get("topic", topic_id.encode()) is None and check_leftovers.swept(report, topic_id)
    if snapshot.get(pack("sns", "s", topic_id, id)) is None and not swept:
        report.broken(f"{shown(key)}: that subscription is not there")
    report.decode(shown(key), str(unpack(key)[4]).encode(), lambda raw: parse_topic(raw.decode()))


def _check_endpoint(snapshot: Snapshot, report: Report, key: bytes, value: bytes) -> None:
    found = report.decode(shown(key), value, _endpoint)
    if found is None:
        return
    place = push.Place(found.account, found.region, found.path, found.id)
    if push.endpoint_key(place) != key:
        report.broken(f"{shown(key)} is called {found.arn}: it cannot be found by its name")
    if snapshot.get(push.token_key(place, found.attributes.get("Token", ""))) != found.id.encode():
        report.broken(f"endpoint {found.arn} is not found by its device token, which could be registered twice")


def _mailbox(snapshot: Snapshot, report: Report, account: str, region: str) -> None:
    """The newest entries, and the number of the last."""
    numbers = [int(str(unpack(key)[4])) for key, _ in snapshot.below("sns", account, region, "m")]
    if not numbers:
        return
    raw = snapshot.get(pack("sns", account, region, "mn"))
    last = int.from_bytes(raw, "big") if raw is not None else 0
    if numbers[-1] != last:
        report.broken(f"the mailbox of {account}/{region} ends at {numbers[-1]}, but counts {last}")
    if len(numbers) > mailbox.KEPT:
        report.broken(f"the mailbox of {account}/{region} keeps {len(numbers)} messages, more than {mailbox.KEPT}")
