"""Messages before they are published: what Publish accepts. The words are SNS's."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import orjson

from freehold.kit.faults import Fault
from freehold.services.sns.model import Topic, invalid

MAX_SUBJECT = 100
MAX_SMS = 1_600
MAX_GROUP = 128
_GROUP = re.compile(r"[a-zA-Z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")
_ATTRIBUTE = re.compile(r"[A-Za-z0-9_\-.]{1,256}")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


class Draft:
    """A message that may be published. `texts` are the protocols' own, where MessageStructure is json."""

    __slots__ = ("attributes", "deduplication", "group", "message", "signatures", "size", "subject", "texts", "trace")

    def __init__(
        self,
        message: str,
        subject: str | None = None,
        attributes: Mapping[str, Mapping[str, Any]] | None = None,
        texts: Mapping[str, str] | None = None,
        group: str | None = None,
        deduplication: str | None = None,
        trace: str | None = None,
    ) -> None:
        self.message, self.subject = message, subject
        self.attributes: Mapping[str, Mapping[str, Any]] = attributes or {}
        self.texts = texts
        self.group, self.deduplication, self.trace = group, deduplication, trace
        self.size = len(message.encode()) + size_of(self.attributes)
        self.signatures: dict[tuple[str, str], str] = {}
        """By version and string to sign: made once however often a transaction's body runs."""

    def text(self, protocol: str) -> str:
        """What goes to endpoints of a protocol."""
        if self.texts is None:
            return self.message
        return self.texts.get(protocol, self.texts["default"])

    def deduplication_of(self, topic: Topic) -> str:
        """The deduplication id in a FIFO topic: given, or the content's hash."""
        return self.deduplication or hashlib.sha256(self.message.encode()).hexdigest()


def size_of(attributes: Mapping[str, Mapping[str, Any]]) -> int:
    """Bytes of names, types and values."""
    return sum(
        len(name.encode())
        + len(value["DataType"])
        + (len(value["BinaryValue"]) if "BinaryValue" in value else len(value["StringValue"].encode()))
        for name, value in attributes.items()
    )


def read(request: Mapping[str, Any], trace: str | None) -> Draft:
    """The message of a Publish request or an entry of PublishBatch. Raises InvalidParameter, ParameterValueInvalid."""
    message: str = request["Message"]
    if not message:
        raise invalid("Empty message")
    subject = request.get("Subject")
    if subject is not None:
        check_subject(subject)
    attributes = request.get("MessageAttributes")
    if attributes:
        check_attributes(attributes)
    structure = request.get("MessageStructure")
    texts = None
    if structure == "json":
        texts = structured(message)
    elif structure:
        raise invalid("MessageStructure")
    draft = Draft(
        message,
        subject,
        attributes,
        texts,
        request.get("MessageGroupId"),
        request.get("MessageDeduplicationId"),
        trace,
    )
    return draft


def check_for_topic(topic: Topic, draft: Draft) -> None:
    """Raise InvalidParameter where a topic does not take this message."""
    if draft.size > topic.max_message:
        raise invalid("Message too long")
    for value, member in ((draft.group, "MessageGroupId"), (draft.deduplication, "MessageDeduplicationId")):
        if value is not None and not _GROUP.fullmatch(value):
            raise invalid(
                f"{member} Reason: The {member} can only include alphanumeric and punctuation characters, and must be "
                "between 1 and 128 characters long"
            )
    if not topic.fifo:
        if draft.deduplication is not None:
            raise invalid(
                "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid "
                "for this topic type"
            )
        return
    if draft.group is None:
        raise invalid("The MessageGroupId parameter is required for FIFO topics")
    if draft.deduplication is None and topic.attributes.get("ContentBasedDeduplication") != "true":
        raise invalid(
            "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
        )


def check_subject(subject: str) -> None:
    """Subjects begin with a letter, number or punctuation mark, are ASCII without line breaks or control characters, and
    shorter than 100 characters (Publish, "Subject")."""
    plain = all(" " <= character <= "~" for character in subject)
    if not subject or len(subject) > MAX_SUBJECT or not plain or subject[0] == " ":
        raise invalid("Subject")


def structured(message: str) -> dict[str, str]:
    """The texts by protocol of a message with structure. Raises InvalidParameter."""
    try:
        parsed = orjson.loads(message)
    except orjson.JSONDecodeError:
        parsed = None
    if not isinstance(parsed, dict):
        raise invalid("Message Structure - JSON message body failed to parse")
    texts = {key: value for key, value in parsed.items() if isinstance(value, str)}
    if "default" not in texts:
        raise invalid("Message Structure - No default entry in JSON message body")
    return texts


def check_attributes(attributes: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise for names, types and values that message attributes cannot have."""
    for name, value in attributes.items():
        if (
            not _ATTRIBUTE.fullmatch(name)
            or name[0] == "."
            or name[-1] == "."
            or ".." in name
            or (name.lower().startswith(("aws.", "amazon.")) and not name.startswith(("AWS.SNS.", "AWS.MM.")))
        ):
            raise _value(f"The message attribute name '{name}' is not valid")
        kind: str = value["DataType"]
        if kind == "String.Array":
            _check_array(name, value)
            continue
        base = kind.partition(".")[0]
        if base not in ("String", "Number", "Binary"):
            raise _value(
                f"The message attribute '{name}' has an invalid message attribute type, the set of supported type "
                "prefixes is Binary, Number, and String."
            )
        given = "BinaryValue" if base == "Binary" else "StringValue"
        if not value.get(given):
            raise _value(
                f"The message attribute '{name}' must contain non-empty message attribute value for message attribute "
                f"type '{kind}'."
            )
        if base == "Number" and not _NUMBER.fullmatch(value["StringValue"]):
            raise _value(f"Could not cast message attribute '{name}' value to number.")


def _check_array(name: str, value: Mapping[str, Any]) -> None:
    text = value.get("StringValue")
    if not text:
        raise _value(
            f"The message attribute '{name}' must contain non-empty message attribute value for message attribute type "
            "'String.Array'."
        )
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError:
        parsed = None
    if not isinstance(parsed, list) or any(isinstance(item, (dict, list)) for item in parsed):
        raise _value(f"The message attribute '{name}' must be a JSON array of strings, numbers, booleans or nulls.")


def _value(message: str) -> Fault:
    return Fault("InvalidParameterValueException", message)
