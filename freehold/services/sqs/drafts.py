"""Drafts: messages on their way in, checked; first alone, then against the queue."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from freehold.kit.faults import Fault, not_implemented
from freehold.services.sqs import digests
from freehold.services.sqs.model import (
    MAX_ATTRIBUTES,
    MAX_DELAY_S,
    AttributeValue,
    Draft,
    Queue,
)

_FORBIDDEN = re.compile("[^\\x09\\x0a\\x0d\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
_PLAIN = bytes((0x09, 0x0A, 0x0D, *range(0x20, 0x80)))
"""What is allowed of ASCII."""
_TYPE = re.compile(r"(String|Number|Binary)(\..+)?", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,256}")
_TOKEN = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")
_TRACE = "AWSTraceHeader"
_MOST_TRACE = 2_048
"""Characters of a call's trace header that a message keeps: what is longer is none."""


def invalid(message: str) -> Fault:
    return Fault("InvalidParameterValue", message)


def draft(request: Mapping[str, Any], message_id: str, sender: str, trace: str | None = None) -> Draft:
    """A message of SendMessage, or of an entry of SendMessageBatch. Raises what is wrong whatever the queue.

    `trace` is the trace header of the call, which the message keeps where it brings none of its own (X-Ray: "Amazon SQS
    and AWS X-Ray").
    """
    body: str = request["MessageBody"]
    if not body:
        raise Fault("MissingParameter", "The request must contain the parameter MessageBody.")
    given = request.get("MessageAttributes")
    attributes = parse_attributes(given) if given else {}
    delay_s, system = request.get("DelaySeconds"), request.get("MessageSystemAttributes")
    group, deduplication = request.get("MessageGroupId"), request.get("MessageDeduplicationId")
    if delay_s is not None and not 0 <= delay_s <= MAX_DELAY_S:
        raise invalid(
            f"Value {delay_s} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900."
        )
    return make(
        message_id,
        body,
        sender,
        attributes,
        token("MessageGroupId", group) if group is not None else "",
        token("MessageDeduplicationId", deduplication) if deduplication is not None else "",
        delay_s,
        (trace_header(system) if system else "") or (trace if trace and len(trace) <= _MOST_TRACE else ""),
    )


def make(
    message_id: str,
    body: str,
    sender: str,
    attributes: dict[str, AttributeValue],
    group: str,
    deduplication: str,
    delay_s: int | None,
    trace: str,
) -> Draft:
    """A draft of parts that are checked. Raises InvalidMessageContents."""
    raw = _encoded(body)
    size = len(raw) + (size_of(attributes) if attributes else 0)
    return Draft(message_id, body, digests.of_body(raw), size, sender, attributes, group, deduplication, delay_s, trace)


def _encoded(body: str) -> bytes:
    """The body in UTF-8. Raises InvalidMessageContents."""
    if body.isascii():  # which is checked byte by byte in C, in a sixth of the time of the expression
        raw = body.encode()
        if not raw.translate(None, _PLAIN):
            return raw
    elif _FORBIDDEN.search(body) is None:
        return body.encode()
    raise Fault(
        "InvalidMessageContents",
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to "
        "#xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
    )


def size_of(attributes: Mapping[str, AttributeValue]) -> int:
    """Bytes of names, types and values."""
    return sum(
        len(name) + len(kind.encode()) + len(value if isinstance(value, bytes) else value.encode())
        for name, (kind, value) in attributes.items()
    )


def token(parameter: str, value: str | None) -> str:
    """A MessageGroupId, MessageDeduplicationId or ReceiveRequestAttemptId; empty where there is none."""
    if value is None:
        return ""
    if not _TOKEN.fullmatch(value):
        raise invalid(
            f"Value {value} for parameter {parameter} is invalid. Reason: {parameter} can only include alphanumeric and "
            "punctuation characters. 1 to 128 in length."
        )
    return value


def trace_header(given: Mapping[str, Mapping[str, Any]] | None) -> str:
    """The only system attribute that can be sent."""
    if not given:
        return ""
    for name, value in given.items():
        if name != _TRACE:
            raise invalid(f"Message system attribute name '{name}' is invalid.")
        if value.get("DataType") != "String":
            raise invalid(f"The message system attribute '{name}' must be of type String.")
        if not value.get("StringValue"):
            raise invalid(f"The message system attribute '{name}' must contain a non-empty value of type 'String'.")
    return str(given[_TRACE]["StringValue"])


def parse_attributes(given: Mapping[str, Mapping[str, Any]] | None) -> dict[str, AttributeValue]:
    """Message attributes, in the shape of SendMessage."""
    if not given:
        return {}
    if len(given) > MAX_ATTRIBUTES:
        raise invalid(f"Number of message attributes [{len(given)}] exceeds the allowed maximum [{MAX_ATTRIBUTES}].")
    return {name: _attribute(name, value) for name, value in given.items()}


def _attribute(name: str, given: Mapping[str, Any]) -> AttributeValue:
    if not _NAME.fullmatch(name) or name.startswith(".") or name.endswith(".") or ".." in name:
        raise invalid(
            f"The message attribute name '{name}' is invalid. Attribute names can contain A-Z, a-z, 0-9, underscore (_), "
            "hyphen (-), and period (.) characters. They cannot start or end with a period, nor have periods in succession."
        )
    if name.lower().startswith(("aws.", "amazon.")):
        raise invalid(
            f"The message attribute name '{name}' is invalid because it starts with a reserved prefix: AWS. or Amazon."
        )
    kind = given.get("DataType", "")
    if not kind:
        raise invalid(f"The message attribute '{name}' must contain a non-empty message attribute type.")
    matched = _TYPE.fullmatch(kind)
    if matched is None or len(kind) > 256:
        raise invalid(
            f"The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is "
            "Binary, Number, and String."
        )
    if given.get("StringListValues") or given.get("BinaryListValues"):
        raise not_implemented("lists in message attributes (StringListValues and BinaryListValues, which SQS reserves)")
    member = "BinaryValue" if matched[1] == "Binary" else "StringValue"
    value = given.get(member)
    if not value:
        raise invalid(
            f"The message attribute '{name}' must contain a non-empty message attribute value of type '{member[:-5]}'."
        )
    if matched[1] == "Number" and not _NUMBER.fullmatch(value):
        raise invalid(f"Can't cast the value of message (user) attribute '{name}' to a number.")
    if isinstance(value, str) and _FORBIDDEN.search(value) is not None:
        raise invalid(f"The message attribute '{name}' contains invalid characters.")
    return kind, value


def check(queue: Queue, message: Draft) -> None:
    """Raise what this queue refuses."""
    record = queue.record
    if message.size > record.max_bytes:
        raise invalid(
            f"One or more parameters are invalid. Reason: Message must be shorter than {record.max_bytes} bytes."
        )
    if not record.fifo:
        if message.deduplication:
            raise _wrong_type("MessageDeduplicationId", message.deduplication)
        return
    if not message.group:
        raise Fault("MissingParameter", "The request must contain the parameter MessageGroupId.")
    if message.delay_s is not None:
        raise _wrong_type("DelaySeconds", message.delay_s)
    if not message.deduplication and not record.content_deduplication:
        raise invalid(
            "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
        )


def _wrong_type(parameter: str, value: object) -> Fault:
    return invalid(
        f"Value {value} for parameter {parameter} is invalid. Reason: The request include parameter that is not valid for "
        "this queue type"
    )
