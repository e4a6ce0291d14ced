"""Topics as publishing needs them: subscriptions and filter policies compiled, cached under the topic's version row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from freehold.ports.identity import Source
from freehold.rules.patterns import Index, PatternError
from freehold.rules.patterns import sns as filters
from freehold.services.sns import signing, state
from freehold.services.sns.messages import Draft
from freehold.services.sns.model import SERVICE, Subscription, Topic, TopicName, topic_missing
from freehold.services.sns.policies import Guard
from freehold.store.base import ReadTx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

_OWN = "sns.topics"
MAX_CACHED = 10_000
"""Topics in the cache; beyond that it begins anew."""


class Target:
    """One confirmed subscription, ready for delivery."""

    __slots__ = ("arn", "dead_letter", "endpoint", "id", "protocol", "raw")

    def __init__(self, topic: Topic, found: Subscription) -> None:
        self.id, self.protocol, self.endpoint = found.id, found.protocol, found.endpoint
        self.arn = state.arn_of(topic, found)
        self.raw = found.raw
        redrive = found.attributes.get("RedrivePolicy")
        self.dead_letter: str | None = orjson.loads(redrive)["deadLetterTargetArn"] if redrive else None


class Compiled:
    """A topic and its subscriptions."""

    def __init__(self, topic: Topic, version: bytes, signer: signing.Signer | None) -> None:
        self.topic, self.version, self.signer = topic, version, signer
        self.arn = topic.arn
        self.source = Source(SERVICE, topic.arn, topic.account)
        self.guard = Guard(topic)
        self.signature_version = topic.attributes.get("SignatureVersion", "1")
        self.targets: dict[str, Target] = {}
        self.everything: list[Target] = []
        """Targets without a filter policy."""
        self.by_attributes = Index()
        self.by_body = Index()
        self.signing_protocols: set[str] = set()
        """Protocols whose targets get messages that are signed when they are published."""
        self.active = topic.attributes.get("TracingConfig") == "Active"
        self.feedback = {key: value for key, value in topic.attributes.items() if "Feedback" in key}

    def add(self, found: Subscription) -> None:
        if found.token is not None:
            return
        target = self.targets[found.id] = Target(self.topic, found)
        if found.protocol in ("lambda", "email-json"):
            self.signing_protocols.add(found.protocol)
        policy = found.attributes.get("FilterPolicy")
        if policy is None:
            self.everything.append(target)
            return
        scope = found.attributes.get("FilterPolicyScope", filters.ATTRIBUTES)
        index = self.by_body if scope == filters.BODY else self.by_attributes
        try:
            index.add(found.id, filters.read(policy, scope))
        except PatternError as error:
            raise ValueError(f"a filter policy was kept that cannot be read: {error}") from error

    def matching(self, draft: Draft) -> list[Target]:
        """The targets that get a message, in the order of ids where there are filter policies."""
        if not len(self.by_attributes) and not len(self.by_body):
            return self.everything
        found = list(self.everything)
        if len(self.by_attributes):
            seen = {name: (value["DataType"], value.get("StringValue", "")) for name, value in draft.attributes.items()}
            found.extend(self.targets[id] for id in self.by_attributes.match(filters.event_of_attributes(seen)))
        if len(self.by_body):
            found.extend(self._by_body(draft))
        found.sort(key=lambda target: target.id)
        return found

    def _by_body(self, draft: Draft) -> list[Target]:
        """A policy on the body sees the text that its own protocol gets."""
        found: list[Target] = []
        texts: dict[str, set[str]] = {}
        for protocol in {target.protocol for target in self.targets.values()} if draft.texts else {""}:
            texts.setdefault(draft.text(protocol), set()).add(protocol)
        for text, protocols in texts.items():
            event = filters.event_of_body(text)
            if event is not None:
                matched = [self.targets[id] for id in self.by_body.match(event)]
                found.extend(t for t in matched if draft.texts is None or t.protocol in protocols)
        return found


def compiled(tx: ReadTx, platform: Platform, name: TopicName) -> Compiled:
    """The topic as it is now. Raises NotFound."""
    version = tx.get(state.version_key(name))
    cache: dict[TopicName, Compiled] = platform.own.setdefault(_OWN, {})
    found = cache.get(name)
    if version is None:
        if found is not None:
            del cache[name]
        raise topic_missing()
    if found is not None and found.version == version:
        return found
    topic = state.require(tx, name)
    found = Compiled(topic, version, signing.load(tx, platform))
    for subscription in state.all_of(tx, topic):
        found.add(subscription)
    if len(cache) >= MAX_CACHED:
        cache.clear()
    cache[name] = found
    return found


def forget(platform: Platform, name: TopicName) -> None:
    """The topic has been deleted."""
    platform.own.get(_OWN, {}).pop(name, None)


def last_known(platform: Platform, name: TopicName) -> Compiled | None:
    """The topic as it was when it was last looked at: a hint of what a publish will need."""
    cache: dict[TopicName, Compiled] = platform.own.setdefault(_OWN, {})
    return cache.get(name)
