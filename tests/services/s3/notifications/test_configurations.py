"""What may be configured, what is answered of it, and the destinations it names."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from freehold.kit.faults import Fault
from freehold.services.s3 import notifications
from tests.services.s3.notifications.support import FUNCTION, QUEUE, TOPIC, configure, listening, to_queue, told
from tests.services.s3.support import OWNER, S3, refused, run


def test_what_is_configured_is_answered_with_ids_and_capital_filter_names() -> None:
    async def test(s3: S3) -> None:
        listening(s3)
        assert await s3("GetBucketNotificationConfiguration", Bucket="bucket") == {}
        await configure(
            s3,
            QueueConfigurations=[to_queue("s3:ObjectCreated:*", prefix="in/", suffix=".jpg")],
            TopicConfigurations=[{"Id": "mine", "TopicArn": TOPIC, "Events": ["s3:ObjectRemoved:Delete"]}],
            EventBridgeConfiguration={},
        )
        found = await s3("GetBucketNotificationConfiguration", Bucket="bucket")
        assert len(base64.b64decode(found["QueueConfigurations"][0].pop("Id"))) == 36
        rules = [{"Name": "Prefix", "Value": "in/"}, {"Name": "Suffix", "Value": ".jpg"}]
        assert found == {
            "TopicConfigurations": [{"Id": "mine", "TopicArn": TOPIC, "Events": ["s3:ObjectRemoved:Delete"]}],
            "QueueConfigurations": [
                {"QueueArn": QUEUE, "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": rules}}}
            ],
            "EventBridgeConfiguration": {},
        }
        await configure(s3, **found)  # what is answered is accepted again
        await configure(s3)
        assert await s3("GetBucketNotificationConfiguration", Bucket="bucket") == {}

    run(test)


def test_queues_and_topics_get_a_test_event_and_functions_none() -> None:
    async def test(s3: S3) -> None:
        listening(s3)
        await configure(
            s3,
            QueueConfigurations=[to_queue("s3:ObjectCreated:Put"), to_queue("s3:ObjectRemoved:*")],
            TopicConfigurations=[{"TopicArn": TOPIC, "Events": ["s3:ObjectTagging:*"]}],
            LambdaFunctionConfigurations=[{"LambdaFunctionArn": FUNCTION, "Events": ["s3:ObjectCreated:Copy"]}],
        )
        [message] = await told(s3)
        assert [message] == await told(s3, TOPIC)
        assert message == {
            "Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-01-01T00:00:00.000Z", "Bucket": "bucket",
            "RequestId": "r", "HostId": "cg==",
        }  # fmt: skip
        assert await told(s3, FUNCTION) == []

    run(test)


def test_destinations_are_validated_each_with_its_reason() -> None:
    async def test(s3: S3) -> None:
        port = listening(s3)
        port.gone = {QUEUE: "QueueDoesNotExist", TOPIC: "AuthorizationError", FUNCTION: "AccessDeniedException"}
        configuration: dict[str, Any] = {
            "QueueConfigurations": [to_queue("s3:ObjectCreated:Put")],
            "TopicConfigurations": [{"TopicArn": TOPIC, "Events": ["s3:ObjectCreated:Copy"]}],
            "LambdaFunctionConfigurations": [{"LambdaFunctionArn": FUNCTION, "Events": ["s3:ObjectRemoved:*"]}],
        }
        message = "Unable to validate the following destination configurations"
        fault = await refused(configure(s3, **configuration), "InvalidArgument", message)
        assert fault.fields == {
            "ArgumentName1": TOPIC,
            "ArgumentValue1": (
                "Permissions on the destination topic do not allow S3 to publish notifications from this bucket"
            ),
            "ArgumentName2": QUEUE,
            "ArgumentValue2": "The destination queue does not exist",
            "ArgumentName3": FUNCTION,
            "ArgumentValue3": f"Not authorized to invoke function [{FUNCTION}]",
        }
        assert await s3("GetBucketNotificationConfiguration", Bucket="bucket") == {}
        await s3(
            "PutBucketNotificationConfiguration", Bucket="bucket", NotificationConfiguration=configuration,
            SkipDestinationValidation=True,
        )  # fmt: skip
        assert len(await s3("GetBucketNotificationConfiguration", Bucket="bucket")) == 3

    run(test)


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        (("s3:ObjectCreated:*",), ("s3:ObjectCreated:Put",), notifications._OVERLAP),
        (("s3:ObjectCreated:Put", "s3:ObjectRemoved:Delete"), ("s3:ObjectRemoved:*",), notifications._OVERLAP),
        (("s3:ObjectCreated:Put",), ("s3:ObjectCreated:Copy",), None),
        (("s3:ObjectRemoved:*",), ("s3:ObjectCreated:*",), None),
    ],
)
def test_configurations_cannot_share_an_event_type(
    one: tuple[str, ...], other: tuple[str, ...], message: str | None
) -> None:
    configuration = {"QueueConfigurations": [to_queue(*one), to_queue(*other)]}
    _parse(configuration, message)


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        (("images/", None), ("images/raw/", None), True),
        (("images/", None), ("logs/", None), False),
        (("images/", ".jpg"), ("images/", ".png"), False),
        ((None, ".jpg"), ("logs/", None), True),
        (("images/", ".jpg"), ("images/a", "g"), True),
        ((None, ".jpg"), (None, "a.jpg"), True),
    ],
)
def test_filters_of_one_event_type_must_not_overlap(
    one: tuple[str | None, str | None], other: tuple[str | None, str | None], overlap: bool
) -> None:
    made = [to_queue("s3:ObjectCreated:*", prefix=prefix, suffix=suffix) for prefix, suffix in (one, other)]
    _parse({"QueueConfigurations": made}, notifications._AMBIGUOUS if overlap else None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"QueueArn": "arn:aws:sqs:us-east-1::q"}, "The ARN is not well formed"),
        ({"QueueArn": TOPIC}, "The ARN is not well formed"),
        ({"QueueArn": QUEUE + ".fifo"}, "FIFO SQS queues are not supported."),
        ({"Events": ["s3:ObjectEaten"]}, "The event 's3:ObjectEaten' is not supported for notifications"),
        (
            {"Filter": {"Key": {"FilterRules": [{"Name": "infix", "Value": "a"}]}}},
            "filter rule name must be either prefix or suffix",
        ),
        (
            {"Filter": {"Key": {"FilterRules": [{"Name": "Prefix", "Value": "a"}, {"Name": "prefix", "Value": "b"}]}}},
            "Cannot specify more than one prefix rule in a filter.",
        ),
    ],
)
def test_what_a_configuration_may_not_be(change: dict[str, Any], message: str) -> None:
    _parse({"QueueConfigurations": [to_queue("s3:ObjectCreated:*") | change]}, message)


def _parse(configuration: dict[str, Any], message: str | None) -> None:
    number = iter(range(1000))
    if message is None:
        assert notifications.parse(configuration, lambda: str(next(number)))
        return
    with pytest.raises(Fault) as caught:
        notifications.parse(configuration, lambda: str(next(number)))
    assert (caught.value.code, caught.value.message) == ("InvalidArgument", message)


def test_ids_are_unique() -> None:
    made = [to_queue("s3:ObjectCreated:Put") | {"Id": "a"}, to_queue("s3:ObjectRemoved:*") | {"Id": "a"}]
    _parse({"QueueConfigurations": made}, "Same ID used for multiple configurations. IDs must be unique")


def test_destinations_are_of_the_buckets_region() -> None:
    async def test(s3: S3) -> None:
        listening(s3)
        far = to_queue("s3:ObjectCreated:*", arn=f"arn:aws:sqs:eu-west-1:{OWNER}:q")
        message = "The notification destination service region is not valid for the bucket location constraint"
        await refused(configure(s3, QueueConfigurations=[far]), "InvalidArgument", message)

    run(test)
