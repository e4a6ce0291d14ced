"""Subscribe, confirm, list, change, unsubscribe; e-mails, text messages and mobile pushes in the mailbox."""

from __future__ import annotations

import json
from typing import Any

from tests.services.sns.support import (
    ACCOUNT,
    DEAD,
    FIFO,
    FUNCTION,
    OTHER,
    QUEUE,
    REGION,
    Sns,
    scenario,
    string,
    verify,
)

DAY = 86_400


async def attributes(sns: Sns, subscription: str) -> dict[str, str]:
    found = await sns("GetSubscriptionAttributes", SubscriptionArn=subscription)
    return dict(found["Attributes"])


@scenario
async def test_subscribing_again_gives_the_same_subscription(sns: Sns) -> None:
    topic = await sns.topic()
    first = await sns.subscribe(topic, RawMessageDelivery="true")
    assert await sns.subscribe(topic) == first
    assert await sns.subscribe(topic, RawMessageDelivery="true") == first
    assert (await sns.refused("Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=QUEUE,
                              Attributes={"RawMessageDelivery": "false"}))[1] == (
        "Invalid parameter: Attributes Reason: Subscription already exists with different attributes"
    )  # fmt: skip
    found = await attributes(sns, first)
    assert (found["RawMessageDelivery"], found["PendingConfirmation"], found["ConfirmationWasAuthenticated"]) == (
        "true",
        "false",
        "true",
    )


@scenario
async def test_what_subscribe_refuses(sns: Sns) -> None:
    topic, fifo = await sns.topic(), await sns.topic("news.fifo")

    async def why(protocol: str, endpoint: str, to: str = topic, **given: str) -> str:
        request = {"TopicArn": to, "Protocol": protocol, "Endpoint": endpoint, "Attributes": given}
        return (await sns.refused("Subscribe", **request))[1].removeprefix("Invalid parameter: ")

    assert await why("pigeon", "x") == "Amazon SNS does not support this protocol string: pigeon"
    assert "Firehose" in await why("firehose", "arn:aws:firehose:us-east-1:111122223333:deliverystream/x")
    assert await why("http", "https://example.com") == "Endpoint must match the specified protocol"
    assert await why("sqs", "https://queue") == "SQS endpoint ARN"
    assert await why("lambda", QUEUE) == "Lambda endpoint ARN"
    assert await why("sms", "call me") == "Invalid SMS endpoint: call me"
    assert await why("email", "nobody") == "Email address"
    assert "FIFO SQS Queues can not be subscribed to standard SNS topics" in await why("sqs", FIFO)
    assert "FIFO topics do not support" in await why("lambda", FUNCTION, fifo)
    reason = "Attributes Reason: "
    assert await why("sqs", QUEUE, FilterPolicy="x") == f"{reason}FilterPolicy: " + (
        await why("sqs", QUEUE, FilterPolicy="x")
    ).removeprefix(f"{reason}FilterPolicy: ")
    assert (await why("sqs", QUEUE, FilterPolicy='{"a": {"b": ["c"]}}')).startswith(f"{reason}FilterPolicy: ")
    assert (await why("sqs", QUEUE, RawMessageDelivery="yes")).startswith(f"{reason}RawMessageDelivery: Invalid value")
    assert "does not support raw" in await why("email", "a@b.cc", RawMessageDelivery="true")
    assert "FIFO queue as DLQ" in await why("sqs", FIFO, fifo, RedrivePolicy=json.dumps({"deadLetterTargetArn": DEAD}))
    assert "failed to parse JSON" in await why("sqs", QUEUE, RedrivePolicy="{")
    assert "same account and region" in await why(
        "sqs", QUEUE, RedrivePolicy=json.dumps({"deadLetterTargetArn": DEAD.replace(ACCOUNT, OTHER)})
    )
    assert "Unknown attribute Colour" in await why("sqs", QUEUE, Colour="red")
    assert "delivery policies" in await why("sqs", QUEUE, DeliveryPolicy="{}")


