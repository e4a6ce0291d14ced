"""HTTP(S) endpoints: notifications and confirmations, posted after the commit and tried again by delivery policy.

Source: SNS Developer Guide, "Amazon SNS message delivery retries", "HTTP/HTTPS headers", "Fanout to HTTP/S endpoints": an
answer is waited for 15 seconds; 2XX is success, 429 and 5XX (and no answer at all) are tried again, other answers are
client-side errors, which go to the dead-letter queue at once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from freehold.kit.clock import iso8601
from freehold.kit.faults import Fault
from freehold.services.sns import delivery_policy, envelope, fanout, jobs, signing, state, status
from freehold.services.sns.catalog import Compiled, Target, compiled
from freehold.services.sns.jobs import Job
from freehold.services.sns.messages import Draft
from freehold.services.sns.status import Record
from freehold.store.base import ReadTx, Tx
from freehold.work.outgoing import Unreached

if TYPE_CHECKING:
    from freehold.ports.platform import Platform
    from freehold.work.outbox import Delivery

PARALLEL = 512
PER_SUBSCRIPTION = 64
"""Deliveries of one subscription under way at a time: a slow endpoint never takes all places."""
TIMEOUT_S = 15.0
MAX_SAID = 256
"""Bytes of an answer that are kept for the log."""
MAX_READ = 4_096
"""Bytes of an answer that are read, so that its connection can be used again. Whoever says more is not listened to."""
AGENT = "Amazon Simple Notification Service Agent"
_WAIT_MS = 500
_GATES = "sns.gates"


class _Gate:
    """What one subscription may still receive."""

    __slots__ = ("flying", "next_ms")

    def __init__(self) -> None:
        self.flying, self.next_ms = 0, 0.0


class _Found(msgspec.Struct):
    topic: Any
    target: Any
    policy: delivery_policy.Effective


def _find(tx: ReadTx, platform: Platform, job: Job) -> _Found | None:
    """Where a job goes now; None where nobody waits for it any more."""
    try:
        topic = compiled(tx, platform, job.topic)
        if topic.topic.id != job.topic_id:
            return None
        found = job.removed or state.subscription(tx, topic.topic, job.subscription_id)
    except Fault:
        return None
    if job.kind == "SubscriptionConfirmation" and found.token is None:
        return None
    policy = delivery_policy.effective(
        topic.topic.attributes.get("DeliveryPolicy"), found.attributes.get("DeliveryPolicy")
    )
    return _Found(topic, Target(topic.topic, found), policy)


async def deliver(platform: Platform, delivery: Delivery) -> None:
    """Outbox: one attempt. What comes next (again later, dead-letter queue, a record) is written before it ends."""
    job = msgspec.msgpack.decode(delivery.payload, type=Job)
    found = await platform.store.read(lambda tx: _find(tx, platform, job))
    if found is None:
        return
    gate, wait_ms = _admit(platform, found, job)
    if wait_ms:
        await _again(platform, job, wait_ms, attempt=job.attempt, admitted=gate.flying < PER_SUBSCRIPTION)
        return
    gate.flying += 1
    try:
        code, said = await _post(platform, found, job)
    finally:
        gate.flying -= 1
        _forget(platform, found.target.arn, gate)
    if code is not None and 200 <= code < 300:
        await _record(platform, found, job, code, said, success=True)
    elif code is None or code == 429 or code >= 500 or code < 200:
        delay_s = found.policy.retries.delay_s(job.attempt)
        if delay_s is None:
            await _record(platform, found, job, code or 0, said, success=False)
        else:
            await _again(platform, job, int(delay_s * 1000), attempt=job.attempt + 1)
    else:
        await _record(platform, found, job, code, said, success=False)


def _admit(platform: Platform, found: _Found, job: Job) -> tuple[_Gate, int]:
    """The subscription's gate, and how long (ms) to wait before it opens. Whoever waits for the throttle has a place."""
    gates: dict[str, _Gate] = platform.own.setdefault(_GATES, {})
    gate = gates.setdefault(found.target.arn, _Gate())
    if gate.flying >= PER_SUBSCRIPTION:
        return gate, _WAIT_MS
    if found.policy.per_second is not None and not job.admitted:
        now_ms = platform.clock.now_ms()
        place_ms = max(gate.next_ms, now_ms)
        gate.next_ms = place_ms + 1000.0 / found.policy.per_second
        return gate, int(place_ms - now_ms + 0.999)
    return gate, 0


