"""Subscribing, confirming and unsubscribing, inside transactions.

("sns", "k", topic id, token)    an Invitation: what a confirmation with that token confirms, for two days
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from freehold.kit.faults import Fault
from freehold.kit.ids import derived
from freehold.kit.tuples import pack, unpack
from freehold.ports.identity import Source
from freehold.ports.queues import Outgoing
from freehold.services.sns import envelope, jobs, mailbox, state
from freehold.services.sns.model import (
    PENDING_MS,
    SERVICE,
    Subscription,
    Topic,
    TopicName,
    invalid,
)
from freehold.store.base import Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

TIMER = "sns.invitations"
SENDER = "AWS Notifications"
_DEFAULTS = {"RawMessageDelivery": "false", "FilterPolicyScope": "MessageAttributes"}


class Invitation(msgspec.Struct):
    """What a token confirms. `removed`: a subscription that was unsubscribed by its link and can be taken up again."""

    subscription_id: str
    removed: Subscription | None = None


class Letter(msgspec.Struct):
    """A SubscriptionConfirmation or UnsubscribeConfirmation, made before the transaction that may send it."""

    kind: str
    message_id: str
    token: str
    url: str
    text: str
    """The signed JSON envelope."""


def subscribe(
    tx: Tx, platform: Platform, topic: Topic, new: Subscription, letter: Letter | None, fresh: bytes, now_ms: int
) -> Subscription:
    """The subscription of an endpoint: new, or the one it has. `letter` is there where somebody must confirm."""
    old = state.of_endpoint(tx, topic, new.protocol, new.endpoint)
    if old is not None:
        if any(old.attributes.get(name, _DEFAULTS.get(name)) != value for name, value in new.attributes.items()):
            raise invalid("Attributes Reason: Subscription already exists with different attributes")
        if old.token is None or letter is None:
            return old
        new = msgspec.structs.replace(old, token=letter.token)
        state.change(tx, topic, old, new, fresh)
    else:
        state.add(tx, topic, new, fresh)
    if letter is not None:
        _invite(tx, platform, topic, letter, Invitation(new.id), now_ms)
        send(tx, platform, topic, new, letter, now_ms)
    return new


def _invite(tx: Tx, platform: Platform, topic: Topic, letter: Letter, invitation: Invitation, now_ms: int) -> None:
    tx.put(pack("sns", "k", topic.id, letter.token), msgspec.msgpack.encode(invitation))
    key = pack(topic.account, topic.region, topic.name, topic.id, letter.token)
    platform.timers.set(tx, TIMER, key, now_ms + PENDING_MS)


def send(tx: Tx, platform: Platform, topic: Topic, to: Subscription, letter: Letter, now_ms: int) -> None:
    """Bring a letter to an endpoint."""
    if to.protocol in ("http", "https"):
        job = jobs.Job(
            kind=letter.kind,
            topic=state.name_of(topic),
            topic_id=topic.id,
            subscription_id=to.id,
            delivery_id=letter.message_id,
            message_id=letter.message_id,
            text="",
            published_ms=now_ms,
            token=letter.token,
            removed=to if letter.kind == "UnsubscribeConfirmation" else None,
        )
        jobs.add(tx, platform, job, now_ms)
    elif to.protocol == "sqs":
        message = Outgoing(
            derived(letter.message_id, to.id), letter.text, {}, topic.name if topic.fifo else None,
            letter.message_id if to.endpoint.endswith(".fifo") else None,
        )  # fmt: skip
        try:
            platform.queues.send(
                tx, to.endpoint, [message], now_ms=now_ms, source=Source(SERVICE, topic.arn, topic.account)
            )
        except Fault:
            return  # as with an endpoint that does not answer: the subscription stays pending
    else:
        mailbox.put(
            tx,
            topic.account,
            topic.region,
            to.protocol,
            now_ms,
            to=to.endpoint,
            sender=SENDER,
            subject=f"AWS Notification - {'Subscription' if letter.kind[0] == 'S' else 'Unsubscribe'} Confirmation",
            body=letter.text
            if to.protocol == "email-json"
            else envelope.invitation(letter.kind, topic.arn, state.arn_of(topic, to)),
            topicArn=topic.arn,
            subscriptionArn=state.arn_of(topic, to),
            messageId=letter.message_id,
            token=letter.token,
            subscribeUrl=letter.url,
        )


def confirm(tx: Tx, topic: Topic, token: str, *, authenticated: bool, locked: bool, fresh: bytes) -> Subscription:
    """Confirm what a token stands for; again is no error. Raises InvalidParameter for a token that holds nothing."""
    raw = tx.get(pack("sns", "k", topic.id, token))
    if raw is None:
        raise invalid("Token")
    invitation = msgspec.msgpack.decode(raw, type=Invitation)
    try:
        old = state.subscription(tx, topic, invitation.subscription_id)
    except Fault:
        removed = invitation.removed
        if removed is None:
            raise invalid("Token") from None
        found = state.of_endpoint(tx, topic, removed.protocol, removed.endpoint)
        if found is not None:
            return found
        state.add(tx, topic, removed, fresh)
        return removed
    if old.token is None:
        return old
    new = msgspec.structs.replace(old, token=None, authenticated=authenticated, locked=locked)
    state.change(tx, topic, old, new, fresh)
    return new


def unsubscribe(
    tx: Tx, platform: Platform, topic: Topic, gone: Subscription, letter: Letter | None, fresh: bytes, now_ms: int
) -> None:
    """Delete a subscription. With `letter` (it was done by a link) the endpoint can take it up again."""
    state.remove(tx, topic, gone, fresh)
    if letter is not None and gone.protocol in ("http", "https", "email", "email-json"):
        _invite(tx, platform, topic, letter, Invitation(gone.id, gone), now_ms)
        send(tx, platform, topic, gone, letter, now_ms)


async def expire(platform: Platform, key: bytes) -> int | None:
    """Timer: two days have passed; the token holds nothing any more, and a subscription that still waits goes."""
    account, region, name, topic_id, token = map(str, unpack(key))
    fresh = platform.ids.bytes(12)

    def body(tx: Tx) -> None:
        row = pack("sns", "k", topic_id, token)
        raw = tx.get(row)
        tx.delete(row)
        topic = state.find(tx, TopicName(account, region, name))
        if raw is None or topic is None or topic.id != topic_id:
            return
        try:
            found = state.subscription(tx, topic, msgspec.msgpack.decode(raw, type=Invitation).subscription_id)
        except Fault:
            return
        if found.token == token:
            state.remove(tx, topic, found, fresh)

    await platform.store.transact(body)
    return None