@scenario
async def test_replays_archives_kms_and_data_protection_are_refused_by_name(sns: Sns) -> None:
    topic = await sns.topic("news.fifo")
    subscription = await sns.subscribe(topic, FIFO)

    async def code(operation: str, **request: Any) -> str:
        return (await sns.refused(operation, **request))[0]

    for name, value in (("ReplayPolicy", "{}"), ("SubscriptionRoleArn", "r")):
        request = {"SubscriptionArn": subscription, "AttributeName": name, "AttributeValue": value}
        assert await code("SetSubscriptionAttributes", **request) == "NotImplemented"
    for name, value in (("KmsMasterKeyId", "alias/mine"), ("ArchivePolicy", '{"MessageRetentionPeriod": 1}')):
        request = {"TopicArn": topic, "AttributeName": name, "AttributeValue": value}
        assert await code("SetTopicAttributes", **request) == "NotImplemented"
    await sns("SetTopicAttributes", TopicArn=topic, AttributeName="KmsMasterKeyId", AttributeValue="alias/aws/sns")
    shown = (await sns("GetTopicAttributes", TopicArn=topic))["Attributes"]
    assert shown["KmsMasterKeyId"] == "alias/aws/sns"
    assert await code("GetDataProtectionPolicy", ResourceArn=topic) == "NotImplemented"
    assert await code("PutDataProtectionPolicy", ResourceArn=topic, DataProtectionPolicy="{}") == "NotImplemented"


@scenario
async def test_an_email_subscription_waits_for_the_token_in_the_mailbox(sns: Sns) -> None:
    topic = await sns.topic(DisplayName="The News")
    subscription = await sns.subscribe(topic, "a@example.com", "email")
    again = await sns("Subscribe", TopicArn=topic, Protocol="email", Endpoint="a@example.com")
    assert again["SubscriptionArn"] == "pending confirmation"
    listed = await sns("ListSubscriptionsByTopic", TopicArn=topic)
    assert [each["SubscriptionArn"] for each in listed["Subscriptions"]] == ["PendingConfirmation"]
    await sns.publish(topic, "too early")
    mails = await sns.mails()
    assert [mail["subject"] for mail in mails] == ["AWS Notification - Subscription Confirmation"] * 2
    assert (await sns.refused("ConfirmSubscription", TopicArn=topic, Token="x"))[1] == "Invalid parameter: Token"
    found = await sns("ConfirmSubscription", TopicArn=topic, Token=mails[0]["token"], AuthenticateOnUnsubscribe="true")
    assert found["SubscriptionArn"] == subscription
    await sns.publish(topic, "news", Subject="Today")
    mail = (await sns.mails("email"))[-1]
    assert (mail["to"], mail["sender"], mail["subject"], mail["body"]) == ("a@example.com", "The News", "Today", "news")
    status, said = await sns.visit(mail["unsubscribeUrl"])
    assert (status, "AuthorizationError" in said) == (403, True)