def _forget(platform: Platform, arn: str, gate: _Gate) -> None:
    if not gate.flying and gate.next_ms <= platform.clock.now_ms():
        platform.own[_GATES].pop(arn, None)


async def _again(platform: Platform, job: Job, after_ms: int, *, attempt: int, admitted: bool = False) -> None:
    later = msgspec.structs.replace(job, attempt=attempt, turn=job.turn + 1, admitted=admitted)
    due_ms = platform.clock.now_ms() + after_ms
    await platform.store.transact(lambda tx: jobs.add(tx, platform, later, due_ms))


async def _record(platform: Platform, found: _Found, job: Job, code: int, said: str, *, success: bool) -> None:
    """A delivery has ended: write the failure's dead letter and what is to be counted and logged."""
    if job.kind != "Notification":
        return
    topic: Compiled = found.topic
    target: Target = found.target
    logged = status.wants(topic.feedback, target.protocol, job.delivery_id, success=success)
    if success and not logged:
        return
    now_ms = platform.clock.now_ms()
    draft = Draft(job.text, job.subject, job.attributes, trace=job.trace)

    def body(tx: Tx) -> None:
        redriven = None
        if not success:
            fan = fanout.Fan(platform, topic, draft, job.message_id, job.published_ms, None)
            redriven = fan.redrive(tx, target, job.delivery_id, now_ms)
        record = Record(target.protocol, target.endpoint, job.delivery_id, said, code, success, job.attempt)
        record.dwell_ms = now_ms - job.published_ms
        record.redriven, record.logged = redriven, logged
        status.keep(tx, platform, job.topic, job.message_id, job.text, job.published_ms, [record], now_ms=now_ms)

    await platform.store.transact(body)


async def _post(platform: Platform, found: _Found, job: Job) -> tuple[int | None, str]:
    """POST it: status (None: no answer) and a few words of what was said."""
    target: Target = found.target
    body, headers = await _message(platform, found, job)
    url = await platform.addresses.home(target.endpoint)
    try:
        answer = await platform.outgoing.pool("sns").send(
            "POST", url, headers, body, seconds=TIMEOUT_S, most=MAX_READ, cut=True
        )
    except Unreached as unreached:
        return None, str(unreached)
    return answer.status, answer.body[:MAX_SAID].decode("utf-8", "replace") or f"HTTP {answer.status}"


async def _message(platform: Platform, found: _Found, job: Job) -> tuple[bytes, dict[str, str]]:
    topic: Compiled = found.topic
    target: Target = found.target
    timestamp = iso8601(job.published_ms / 1000)
    headers = {
        "x-amz-sns-message-type": job.kind,
        "x-amz-sns-message-id": job.message_id,
        "x-amz-sns-topic-arn": topic.arn,
        "content-type": found.policy.content_type,
        "user-agent": AGENT,
    }
    if job.kind != "SubscriptionConfirmation":
        headers["x-amz-sns-subscription-arn"] = target.arn
    if job.trace:
        headers["x-amzn-trace-id"] = job.trace
    if job.kind != "Notification":
        text = await confirmation(
            platform, topic.arn, topic.signature_version, job.kind, job.message_id, job.token, timestamp, target.arn
        )
        return text.encode(), headers
    if target.raw:
        headers["x-amz-sns-rawdelivery"] = "true"
        return job.text.encode(), headers
    draft = Draft(job.text, job.subject, job.attributes)
    await asyncio.to_thread(fanout.sign, topic, draft, job.text, job.message_id, timestamp)
    fan = fanout.Fan(platform, topic, draft, job.message_id, job.published_ms, None)
    return fan.envelope(job.text, target, signed=True).encode(), headers


async def confirmation(
    platform: Platform,
    topic_arn: str,
    version: str,
    kind: str,
    message_id: str,
    token: str,
    timestamp: str,
    subscription_arn: str,
) -> str:
    """A signed SubscriptionConfirmation or UnsubscribeConfirmation."""
    signer = await signing.ensure(platform)
    base = platform.settings.url
    url = envelope.confirm_url(base, topic_arn, token)
    message = envelope.invitation(kind, topic_arn, subscription_arn)
    wanted = signing.to_sign_confirmation(kind, message_id, message, timestamp, topic_arn, token, url)
    signature = await asyncio.to_thread(signer.sign, wanted, version)
    return envelope.confirmation(
        kind,
        message_id=message_id,
        topic_arn=topic_arn,
        token=token,
        message=message,
        url=url,
        timestamp=timestamp,
        version=version,
        signature=signature,
        certificate_url=f"{base}/_{signing.DOOR}/{signer.name}",
    )
