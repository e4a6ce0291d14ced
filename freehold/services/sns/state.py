"""Topics and subscriptions in the store.

("sns", account, region, "t", name)          the Topic
("sns", account, region, "v", name)          its version: new bytes whenever anything that delivers changes
("sns", owner, region, "o", topic, id)       a subscription by its owner: the id of its topic
("sns", "s", topic id, id)                   the Subscription
("sns", "e", topic id, protocol, digest)     the id of the subscription of an endpoint
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec

from freehold.kit.faults import Fault
from freehold.kit.tuples import pack, span
from freehold.services.sns.model import (
    MAX_BIG_SUBSCRIPTIONS,
    MAX_FIFO_SUBSCRIPTIONS,
    MAX_FILTERS,
    MAX_MESSAGE,
    Subscription,
    Topic,
    TopicName,
    subscription_arn,
    subscription_missing,
    topic_missing,
)
from freehold.store.base import ReadTx, Tx
from freehold.store.limits import MAX_SCAN

_encode = msgspec.msgpack.Encoder().encode
_topic = msgspec.msgpack.Decoder(Topic).decode
_subscription = msgspec.msgpack.Decoder(Subscription).decode


def topic_key(name: TopicName) -> bytes:
    return pack("sns", name.account, name.region, "t", name.name)


def version_key(name: TopicName) -> bytes:
    return pack("sns", name.account, name.region, "v", name.name)


def by_owner(owner: str, name: TopicName, id: str) -> bytes:
    return pack("sns", owner, name.region, "o", name.arn, id)


def by_endpoint(topic: Topic, protocol: str, endpoint: str) -> bytes:
    return pack("sns", "e", topic.id, protocol, hashlib.sha256(endpoint.encode()).digest())


def name_of(topic: Topic) -> TopicName:
    return TopicName(topic.account, topic.region, topic.name)


def find(tx: ReadTx, name: TopicName) -> Topic | None:
    raw = tx.get(topic_key(name))
    return None if raw is None else _topic(raw)


def require(tx: ReadTx, name: TopicName) -> Topic:
    """The topic. Raises NotFound."""
    topic = find(tx, name)
    if topic is None:
        raise topic_missing()
    return topic


def save(tx: Tx, topic: Topic, version: bytes) -> None:
    """Write a topic under a new version; what was compiled of it is out of date."""
    name = name_of(topic)
    tx.put(topic_key(name), _encode(topic))
    tx.put(version_key(name), version)


def delete_topic(tx: Tx, name: TopicName) -> Topic | None:
    """Take a topic away; its subscriptions are swept by `sweep`."""
    topic = find(tx, name)
    if topic is not None:
        tx.delete(topic_key(name))
        tx.delete(version_key(name))
    return topic


def sweep(tx: Tx, name: TopicName, topic_id: str) -> bool:
    """Delete a page of what a deleted topic left; says whether there may be more."""
    page = tx.scan(*span("sns", "s", topic_id), limit=200)
    for key, raw in page:
        tx.delete(key)
        found = _subscription(raw)
        tx.delete(by_owner(found.owner, name, found.id))
    for key, _ in (more := tx.scan(*span("sns", "e", topic_id), limit=400)):
        tx.delete(key)
    return bool(page or more)


def topics(tx: ReadTx, account: str, region: str, after: str, limit: int) -> list[str]:
    """Names of topics after a name."""
    start, end = span("sns", account, region, "t")
    if after:
        start = pack("sns", account, region, "t", after) + b"\x00"
    return [_topic(raw).name for _, raw in tx.scan(start, end, limit=limit)]


def subscription(tx: ReadTx, topic: Topic, id: str) -> Subscription:
    """A subscription of a topic. Raises NotFound."""
    raw = tx.get(pack("sns", "s", topic.id, id))
    if raw is None:
        raise subscription_missing()
    return _subscription(raw)


def locate(tx: ReadTx, name: TopicName, id: str) -> tuple[Topic, Subscription]:
    """The topic and the subscription of a subscription's ARN. Raises NotFound for the subscription."""
    topic = find(tx, name)
    if topic is None:
        raise subscription_missing()
    return topic, subscription(tx, topic, id)


