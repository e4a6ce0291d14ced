"""Publishing: one message to everything that is subscribed, inside one transaction.

Queues and functions take their deliveries in the same transaction; HTTP deliveries become rows of the outbox; e-mails,
text messages and pushes go to the mailbox. More than 100 deliveries or 1 MiB become one expansion row, worked in pages.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from freehold.kit.clock import iso8601
from freehold.kit.faults import Fault
from freehold.kit.ids import derived
from freehold.kit.tuples import pack, span
from freehold.ports.queues import Outgoing
from freehold.services.sns import envelope, jobs, mailbox, messages, push, sequencing, signing, sms, state, status
from freehold.services.sns.catalog import Compiled, Target, compiled
from freehold.services.sns.messages import Draft
from freehold.services.sns.model import TopicName
from freehold.services.sns.status import Record
from freehold.store.base import Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform
    from freehold.work.outbox import Delivery

EXPAND = "sns.expand"
MOST_DELIVERIES = 100
MOST_BYTES = 1 << 20
MAX_RAW_ATTRIBUTES = 10
"""Of a raw message to a queue; more are a client-side error (SNS Developer Guide, "Raw message delivery")."""


class Budget:
    """What one transaction may still deliver."""

    __slots__ = ("bytes", "deliveries")

    def __init__(self) -> None:
        self.deliveries, self.bytes = MOST_DELIVERIES, MOST_BYTES

    def take(self, count: int, size: int) -> bool:
        """Does it fit?"""
        if count > self.deliveries or count * size > self.bytes:
            return False
        self.deliveries -= count
        self.bytes -= count * size
        return True


class Published(NamedTuple):
    """`sequence` is set in FIFO topics. Of a duplicate, both are those of the first."""

    message_id: str
    sequence: str | None


class Kept(msgspec.Struct, array_like=True):
    """A message whose deliveries are still to be made."""

    topic: TopicName
    topic_id: str
    message_id: str
    message: str
    subject: str | None
    attributes: dict[str, dict[str, Any]]
    structured: bool
    group: str | None
    deduplication: str | None
    trace: str | None
    published_ms: int
    sequence: str | None


class Fan:
    """One message on its way to targets, in one transaction. What several of them share is made once."""

    def __init__(
        self,
        platform: Platform,
        topic: Compiled,
        draft: Draft,
        message_id: str,
        published_ms: int,
        sequence: str | None,
    ) -> None:
        self._platform, self.topic, self.draft = platform, topic, draft
        self.message_id, self.published_ms, self._sequence = message_id, published_ms, sequence
        self._timestamp = iso8601(published_ms / 1000)
        self._source = topic.source
        self._envelopes: dict[tuple[str, bool], envelope.Parts] = {}
        self._base = platform.settings.url
        self._unsubscribe = envelope.unsubscribe_url(self._base)
        self.records: list[Record] = []

    def deliver(self, tx: Tx, targets: list[Target], now_ms: int) -> None:
        """Serve targets; what fails goes to their dead-letter queues."""
        for target in targets:
            delivery_id = derived(self.message_id, target.id)
            try:
                response = self._to(tx, target, delivery_id, now_ms)
            except Fault as fault:
                self._failed(tx, target, delivery_id, fault, now_ms)
            else:
                if response is not None and self.topic.feedback:
                    self._succeeded(target, delivery_id, response, now_ms)
        if self.records:
            name = state.name_of(self.topic.topic)
            status.keep(
                tx,
                self._platform,
                name,
                self.message_id,
                self.draft.message,
                self.published_ms,
                self.records,
                now_ms=now_ms,
            )

    def _to(self, tx: Tx, target: Target, delivery_id: str, now_ms: int) -> str | None:
        """Serve one target. Answers what its provider said; None where that comes later."""
        protocol, draft = target.protocol, self.draft
        if protocol == "sqs":
            self._platform.queues.send(
                tx,
                target.endpoint,
                [self.outgoing(target, target.endpoint, delivery_id)],
                now_ms=now_ms,
                source=self._source,
            )
            return f'{{"sqsRequestId":"{delivery_id}","sqsMessageId":"{delivery_id}"}}'
        if protocol == "lambda":
            self._platform.functions.enqueue(
                tx,
                target.endpoint,
                self._event(target),
                id=delivery_id,
                now_ms=now_ms,
                source=self._source,
                trace=draft.trace,
            )
            return f'{{"lambdaRequestId":"{delivery_id}"}}'
        if protocol in ("http", "https"):
            jobs.add(tx, self._platform, self._job(target, delivery_id), now_ms)
            return None
        self._to_mailbox(tx, target, now_ms)
        return None if protocol != "application" else f'{{"message":"kept in the outbox","id":"{delivery_id}"}}'

    def _job(self, target: Target, delivery_id: str) -> jobs.Job:
        draft, topic = self.draft, self.topic.topic
        return jobs.Job(
            kind="Notification",
            topic=state.name_of(topic),
            topic_id=topic.id,
            subscription_id=target.id,
            delivery_id=delivery_id,
            message_id=self.message_id,
            text=draft.text(target.protocol),
            published_ms=self.published_ms,
            subject=draft.subject,
            attributes={name: dict(value) for name, value in draft.attributes.items()},
            trace=draft.trace,
        )

    def outgoing(self, target: Target, queue_arn: str, id: str) -> Outgoing:
        """The message to a queue: the subscribed one, or the dead-letter queue of a target."""
        draft = self.draft
        text = draft.text(target.protocol)
        fifo = queue_arn.endswith(".fifo")
        group = draft.group
        deduplication = draft.deduplication_of(self.topic.topic) if fifo else None
        if fifo and group is None:
            group = self.topic.topic.name
        if target.raw:
            if len(draft.attributes) > MAX_RAW_ATTRIBUTES:
                raise Fault("InvalidParameterValue", f"A raw message has at most {MAX_RAW_ATTRIBUTES} attributes.")
            return Outgoing(id, text, draft.attributes, group, deduplication, None, draft.trace)
        body = self.envelope(text, target, signed=False)
        return Outgoing(id, body, {}, group, deduplication, None, draft.trace, unsigned=True)

    def envelope(self, text: str, target: Target, *, signed: bool) -> str:
        """The JSON envelope with a text; queues sign theirs when it is received."""
        parts = self._envelopes.get((text, signed))
        if parts is None:
            parts = self._envelopes[text, signed] = envelope.Parts(
                message_id=self.message_id,
                topic_arn=self.topic.arn,
                subject=self.draft.subject,
                message=text,
                timestamp=self._timestamp,
                attributes=self.draft.attributes,
                sequence=self._sequence,
                version=self.topic.signature_version,
                signature=self._signature(text) if signed else envelope.UNSIGNED,
                certificate_url=self.certificate_url,
                unsubscribe_url=self._unsubscribe,
            )
        return parts.of(target.arn)

    @property
    def certificate_url(self) -> str:
        signer = self.topic.signer
        assert signer is not None  # made before the first subscription
        return f"{self._base}/_{signing.DOOR}/{signer.name}"

    def _signature(self, text: str) -> str:
        return sign(self.topic, self.draft, text, self.message_id, self._timestamp)

    def _event(self, target: Target) -> bytes:
        text = self.draft.text("lambda")
        return envelope.lambda_event(
            subscription_arn=target.arn,
            message_id=self.message_id,
            topic_arn=self.topic.arn,
            subject=self.draft.subject,
            message=text,
            timestamp=self._timestamp,
            attributes=self.draft.attributes,
            version=self.topic.signature_version,
            signature=self._signature(text),
            certificate_url=self.certificate_url,
            unsubscribe_url=self._unsubscribe + target.arn,
        )

    def _to_mailbox(self, tx: Tx, target: Target, now_ms: int) -> None:
        draft, topic, kind = self.draft, self.topic.topic, target.protocol
        text = draft.text(kind)
        common = {"topicArn": self.topic.arn, "subscriptionArn": target.arn}
        if kind == "application":
            push.keep(tx, target.endpoint, draft, now_ms, {"messageId": self.message_id, **common})
        elif kind == "sms":
            sms.keep(tx, topic.account, topic.region, target.endpoint, draft, self.message_id, now_ms, common)
        else:
            mailbox.put(
                tx,
                topic.account,
                topic.region,
                kind,
                now_ms,
                to=target.endpoint,
                sender=topic.attributes.get("DisplayName") or "AWS Notifications",
                subject=draft.subject or "AWS Notification Message",
                body=text if kind == "email" else self.envelope(text, target, signed=True),
                unsubscribeUrl=self._unsubscribe + target.arn,
                messageId=self.message_id,
                **common,
            )

    def _failed(self, tx: Tx, target: Target, delivery_id: str, fault: Fault, now_ms: int) -> None:
        """A client-side error: to the dead-letter queue at once, or dropped."""
        redriven = self.redrive(tx, target, delivery_id, now_ms)
        record = Record(
            target.protocol,
            target.endpoint,
            delivery_id,
            f"ErrorCode: {fault.code}, ErrorMessage: {fault.message}",
            fault.status or 400,
            False,
            redriven=redriven,
            logged=status.wants(self.topic.feedback, target.protocol, delivery_id, success=False),
            dwell_ms=now_ms - self.published_ms,
        )
        self.records.append(record)

    def redrive(self, tx: Tx, target: Target, delivery_id: str, now_ms: int) -> bool | None:
        """Send to the target's dead-letter queue; None where there is none, False where it takes nothing."""
        if target.dead_letter is None:
            return None
        try:
            message = self.outgoing(target, target.dead_letter, derived(delivery_id, "dead"))
            self._platform.queues.send(tx, target.dead_letter, [message], now_ms=now_ms, source=self._source)
        except Fault:
            return False
        return True

    def _succeeded(self, target: Target, delivery_id: str, response: str, now_ms: int) -> None:
        if status.wants(self.topic.feedback, target.protocol, delivery_id, success=True):
            record = Record(target.protocol, target.endpoint, delivery_id, response, 200, True, logged=True)
            record.dwell_ms = now_ms - self.published_ms
            self.records.append(record)


