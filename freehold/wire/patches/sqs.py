"""SQS.

Sources: Amazon SQS API Reference, "Common errors" and each operation's errors with its query codes; the service model of
2012-11-05 before SQS moved to JSON (November 2023), whose names the query protocol keeps; SQS Developer Guide, "Amazon
SQS message quotas" (1 MiB since August 2025, batches included).
"""

from __future__ import annotations

from freehold.wire.base import QUERY
from freehold.wire.patches.base import MIB, Patch, QueryNames, Validation

_P = "AWS.SimpleQueueService."

_BATCHES = ("ChangeMessageVisibilityBatch", "DeleteMessageBatch", "SendMessageBatch")

_NAMES = QueryNames(
    members={
        ("AddPermissionRequest", "AWSAccountIds"): "AWSAccountId",
        ("AddPermissionRequest", "Actions"): "ActionName",
        ("CreateQueueRequest", "Attributes"): "Attribute",
        ("CreateQueueRequest", "tags"): "Tag",
        ("GetQueueAttributesRequest", "AttributeNames"): "AttributeName",
        ("GetQueueAttributesResult", "Attributes"): "Attribute",
        ("ListQueueTagsResult", "Tags"): "Tag",
        ("ListQueuesResult", "QueueUrls"): "QueueUrl",
        ("ListDeadLetterSourceQueuesResult", "queueUrls"): "QueueUrl",
        ("Message", "Attributes"): "Attribute",
        ("Message", "MessageAttributes"): "MessageAttribute",
        ("MessageAttributeValue", "StringListValues"): "StringListValue",
        ("MessageAttributeValue", "BinaryListValues"): "BinaryListValue",
        ("MessageSystemAttributeValue", "StringListValues"): "StringListValue",
        ("MessageSystemAttributeValue", "BinaryListValues"): "BinaryListValue",
        ("ReceiveMessageRequest", "AttributeNames"): "AttributeName",
        ("ReceiveMessageRequest", "MessageSystemAttributeNames"): "MessageSystemAttributeName",
        ("ReceiveMessageRequest", "MessageAttributeNames"): "MessageAttributeName",
        ("ReceiveMessageResult", "Messages"): "Message",
        ("SendMessageRequest", "MessageAttributes"): "MessageAttribute",
        ("SendMessageRequest", "MessageSystemAttributes"): "MessageSystemAttribute",
        ("SendMessageBatchRequestEntry", "MessageAttributes"): "MessageAttribute",
        ("SendMessageBatchRequestEntry", "MessageSystemAttributes"): "MessageSystemAttribute",
        ("SetQueueAttributesRequest", "Attributes"): "Attribute",
        ("TagQueueRequest", "Tags"): "Tag",
        ("UntagQueueRequest", "TagKeys"): "TagKey",
        **{(f"{name}Request", "Entries"): f"{name}RequestEntry" for name in _BATCHES},
        **{(f"{name}Result", "Successful"): f"{name}ResultEntry" for name in _BATCHES},
        **{(f"{name}Result", "Failed"): "BatchResultErrorEntry" for name in _BATCHES},
        ("ListMessageMoveTasksResult", "Results"): "ListMessageMoveTasksResultEntry",
    },
    keys={
        "QueueAttributeMap": ("Name", "Value"),
        "MessageSystemAttributeMap": ("Name", "Value"),
        "MessageBodyAttributeMap": ("Name", "Value"),
        "MessageBodySystemAttributeMap": ("Name", "Value"),
        "TagMap": ("Key", "Value"),
    },
)

PATCH = Patch(
    protocols=(QUERY,),
    namespace="http://queue.amazonaws.com/doc/2012-11-05/",
    # 1 MiB of message; base64 and the attributes' wrapping may double what is sent, form encoding triples it.
    default_max_body=4 * MIB,
    query_names=_NAMES,
    query_codes={
        "QueueDoesNotExist": _P + "NonExistentQueue",
        "QueueNameExists": "QueueAlreadyExists",
        "PurgeQueueInProgress": _P + "PurgeQueueInProgress",
        "QueueDeletedRecently": _P + "QueueDeletedRecently",
        "MessageNotInflight": _P + "MessageNotInflight",
        "BatchEntryIdsNotDistinct": _P + "BatchEntryIdsNotDistinct",
        "BatchRequestTooLong": _P + "BatchRequestTooLong",
        "EmptyBatchRequest": _P + "EmptyBatchRequest",
        "TooManyEntriesInBatchRequest": _P + "TooManyEntriesInBatchRequest",
        "InvalidBatchEntryId": _P + "InvalidBatchEntryId",
        "UnsupportedOperation": _P + "UnsupportedOperation",
        "KmsAccessDenied": "KMS.AccessDeniedException",
        "KmsDisabled": "KMS.DisabledException",
        "KmsInvalidKeyUsage": "KMS.InvalidKeyUsageException",
        "KmsInvalidState": "KMS.InvalidStateException",
        "KmsNotFound": "KMS.NotFoundException",
        "KmsOptInRequired": "KMS.OptInRequired",
        "KmsThrottled": "KMS.ThrottlingException",
    },
    statuses={
        "OverLimit": 403,
        "PurgeQueueInProgress": 403,
        "RequestThrottled": 403,
        "InvalidSecurity": 403,
        "ReceiptHandleIsInvalid": 404,
        "InvalidAddress": 404,
    },
    type_prefixes={"": "com.amazonaws.sqs#", "SerializationException": "com.amazon.coral.service#"},
    validation=Validation(
        code="MissingParameter", style="missing", missing="The request must contain the parameter {member}."
    ),
)
