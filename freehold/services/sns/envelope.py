"""What a message looks like to those who get it: the JSON envelope, Lambda's event, headers of HTTP deliveries.

Source: SNS Developer Guide, "Parsing Amazon SNS message formats", "HTTP/HTTPS headers"; Lambda Developer Guide, "Invoking
Lambda functions with Amazon SNS notifications".
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

import orjson

from freehold.services.sns.signing import Signer, to_sign_notification

Attributes = Mapping[str, Mapping[str, Any]]


def quoted(text: str) -> str:
    """A JSON string."""
    return orjson.dumps(text).decode()


def shown(attributes: Attributes) -> dict[str, dict[str, str]]:
    """Message attributes as messages carry them; binary values are base64."""
    return {name: {"Type": value["DataType"], "Value": text_of(value)} for name, value in attributes.items()}


def text_of(value: Mapping[str, Any]) -> str:
    """The text of a message attribute."""
    if "BinaryValue" in value:
        return base64.b64encode(value["BinaryValue"]).decode()
    text: str = value["StringValue"]
    return text


class Parts:
    """A notification in two pieces, between which stands what differs by subscription: its ARN in UnsubscribeURL."""

    __slots__ = ("after", "before")

    def __init__(
        self,
        *,
        message_id: str,
        topic_arn: str,
        subject: str | None,
        message: str,
        timestamp: str,
        attributes: Attributes,
        sequence: str | None,
        version: str,
        signature: str,
        certificate_url: str,
        unsubscribe_url: str,
    ) -> None:
        out = f'{{\n  "Type" : "Notification",\n  "MessageId" : "{message_id}",\n'
        if sequence is not None:
            out += f'  "SequenceNumber" : "{sequence}",\n'
        out += f'  "TopicArn" : "{topic_arn}",\n'
        if subject is not None:
            out += f'  "Subject" : {quoted(subject)},\n'
        self.before = (
            f'{out}  "Message" : {quoted(message)},\n  "Timestamp" : "{timestamp}",\n  "SignatureVersion" : "{version}",\n'
            f'  "Signature" : "{signature}",\n  "SigningCertURL" : "{certificate_url}",\n'
            f'  "UnsubscribeURL" : "{unsubscribe_url}'
        )
        if attributes:
            listed = ",\n".join(
                f"    {quoted(name)} : {orjson.dumps(value).decode()}" for name, value in shown(attributes).items()
            )
            self.after = f'",\n  "MessageAttributes" : {{\n{listed}\n  }}\n}}'
        else:
            self.after = '"\n}'

    def of(self, subscription_arn: str) -> str:
        """The envelope for one subscription."""
        return self.before + subscription_arn + self.after


UNSIGNED = "-" * 344
"""Where the signature will stand, as long as one of 2,048 bits is in base64."""


def signed(body: str, signer: Signer) -> str:
    """An envelope with its signature in the place of UNSIGNED."""
    fields = orjson.loads(body)
    wanted = to_sign_notification(
        fields["MessageId"], fields.get("Subject"), fields["Message"], fields["Timestamp"], fields["TopicArn"]
    )
    signature = signer.sign(wanted, fields["SignatureVersion"])
    # Quotes inside a string are escaped: this can be nothing but the member.
    return body.replace(f'"Signature" : "{UNSIGNED}"', f'"Signature" : "{signature}"', 1)


def lambda_event(
    *,
    subscription_arn: str,
    message_id: str,
    topic_arn: str,
    subject: str | None,
    message: str,
    timestamp: str,
    attributes: Attributes,
    version: str,
    signature: str,
    certificate_url: str,
    unsubscribe_url: str,
) -> bytes:
    """The event of a Lambda function."""
    notification = {
        "Type": "Notification",
        "MessageId": message_id,
        "TopicArn": topic_arn,
        "Subject": subject,
        "Message": message,
        "Timestamp": timestamp,
        "SignatureVersion": version,
        "Signature": signature,
        "SigningCertUrl": certificate_url,
        "UnsubscribeUrl": unsubscribe_url,
        "MessageAttributes": shown(attributes),
    }
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription_arn,
        "Sns": notification,
    }
    return orjson.dumps({"Records": [record]})


def confirmation(
    kind: str,
    *,
    message_id: str,
    topic_arn: str,
    token: str,
    message: str,
    url: str,
    timestamp: str,
    version: str,
    signature: str,
    certificate_url: str,
) -> str:
    """A SubscriptionConfirmation or UnsubscribeConfirmation."""
    fields = {
        "Type": kind,
        "MessageId": message_id,
        "Token": token,
        "TopicArn": topic_arn,
        "Message": message,
        "SubscribeURL": url,
        "Timestamp": timestamp,
        "SignatureVersion": version,
        "Signature": signature,
        "SigningCertURL": certificate_url,
    }
    return "{\n" + ",\n".join(f'  "{name}" : {quoted(value)}' for name, value in fields.items()) + "\n}"


def invitation(kind: str, topic_arn: str, subscription_arn: str) -> str:
    """The text of a confirmation."""
    if kind == "SubscriptionConfirmation":
        return (
            f"You have chosen to subscribe to the topic {topic_arn}.\nTo confirm the subscription, visit the SubscribeURL "
            "included in this message."
        )
    return (
        f"You have chosen to deactivate subscription {subscription_arn}.\nTo cancel this operation and restore the "
        "subscription, visit the SubscribeURL included in this message."
    )


DOOR = "sns-subscriptions"


def link(base: str, action: str, **parameters: str) -> str:
    """The address of an action that needs no signature."""
    return f"{base}/_{DOOR}/?{urlencode({'Action': action, **parameters}, safe=':')}"


@lru_cache(maxsize=16)
def unsubscribe_url(base: str) -> str:
    """UnsubscribeURL, up to the ARN of the subscription."""
    return link(base, "Unsubscribe", SubscriptionArn="")


def confirm_url(base: str, topic_arn: str, token: str) -> str:
    """SubscribeURL."""
    return link(base, "ConfirmSubscription", TopicArn=topic_arn, Token=token)
