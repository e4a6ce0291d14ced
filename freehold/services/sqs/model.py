"""Values of SQS: a queue's record, messages, and the limits of the developer guide."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from freehold.kit import arns
from freehold.kit.tuples import pack
from freehold.ports.identity import Source
from freehold.rules.resource_policies import DENY, Policy, compile_policy

MIB = 1 << 20
MAX_MESSAGE_BYTES = MIB
"""Of a message and of a batch (quotas page: 1 MiB since August 2025)."""
MAX_ENTRIES = 10
MAX_ATTRIBUTES = 10
MAX_VISIBILITY_S = 43_200
MAX_DELAY_S = 900
MAX_WAIT_S = 20
MAX_IN_FLIGHT = 120_000
MAX_TAGS = 50
MAX_NAME = 80
MAX_POLICY_BYTES = 8_192
MAX_STATEMENTS = 20
DEDUPLICATION_MS = 300_000
"""How long a FIFO queue remembers deduplication ids, and receive attempts."""

AttributeValue = tuple[str, str | bytes]
"""Data type and value."""


class Place(NamedTuple):
    """Where a queue lives."""

    account: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        return arns.make("sqs", self.region, self.account, self.name)

    @property
    def key(self) -> bytes:
        return pack("sqs", self.account, self.region, "q", self.name)

    @property
    def watch_key(self) -> bytes:
        """Woken when a message may have become receivable otherwise than by time alone. Names the queue to the store as a
        hot spot, too."""
        return _watch_key(self)


@lru_cache(maxsize=1_024)
def _watch_key(place: Place) -> bytes:
    return pack("sqs", place.account, place.region, "w", place.name)


class Record(msgspec.Struct, omit_defaults=True):
    """What is stored of a queue. Times in settings are seconds, `_ms` are service time."""

    id: int
    """Of this queue, never used again; 60 random bits."""
    generation: int
    """Under which its messages lie; a purge gives it a new one."""
    created_ms: int
    modified_ms: int
    fifo: bool = False
    visibility_s: int = 30
    max_bytes: int = MAX_MESSAGE_BYTES
    retention_s: int = 345_600
    delay_s: int = 0
    wait_s: int = 0
    policy: str = ""
    dead_letter_arn: str = ""
    max_receives: int = 0
    redrive_allow: str = ""
    """RedriveAllowPolicy as it was given."""
    managed_sse: bool = True
    kms_key: str = ""
    """As it was given; only the alias of AWS's own key is taken."""
    kms_reuse_s: int = 300
    content_deduplication: bool = False
    scope_group: bool = False
    """DeduplicationScope is messageGroup."""
    limit_group: bool = False
    """FifoThroughputLimit is perMessageGroupId."""
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    purged_ms: int = 0


_decode_record = msgspec.msgpack.Decoder(Record).decode
encode_record = msgspec.msgpack.Encoder().encode


class Queue:
    """A queue's record, compiled: what every call needs, ready."""

    __slots__ = (
        "admitted",
        "arn",
        "bodies",
        "counts",
        "dead_letter",
        "denies",
        "groups",
        "index",
        "members",
        "place",
        "policy",
        "prefix",
        "raw",
        "record",
        "remembered",
        "states",
        "tenants",
        "watch_key",
    )

    def __init__(self, place: Place, raw: bytes) -> None:
        self.place = place
        self.raw = raw
        self.record = record = _decode_record(raw)
        self.arn = place.arn
        self.watch_key = place.watch_key
        self.prefix = prefix = generation_prefix(record.generation)
        self.index = prefix + b"i"
        self.bodies = prefix + b"b"
        self.states = prefix + b"s"
        self.members = prefix + b"m"
        self.groups = prefix + b"g"
        self.tenants = prefix + b"t"
        self.counts = prefix + b"n"
        self.remembered = remembered_prefix(record.id)
        self.dead_letter = place_of_arn(record.dead_letter_arn) if record.dead_letter_arn else None
        self.policy: Policy | None = compile_policy(record.policy) if record.policy else None
        self.denies = self.policy is not None and any(s.effect == DENY for s in self.policy.statements)
        self.admitted: set[Source] = set()
        """Services that the policy was found to let send."""

    @property
    def fifo(self) -> bool:
        return self.record.fifo


def generation_prefix(generation: int) -> bytes:
    """Of all rows of a queue's messages."""
    return pack("sqs", None, "g", generation)


def remembered_prefix(queue_id: int) -> bytes:
    """Of what a FIFO queue remembers for five minutes, purged or not."""
    return pack("sqs", None, "r", queue_id)


@lru_cache(maxsize=1_024)
def place_of_arn(arn: str) -> Place | None:
    """The queue that an ARN names; None where it names none."""
    parsed = arns.parse(arn)
    if parsed is None or parsed.service != "sqs" or not parsed.account or not parsed.resource or ":" in parsed.resource:
        return None
    return Place(parsed.account, parsed.region, parsed.resource)


class Message(msgspec.Struct, array_like=True, omit_defaults=True):
    """A message as it lies in a queue; it never changes there."""

    id: str
    body: str
    md5: str
    sent_ms: int
    sender: str
    attributes: dict[str, tuple[str, Any]] = {}
    delay_ms: int = 0
    """By which it was held back at first (standard queues)."""
    group: str = ""
    deduplication: str = ""
    trace: str = ""
    source: str = ""
    """ARN of the queue out of which a redrive policy moved it."""


decode_message = msgspec.msgpack.Decoder(Message).decode
encode_message = msgspec.msgpack.Encoder().encode


class Draft(msgspec.Struct):
    """A message that is about to be sent, checked as far as that needs no queue."""

    id: str
    body: str
    md5: str
    size: int
    """Bytes of body and attributes, as limits count them."""
    sender: str
    attributes: dict[str, tuple[str, Any]] = {}
    group: str = ""
    deduplication: str = ""
    delay_s: int | None = None
    trace: str = ""


class Delivery(NamedTuple):
    """A message that was received: for the how-manieth time, and when for the first."""

    message: Message
    seq: int
    receives: int
    first_ms: int