def sign(topic: Compiled, draft: Draft, text: str, message_id: str, timestamp: str) -> str:
    """The signature of a notification, made once per message and text."""
    wanted = signing.to_sign_notification(message_id, draft.subject, text, timestamp, topic.arn)
    key = (topic.signature_version, wanted)
    found = draft.signatures.get(key)
    if found is None:
        assert topic.signer is not None
        found = draft.signatures[key] = topic.signer.sign(wanted, topic.signature_version)
    return found


def publish(
    tx: Tx, platform: Platform, topic: Compiled, draft: Draft, *, message_id: str, now_ms: int, budget: Budget
) -> Published:
    """Publish in the caller's transaction. Raises the Faults of Publish before anything is written."""
    messages.check_for_topic(topic.topic, draft)
    sequence = None
    if topic.topic.fifo:
        seen, duplicate = sequencing.take(tx, platform, topic.topic, draft, message_id, now_ms)
        sequence = sequencing.number_text(seen.number)
        if duplicate:
            return Published(seen.message_id, sequence)
    targets = topic.matching(draft)
    if targets:
        behind = topic.topic.fifo and bool(tx.scan(*_waiting(topic.topic.id, draft.group), limit=1))
        if behind or not budget.take(len(targets), draft.size):
            _expand_later(tx, platform, topic, draft, message_id, now_ms, sequence)
        else:
            Fan(platform, topic, draft, message_id, now_ms, sequence).deliver(tx, targets, now_ms)
    return Published(message_id, sequence)


