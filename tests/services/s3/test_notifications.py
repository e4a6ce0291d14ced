"""Notifications: what may be configured, who is told what, in the transaction that makes it happen."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

from freehold.kit.faults import Fault
from freehold.ports.events import Event
from freehold.ports.identity import Principal, Source
from freehold.ports.queues import Outgoing
from freehold.ports.topics import Note
from freehold.services.s3 import lifecycle, notifications, records, service
from freehold.store.base import LimitExceeded, ReadTx, Tx
from tests.services.s3.support import OWNER, S3, refused, run

QUEUE = f"arn:aws:sqs:us-east-1:{OWNER}:q"
TOPIC = f"arn:aws:sns:us-east-1:{OWNER}:t"
FUNCTION = f"arn:aws:lambda:us-east-1:{OWNER}:function:f"


class Port:
    """Queues, topics, functions and events that keep what they are given as rows of the transaction."""

    def __init__(self) -> None:
        self.gone: dict[str, str] = {}
        """Destinations that refuse: code by ARN."""

    def check(self, tx: ReadTx, arn: str, source: Source) -> None:
        assert source == Source("s3.amazonaws.com", "arn:aws:s3:::bucket", OWNER)
        if arn in self.gone:
            raise Fault(self.gone[arn])

    def _keep(self, tx: Tx, arn: str, id: str, payload: Any) -> None:
        tx.put(b"told" + arn.encode() + b"\0" + id.encode(), orjson.dumps(payload))

    def send(self, tx: Tx, arn: str, messages: list[Outgoing], *, now_ms: int, source: Source) -> list[str | None]:
        self.check(tx, arn, source)
        for one in messages:
            self._keep(tx, arn, one.id, orjson.loads(one.body))
        return [None] * len(messages)

    def publish(self, tx: Tx, arn: str, note: Note, *, now_ms: int, source: Source) -> None:
        self.check(tx, arn, source)
        assert note.subject == "Amazon S3 Notification"
        self._keep(tx, arn, note.id, orjson.loads(note.message))

    def enqueue(
        self, tx: Tx, arn: str, payload: bytes, *, id: str, now_ms: int, source: Source, trace: str | None = None
    ) -> None:
        self.check(tx, arn, source)
        self._keep(tx, arn, id, orjson.loads(payload))

    def emit(self, tx: Tx, account: str, region: str, event: Event, *, now_ms: int) -> None:
        kept = {"type": event.detail_type, "source": event.source, "resources": event.resources, "detail": event.detail}
        self._keep(tx, f"{account}:{region}", event.id, kept)


def listening(s3: S3) -> Port:
    """Give an S3 its neighbours."""
    port: Any = Port()
    s3.platform.queues = s3.platform.topics = s3.platform.functions = s3.platform.events = port
    found: Port = port
    return found


async def told(s3: S3, arn: str = QUEUE) -> list[Any]:
    """What a destination was told since the last look, in order of keys and sequence."""
    prefix = b"told" + arn.encode() + b"\0"

    def body(tx: Tx) -> list[Any]:
        found = tx.scan(prefix, prefix[:-1] + b"\1")
        for key, _ in found:
            tx.delete(key)
        return [orjson.loads(value) for _, value in found]

    return await s3.store.transact(body)


async def records_of(s3: S3, arn: str = QUEUE) -> list[dict[str, Any]]:
    found = [one for message in await told(s3, arn) for one in message["Records"]]
    return sorted(found, key=lambda one: (one["s3"]["object"]["key"], one["s3"]["object"].get("sequencer", "")))


async def configure(s3: S3, **configuration: Any) -> None:
    await s3("PutBucketNotificationConfiguration", Bucket="bucket", NotificationConfiguration=configuration)


def to_queue(*events: str, prefix: str | None = None, suffix: str | None = None, arn: str = QUEUE) -> dict[str, Any]:
    rules = [{"Name": name, "Value": value} for name, value in (("prefix", prefix), ("suffix", suffix)) if value]
    return {"QueueArn": arn, "Events": list(events), **({"Filter": {"Key": {"FilterRules": rules}}} if rules else {})}


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


def test_a_put_is_told_in_a_record_of_version_2_1() -> None:
    async def test(s3: S3) -> None:
        listening(s3)
        queue = to_queue("s3:ObjectCreated:*", prefix="in/") | {"Id": "mine"}
        await configure(s3, QueueConfigurations=[queue])
        await told(s3)
        await s3.put("elsewhere/a.jpg")
        await s3.put("in/red flower+1.jpg", b"hello")
        [record] = await records_of(s3)
        sequencer = record["s3"]["object"].pop("sequencer")
        assert int(sequencer, 16) and len(sequencer) == 18
        principal = record["s3"]["bucket"]["ownerIdentity"]["principalId"]
        assert principal.startswith("A") and len(principal) == 14
        assert record == {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "us-east-1",
            "eventTime": "2026-01-01T00:00:00.000Z",
            "eventName": "ObjectCreated:Put",
            "userIdentity": {"principalId": principal},
            "requestParameters": {"sourceIPAddress": "s3.amazonaws.com"},
            "responseElements": {"x-amz-request-id": "r", "x-amz-id-2": "cg=="},
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "mine",
                "bucket": {
                    "name": "bucket", "ownerIdentity": {"principalId": principal}, "arn": "arn:aws:s3:::bucket",
                },
                "object": {"key": "in/red+flower%2B1.jpg", "size": 5, "eTag": "5d41402abc4b2a76b9719d911017c592"},
            },
        }  # fmt: skip

    run(test)


def test_users_and_sessions_are_named_by_their_unique_ids() -> None:
    async def test(s3: S3) -> None:
        listening(s3)
        await configure(s3, QueueConfigurations=[to_queue("s3:ObjectCreated:*")])
        await told(s3)
        user = Principal(OWNER, f"arn:aws:iam::{OWNER}:user/ann", "AIDAX")
        await s3.put("k", principal=user)
        [record] = await records_of(s3)
        assert record["userIdentity"] == {"principalId": "AWS:AIDAX"}

    run(test)


def test_copies_and_multipart_uploads_have_names_of_their_own() -> None:
    async def test(s3: S3) -> None:
        listening(s3)
        await configure(s3, QueueConfigurations=[to_queue("s3:ObjectCreated:*")], EventBridgeConfiguration={})
        await told(s3)
        await s3.put("a")
        await s3("CopyObject", Bucket="bucket", Key="b", CopySource="bucket/a")
        begun = await s3("CreateMultipartUpload", Bucket="bucket", Key="c")
        named = {"Bucket": "bucket", "Key": "c", "UploadId": begun["UploadId"]}
        part = await s3("UploadPart", **named, PartNumber=1, Body=b"part")
        listed = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        await s3("CompleteMultipartUpload", **named, MultipartUpload=listed)
        found = await records_of(s3)
        assert [one["eventName"] for one in found] == [
            "ObjectCreated:Put", "ObjectCreated:Copy", "ObjectCreated:CompleteMultipartUpload",
        ]  # fmt: skip
        assert found[2]["s3"]["object"]["eTag"].endswith("-1")
        events = sorted(await told(s3, f"{OWNER}:us-east-1"), key=lambda one: one["detail"]["object"]["key"])
        assert [one["detail"]["reason"] for one in events] == ["PutObject", "CopyObject", "CompleteMultipartUpload"]

    run(test)


def test_deletes_are_told_only_where_there_was_something() -> None:
    async def test(s3: S3) -> None:
        listening(s3)
        await configure(s3, QueueConfigurations=[to_queue("s3:ObjectCreated:*", "s3:ObjectRemoved:*")])
        await told(s3)
        await s3("DeleteObject", Bucket="bucket", Key="never")
        await s3.put("k")
        await s3("DeleteObject", Bucket="bucket", Key="k")
        s3.clock.advance(1)
        await s3.put("k", b"again")
        first, removed, second = await records_of(s3)
        assert removed["eventName"] == "ObjectRemoved:Delete"
        assert removed["s3"]["object"].keys() == {"key", "sequencer"}
        assert first["eventName"] == second["eventName"] == "ObjectCreated:Put"

    run(test)


def test_in_a_versioned_bucket_deletes_make_markers() -> None:
    async def test(s3: S3) -> None:
        listening(s3)
        await s3("PutBucketVersioning", Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
        await configure(s3, QueueConfigurations=[to_queue("s3:ObjectRemoved:*")], EventBridgeConfiguration={})
        await told(s3)
        made = await s3.put("k")
        marker = await s3("DeleteObject", Bucket="bucket", Key="k")
        for version in (made["VersionId"], marker["VersionId"]):
            s3.clock.advance(1)
            await s3("DeleteObject", Bucket="bucket", Key="k", VersionId=version)
        found = await records_of(s3)
        names = [one["eventName"].partition(":")[2] for one in found]
        assert names == ["DeleteMarkerCreated", "Delete", "Delete"]
        assert [one["s3"]["object"]["versionId"] for one in found] == [
            marker["VersionId"], made["VersionId"], marker["VersionId"],
        ]  # fmt: skip
        assert found[0]["s3"]["object"]["eTag"] == "d41d8cd98f00b204e9800998ecf8427e"
        events = await told(s3, f"{OWNER}:us-east-1")
        kinds = sorted(one["detail"].get("deletion-type", "") for one in events)
        assert kinds == ["", "Delete Marker Created", "Permanently Deleted", "Permanently Deleted"]

    run(test)


def test_event_bridge_gets_details_with_plain_keys() -> None:
    async def test(s3: S3) -> None:
        listening(s3)
        await configure(s3, EventBridgeConfiguration={})
        await s3.put("red flower", b"hello")
        [event] = await told(s3, f"{OWNER}:us-east-1")
        assert event["detail"]["object"].pop("sequencer")
        assert event == {
            "type": "Object Created",
            "source": "aws.s3",
            "resources": ["arn:aws:s3:::bucket"],
            "detail": {
                "version": "0",
                "bucket": {"name": "bucket"},
                "object": {"key": "red flower", "size": 5, "etag": "5d41402abc4b2a76b9719d911017c592"},
                "request-id": "r",
                "requester": OWNER,
                "reason": "PutObject",
            },
        }

    run(test)


def test_tags_set_and_removed() -> None:
    async def test(s3: S3) -> None:
        listening(s3)
        await configure(
            s3,
            LambdaFunctionConfigurations=[{"LambdaFunctionArn": FUNCTION, "Events": ["s3:ObjectTagging:*"]}],
            EventBridgeConfiguration={},
        )
        await s3.put("k")
        await s3("PutObjectTagging", Bucket="bucket", Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
        await s3("DeleteObjectTagging", Bucket="bucket", Key="k")
        found = [one["Records"][0] for one in await told(s3, FUNCTION)]
        assert sorted(one["eventName"] for one in found) == ["ObjectTagging:Delete", "ObjectTagging:Put"]
        assert {one["eventVersion"] for one in found} == {"2.3"}
        types = sorted(one["type"] for one in await told(s3, f"{OWNER}:us-east-1"))
        assert types == ["Object Created", "Object Tags Added", "Object Tags Deleted"]

    run(test)


def test_each_key_of_a_multi_object_delete_is_told() -> None:
    async def test(s3: S3) -> None:
        listening(s3)
        await configure(s3, QueueConfigurations=[to_queue("s3:ObjectRemoved:Delete")])
        await told(s3)
        keys = [f"k{n}" for n in range(7)]
        for key in keys:
            await s3.put(key)
        await s3("DeleteObjects", Bucket="bucket", Delete={"Objects": [{"Key": key} for key in (*keys, "never")]})
        assert [one["s3"]["object"]["key"] for one in await records_of(s3)] == keys

    run(test)


def test_a_multi_object_delete_that_notifies_too_many_is_done_in_pieces() -> None:
    async def test(s3: S3) -> None:
        port = listening(s3)
        await configure(s3, TopicConfigurations=[{"TopicArn": TOPIC, "Events": ["s3:ObjectRemoved:Delete"]}])
        await told(s3, TOPIC)
        for n in range(4):
            await s3.put(f"k{n}")
        calls = []
        publish = port.publish

        def limited(tx: Tx, *args: Any, **options: Any) -> None:
            calls.append(1)
            if len(calls) == 3:  # what the store says of a transaction that has grown too large
                raise LimitExceeded("too much")
            publish(tx, *args, **options)

        port.publish = limited  # type: ignore[method-assign]
        done = await s3("DeleteObjects", Bucket="bucket", Delete={"Objects": [{"Key": f"k{n}"} for n in range(4)]})
        assert len(done["Deleted"]) == 4 and not done["Errors"]
        assert [one["s3"]["object"]["key"] for one in await records_of(s3, TOPIC)] == ["k0", "k1", "k2", "k3"]

    run(test)


def test_lifecycle_expirations_are_told_as_such() -> None:
    async def test(s3: S3) -> None:
        listening(s3)
        await configure(s3, QueueConfigurations=[to_queue("s3:LifecycleExpiration:*")], EventBridgeConfiguration={})
        rule = {"ID": "r", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}
        await s3("PutBucketLifecycleConfiguration", Bucket="bucket", LifecycleConfiguration={"Rules": [rule]})
        await s3.put("plain")
        await told(s3), await told(s3, f"{OWNER}:us-east-1")
        s3.clock.advance(3 * 86_400)
        await service.MANIFEST.timers[lifecycle.TIMER](s3.platform, b"bucket")
        [record] = await records_of(s3)
        assert record["eventName"] == "LifecycleExpiration:Delete"
        assert record["eventVersion"] == "2.3"
        assert record["requestParameters"] == {"sourceIPAddress": "s3.amazonaws.com"}
        [event] = await told(s3, f"{OWNER}:us-east-1")
        assert event["detail"]["reason"] == "Lifecycle Expiration"
        assert event["detail"]["requester"] == "s3.amazonaws.com"
        assert event["detail"]["deletion-type"] == "Permanently Deleted"

    run(test)


def test_a_destination_that_is_gone_is_dropped_and_counted() -> None:
    async def test(s3: S3) -> None:
        port = listening(s3)
        await configure(s3, QueueConfigurations=[to_queue("s3:ObjectCreated:*") | {"Id": "c"}])
        port.gone[QUEUE] = "QueueDoesNotExist"
        await s3.put("a")
        await s3.put("b")
        assert await s3.get("b") == b"x"
        found = await service.MANIFEST.control["s3-notifications"](s3.platform, {"bucket": "bucket"})
        assert found == {
            "undelivered": [
                {
                    "configurationId": "c", "destination": QUEUE, "count": 2, "lastCode": "QueueDoesNotExist",
                    "lastTimeMs": s3.clock.now_ms(),
                }
            ]
        }  # fmt: skip

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


def test_a_change_that_is_refused_tells_nobody() -> None:
    async def test(s3: S3) -> None:
        listening(s3)
        await configure(s3, QueueConfigurations=[to_queue("s3:ObjectCreated:*", "s3:ObjectRemoved:*")])
        await s3.put("k")
        await told(s3)
        await refused(s3.put("k", b"y", IfNoneMatch="*"), "PreconditionFailed")
        assert await told(s3) == []

    run(test)


@pytest.mark.parametrize(("events", "yes"), [(("s3:ObjectCreated:*",), True), (("s3:ObjectCreated:Post",), False)])
def test_wildcards_cover_every_type_of_their_kind(events: tuple[str, ...], yes: bool) -> None:
    assert records.wants(events, "ObjectCreated:Put") is yes