def of_endpoint(tx: ReadTx, topic: Topic, protocol: str, endpoint: str) -> Subscription | None:
    """The subscription of an endpoint, if it has one."""
    id = tx.get(by_endpoint(topic, protocol, endpoint))
    return None if id is None else subscription(tx, topic, id.decode())


def all_of(tx: ReadTx, topic: Topic) -> Iterator[Subscription]:
    """Every subscription of a topic, in the order of ids."""
    start, end = span("sns", "s", topic.id)
    while True:
        page = tx.scan(start, end)
        for _, raw in page:
            yield _subscription(raw)
        if not page:
            return
        start = page[-1][0] + b"\x00"


def page_of(tx: ReadTx, topic: Topic, after: str, limit: int) -> list[Subscription]:
    """Subscriptions of a topic after an id."""
    start, end = span("sns", "s", topic.id)
    if after:
        start = pack("sns", "s", topic.id, after) + b"\x00"
    return [_subscription(raw) for _, raw in tx.scan(start, end, limit=min(limit, MAX_SCAN))]


def page_of_owner(
    tx: ReadTx, owner: str, region: str, after: tuple[str, str] | None, limit: int
) -> list[tuple[str, Subscription]]:
    """(topic ARN, subscription) of an owner, after (topic ARN, id)."""
    from freehold.kit.tuples import unpack

    start, end = span("sns", owner, region, "o")
    if after:
        start = pack("sns", owner, region, "o", *after) + b"\x00"
    found = []
    for key, topic_id in tx.scan(start, end, limit=limit):
        topic_arn, id = str(unpack(key)[4]), str(unpack(key)[5])
        raw = tx.get(pack("sns", "s", topic_id.decode(), id))
        if raw is not None:
            found.append((topic_arn, _subscription(raw)))
    return found


def add(tx: Tx, topic: Topic, new: Subscription, version: bytes) -> None:
    """Add a subscription. Raises SubscriptionLimitExceeded, FilterPolicyLimitExceeded."""
    topic.subscriptions += 1
    topic.pending += new.token is not None
    if topic.fifo and topic.subscriptions > MAX_FIFO_SUBSCRIPTIONS:
        raise Fault("SubscriptionLimitExceededException", "Subscription limit exceeded for this topic")
    if topic.max_message > MAX_MESSAGE and topic.subscriptions > MAX_BIG_SUBSCRIPTIONS:
        raise Fault("SubscriptionLimitExceededException", "Subscription limit exceeded for this topic")
    _count_filters(topic, None, new)
    name = name_of(topic)
    tx.put(pack("sns", "s", topic.id, new.id), _encode(new))
    tx.put(by_owner(new.owner, name, new.id), topic.id.encode())
    tx.put(by_endpoint(topic, new.protocol, new.endpoint), new.id.encode())
    save(tx, topic, version)


def change(tx: Tx, topic: Topic, old: Subscription, new: Subscription, version: bytes) -> None:
    """Replace a subscription by a changed one. Raises FilterPolicyLimitExceeded."""
    _count_filters(topic, old, new)
    topic.pending += (new.token is not None) - (old.token is not None)
    tx.put(pack("sns", "s", topic.id, new.id), _encode(new))
    save(tx, topic, version)


def remove(tx: Tx, topic: Topic, gone: Subscription, version: bytes) -> None:
    """Delete a subscription."""
    topic.subscriptions -= 1
    topic.pending -= gone.token is not None
    topic.deleted += 1
    topic.filters -= "FilterPolicy" in gone.attributes
    name = name_of(topic)
    tx.delete(pack("sns", "s", topic.id, gone.id))
    tx.delete(by_owner(gone.owner, name, gone.id))
    tx.delete(by_endpoint(topic, gone.protocol, gone.endpoint))
    save(tx, topic, version)


def _count_filters(topic: Topic, old: Subscription | None, new: Subscription) -> None:
    before = old is not None and "FilterPolicy" in old.attributes
    after = "FilterPolicy" in new.attributes
    topic.filters += after - before
    if after > before and topic.filters > MAX_FILTERS:
        raise Fault(
            "FilterPolicyLimitExceededException",
            f"Filter policy limit exceeded: a topic has at most {MAX_FILTERS} filter policies",
        )


def arn_of(topic: Topic, found: Subscription) -> str:
    return subscription_arn(topic.arn, found.id)