def _waiting(topic_id: str, group: str | None) -> tuple[bytes, bytes]:
    """The messages of a group that wait for their expansion: what follows them must wait too."""
    return span("sns", "x", topic_id, group)


def _expand_later(
    tx: Tx, platform: Platform, topic: Compiled, draft: Draft, message_id: str, now_ms: int, sequence: str | None
) -> None:
    kept = Kept(
        state.name_of(topic.topic),
        topic.topic.id,
        message_id,
        draft.message,
        draft.subject,
        {name: dict(value) for name, value in draft.attributes.items()},
        draft.texts is not None,
        draft.group,
        draft.deduplication,
        draft.trace,
        now_ms,
        sequence,
    )
    group = None
    if topic.topic.fifo:
        group = pack(topic.topic.id, draft.group)
        tx.put(pack("sns", "x", topic.topic.id, draft.group, message_id), b"")
    platform.outbox.add(tx, EXPAND, msgspec.msgpack.encode(kept), id=message_id, due_ms=now_ms, group=group)


async def expand(platform: Platform, delivery: Delivery) -> None:
    """Outbox: deliver a kept message in pages of 100 deliveries or 1 MiB, each a transaction."""
    kept = msgspec.msgpack.decode(delivery.payload, type=Kept)
    texts = messages.structured(kept.message) if kept.structured else None
    draft = Draft(kept.message, kept.subject, kept.attributes, texts, kept.group, kept.deduplication, kept.trace)
    page = max(1, min(MOST_DELIVERIES, MOST_BYTES // max(1, draft.size)))
    more = True
    while more:
        more = await platform.store.transact(
            partial(_expand_page, platform, kept, draft, page, platform.clock.now_ms())
        )


def _expand_page(platform: Platform, kept: Kept, draft: Draft, page: int, now_ms: int, tx: Tx) -> bool:
    """Serve the next targets; says whether there are more. A topic that is gone has none."""
    progress = pack("sns", "xp", kept.message_id)
    after = (tx.get(progress) or b"").decode()
    left: list[Target] = []
    topic: Compiled | None = None
    with contextlib.suppress(Fault):
        topic = compiled(tx, platform, kept.topic)
    if topic is not None and topic.topic.id == kept.topic_id:
        left = sorted((t for t in topic.matching(draft) if t.id > after), key=lambda target: target.id)
        fan = Fan(platform, topic, draft, kept.message_id, kept.published_ms, kept.sequence)
        fan.deliver(tx, left[:page], now_ms)
    if len(left) > page:
        tx.put(progress, left[page - 1].id.encode())
        return True
    tx.delete(progress)
    if kept.sequence is not None:
        tx.delete(pack("sns", "x", kept.topic_id, kept.group, kept.message_id))
    return False
