"""What publishing and deleted topics leave: each row of it is being worked off, or a timer is to remove it."""

from __future__ import annotations

import msgspec

from freehold.kit.tuples import pack, unpack
from freehold.services.sns import fanout, sequencing, subscribing, topics
from freehold.services.sns.model import TopicName
from freehold.work.checking import Report, Snapshot, shown
from freehold.work.outbox import Member

_member = msgspec.msgpack.Decoder(Member).decode
_invitation = msgspec.msgpack.Decoder(subscribing.Invitation).decode
_sweep = msgspec.msgpack.Decoder(tuple[TopicName, str]).decode
_last = msgspec.msgpack.Decoder(sequencing.Last).decode
_seen = msgspec.msgpack.Decoder(sequencing.Seen).decode


def swept(report: Report, topic_id: str) -> bool:
    """Is what a deleted topic left about to be removed?"""
    return report.notes.get("sweep", topic_id.encode()) is not None


def check(snapshot: Snapshot, report: Report) -> None:
    """After the topics, whose ids are noted."""
    for key, _ in snapshot.below("outbox", "q", topics.SWEEP):
        report.notes.put("sweep", str(unpack(key)[4]).encode())
    for key, _ in snapshot.below("outbox", "q", fanout.EXPAND):
        report.notes.put("expansion", str(unpack(key)[4]).encode())
    for key, value in snapshot.below("outbox", "g", fanout.EXPAND):
        member = report.decode(shown(key), value, _member)
        if member is not None:
            report.notes.put("expansion", member.id.encode())
    for kind in ("s", "e", "q"):
        for topic_id in snapshot.next_parts("sns", kind):
            gone = report.notes.get("topic", str(topic_id).encode()) is None
            if gone and not swept(report, str(topic_id)):
                report.broken(f"rows {kind} of topic id {topic_id!r} belong to no topic, and nothing removes them")
    _sequences(snapshot, report)
    _invitations(snapshot, report)
    for kind, place in (("x", 4), ("xp", 2)):
        for key, _ in snapshot.below("sns", kind):
            if report.notes.get("expansion", str(unpack(key)[place]).encode()) is None:
                report.broken(f"{shown(key)}: that message waits for its deliveries, but nothing makes them")


def _sequences(snapshot: Snapshot, report: Report) -> None:
    for key, value in snapshot.below("sns", "q"):
        report.decode(shown(key), value, _last)
    for topic_id in snapshot.next_parts("sns", "d"):
        for key, value in snapshot.below("sns", "d", topic_id):
            report.decode(shown(key), value, _seen)
        if snapshot.get(pack("timer", "by", sequencing.TIMER, str(topic_id).encode())) is None:
            report.broken(f"deduplication ids of topic id {topic_id!r} will never be forgotten")


def _invitations(snapshot: Snapshot, report: Report) -> None:
    """Tokens go with a timer that knows their topic by name."""
    for key, _ in snapshot.below("timer", "by", subscribing.TIMER):
        *_, topic_id, token = unpack(_bytes(unpack(key)[3]))
        report.notes.put("invitation", pack(topic_id, token))
    for key, value in snapshot.below("sns", "k"):
        report.decode(shown(key), value, _invitation)
        if report.notes.get("invitation", pack(*unpack(key)[2:])) is None:
            report.broken(f"{shown(key)}: that confirmation will be asked for without end")


def _bytes(part: object) -> bytes:
    assert isinstance(part, bytes)
    return part
