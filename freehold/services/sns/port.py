"""Topics: what sns offers other services."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from freehold.ports.identity import Source
from freehold.ports.topics import Note
from freehold.services.sns import envelope, fanout, messages, signing
from freehold.services.sns.catalog import compiled
from freehold.services.sns.messages import Draft
from freehold.services.sns.model import invalid, parse_topic
from freehold.store.base import ReadTx, Tx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform


class TopicsPort:
    """`ports.topics.Topics` in this process."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def publish(self, tx: Tx, topic_arn: str, note: Note, *, now_ms: int, source: Source) -> None:
        """Publish inside the caller's transaction (ports.topics.Topics)."""
        topic = compiled(tx, self._platform, parse_topic(topic_arn))
        topic.guard.admit_service(source, "Publish")
        if not note.message:
            raise invalid("Empty message")
        if note.subject is not None:
            messages.check_subject(note.subject)
        if note.attributes:
            messages.check_attributes(note.attributes)
        draft = Draft(note.message, note.subject, note.attributes, None, note.group, note.deduplication, note.trace)
        fanout.publish(tx, self._platform, topic, draft, message_id=note.id, now_ms=now_ms, budget=fanout.Budget())

    def check(self, tx: ReadTx, topic_arn: str, source: Source) -> None:
        """Raise the Fault that `publish` would raise for this topic and source."""
        compiled(tx, self._platform, parse_topic(topic_arn)).guard.admit_service(source, "Publish")

    async def signed(self, bodies: Sequence[str]) -> list[str]:
        """Sign envelopes in queues (ports.topics.Topics)."""
        signer = await signing.ensure(self._platform)
        return await asyncio.to_thread(lambda: [envelope.signed(body, signer) for body in bodies])