@scenario
async def test_email_json_gets_the_signed_envelope(sns: Sns) -> None:
    topic = await sns.topic()
    await sns.subscribe(topic, "a@example.com", "email-json")
    invitation = json.loads((await sns.mails())[0]["body"])
    await verify(sns, invitation, ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"))
    assert (await sns.visit(invitation["SubscribeURL"]))[0] == 200
    await sns.publish(topic)
    await verify(sns, json.loads((await sns.mails())[-1]["body"]))


@scenario
async def test_a_subscription_that_nobody_confirms_goes_after_two_days(sns: Sns) -> None:
    topic = await sns.topic()
    subscription = await sns.subscribe(topic, "a@example.com", "email")
    token = (await sns.mails())[0]["token"]
    await sns.advance(2 * DAY - 1)
    assert (await attributes(sns, subscription))["PendingConfirmation"] == "true"
    await sns.advance(1)
    assert (await sns.refused("GetSubscriptionAttributes", SubscriptionArn=subscription))[0] == "NotFoundException"
    assert (await sns.refused("ConfirmSubscription", TopicArn=topic, Token=token))[0] == "InvalidParameterException"


@scenario
async def test_unsubscribing_by_link_can_be_taken_back(sns: Sns) -> None:
    topic = await sns.topic()
    subscription = await sns.subscribe(topic, "a@example.com", "email", FilterPolicy='{"a": ["b"]}')
    await sns.visit((await sns.mails())[0]["subscribeUrl"])
    await sns.publish(topic, MessageAttributes={"a": string("b")})
    status, said = await sns.visit((await sns.mails())[-1]["unsubscribeUrl"])
    assert (status, "<UnsubscribeResponse" in said) == (200, True)
    assert (await sns("ListSubscriptions"))["Subscriptions"] == []
    goodbye = (await sns.mails())[-1]
    assert goodbye["subject"] == "AWS Notification - Unsubscribe Confirmation"
    status, said = await sns.visit(goodbye["subscribeUrl"])
    assert (status, subscription in said) == (200, True)
    assert (await attributes(sns, subscription))["FilterPolicy"] == '{"a": ["b"]}'


@scenario
async def test_text_messages_stay_in_the_mailbox(sns: Sns) -> None:
    await sns("SetSMSAttributes", attributes={"DefaultSenderID": "Freehold", "DefaultSMSType": "Transactional"})
    topic = await sns.topic()
    await sns.subscribe(topic, "+1 (555) 555-0100", "sms")
    await sns.publish(topic, "by topic")
    await sns("Publish", PhoneNumber="+15555550199", Message="direct",
              MessageAttributes={"AWS.SNS.SMS.SenderID": string("Other")})  # fmt: skip
    first, second = await sns.mails("sms")
    assert (first["to"], first["body"], first["sender"], first["smsType"]) == (
        "+15555550100",
        "by topic",
        "Freehold",
        "Transactional",
    )
    assert (second["to"], second["body"], second["sender"]) == ("+15555550199", "direct", "Other")
    assert (await sns.refused("SetSMSAttributes", attributes={"MonthlySpendLimit": "1"}))[0] == "NotImplemented"
    assert (await sns("GetSMSAttributes", attributes=["DefaultSenderID"]))["attributes"] == {
        "DefaultSenderID": "Freehold"
    }
    assert (await sns("CheckIfPhoneNumberIsOptedOut", phoneNumber="+15555550100")) == {"isOptedOut": False}
    assert (await sns.refused("Publish", PhoneNumber="911x", Message="m"))[0] == "InvalidParameterException"


@scenario
async def test_the_mailbox_keeps_the_newest_1000(sns: Sns) -> None:
    for n in range(1_003):
        await sns("Publish", PhoneNumber="+15555550199", Message=str(n))
    bodies = [mail["body"] for mail in await sns.mails()]
    assert bodies == [str(n) for n in range(3, 1_003)]


@scenario
async def test_mobile_push_to_endpoints_and_through_topics(sns: Sns) -> None:
    created = await sns(
        "CreatePlatformApplication", Name="app", Platform="GCM", Attributes={"PlatformCredential": "secret"}
    )
    app = created["PlatformApplicationArn"]
    assert app == f"arn:aws:sns:{REGION}:{ACCOUNT}:app/GCM/app"
    asked = {"PlatformApplicationArn": app, "Token": "device"}
    endpoint = (await sns("CreatePlatformEndpoint", CustomUserData="u", **asked))["EndpointArn"]
    assert (await sns("CreatePlatformEndpoint", CustomUserData="u", **asked))["EndpointArn"] == endpoint
    assert (
        "already exists with the same Token"
        in (await sns.refused("CreatePlatformEndpoint", CustomUserData="v", **asked))[1]
    )
    assert "secret" not in str(await sns("GetPlatformApplicationAttributes", PlatformApplicationArn=app))
    text = json.dumps({"default": "d", "GCM": '{"notification": 1}'})
    await sns("Publish", TargetArn=endpoint, Message=text, MessageStructure="json")
    topic = await sns.topic()
    await sns.subscribe(topic, endpoint, "application")
    await sns.publish(topic, "by topic")
    first, second = await sns.mails("application")
    assert (first["to"], first["platform"], first["token"], first["body"]) == (
        endpoint,
        "GCM",
        "device",
        '{"notification": 1}',
    )
    assert second["body"] == "by topic"
    await sns("SetEndpointAttributes", EndpointArn=endpoint, Attributes={"Enabled": "false"})
    assert (await sns.refused("Publish", TargetArn=endpoint, Message="m"))[0] == "EndpointDisabledException"
    await sns.publish(topic, "nobody there")
    assert len(await sns.mails("application")) == 2
    listed = await sns("ListEndpointsByPlatformApplication", PlatformApplicationArn=app)
    assert [each["Attributes"]["Token"] for each in listed["Endpoints"]] == ["device"]
    await sns("DeleteEndpoint", EndpointArn=endpoint)
    assert (await sns.refused("GetEndpointAttributes", EndpointArn=endpoint))[0] == "NotFoundException"
    assert len((await sns("ListPlatformApplications"))["PlatformApplications"]) == 1
    await sns("DeletePlatformApplication", PlatformApplicationArn=app)
    assert (await sns("ListPlatformApplications"))["PlatformApplications"] == []


@scenario
async def test_a_queue_of_another_account_is_asked_to_confirm(sns: Sns) -> None:
    topic = await sns.topic()
    queue = QUEUE.replace(ACCOUNT, OTHER)
    subscription = await sns.subscribe(topic, queue)
    letter = sns.to(queue)[0].json
    assert letter["Type"] == "SubscriptionConfirmation"
    await sns.publish(topic)
    assert len(sns.sent) == 1
    await sns("ConfirmSubscription", TopicArn=topic, Token=letter["Token"], account=OTHER)
    await sns.publish(topic)
    assert sns.sent[-1].json["Type"] == "Notification"
    assert (await attributes(sns, subscription))["Owner"] == ACCOUNT


@scenario
async def test_lists_go_on_page_by_page(sns: Sns) -> None:
    topics = [await sns.topic(f"t{n:03}") for n in range(101)]
    first = await sns("ListTopics")
    rest = await sns("ListTopics", NextToken=first["NextToken"])
    assert [each["TopicArn"] for each in first["Topics"] + rest["Topics"]] == topics
    assert "NextToken" not in rest
    arns = {await sns.subscribe(topics[0], f"{QUEUE}{n}") for n in range(101)}
    for operation, request in (("ListSubscriptions", {}), ("ListSubscriptionsByTopic", {"TopicArn": topics[0]})):
        first = await sns(operation, **request)
        rest = await sns(operation, NextToken=first["NextToken"], **request)
        assert {each["SubscriptionArn"] for each in first["Subscriptions"] + rest["Subscriptions"]} == arns


@scenario
async def test_changing_a_filter_policy_acts_on_the_next_publish(sns: Sns) -> None:
    topic = await sns.topic()
    subscription = await sns.subscribe(topic, FilterPolicy='{"a": ["b"]}')

    async def change(name: str, value: str) -> None:
        await sns("SetSubscriptionAttributes", SubscriptionArn=subscription, AttributeName=name, AttributeValue=value)

    await sns.publish(topic)
    assert sns.sent == []
    await change("FilterPolicy", "{}")
    await sns.publish(topic)
    assert len(sns.sent) == 1
    await change("FilterPolicyScope", "MessageBody")
    await change("FilterPolicy", '{"a": {"b": ["c"]}}')
    assert (await attributes(sns, subscription))["FilterPolicyScope"] == "MessageBody"
    await sns.publish(topic, '{"a": {"b": "c"}}')
    assert len(sns.sent) == 2
    request = {
        "SubscriptionArn": subscription,
        "AttributeName": "FilterPolicyScope",
        "AttributeValue": "MessageAttributes",
    }
    assert (await sns.refused("SetSubscriptionAttributes", **request))[0] == "InvalidParameterException"


@scenario
async def test_a_deleted_topic_takes_its_subscriptions_along(sns: Sns) -> None:
    topic = await sns.topic()
    await sns.subscribe(topic)
    await sns("DeleteTopic", TopicArn=topic)
    await sns("DeleteTopic", TopicArn=topic)
    await sns.advance()
    assert (await sns("ListSubscriptions"))["Subscriptions"] == []
    assert await sns.topic() == topic
    await sns.publish(topic)
    assert sns.sent == []
    found = (await sns("GetTopicAttributes", TopicArn=topic))["Attributes"]
    assert (found["SubscriptionsConfirmed"], found["SubscriptionsPending"]) == ("0", "0")
