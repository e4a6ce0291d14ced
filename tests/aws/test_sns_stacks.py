"""Topics, subscriptions and topic policies as CloudFormation templates make, change and delete them."""

from __future__ import annotations

import json

from tests.aws.topics import Clients

TEMPLATE = {
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue"},
        "Other": {"Type": "AWS::SQS::Queue"},
        "Topic": {
            "Type": "AWS::SNS::Topic",
            "Properties": {
                "DisplayName": "News",
                "Subscription": [{"Protocol": "sqs", "Endpoint": {"Fn::GetAtt": ["Other", "Arn"]}}],
                "Tags": [{"Key": "k", "Value": "v"}],
            },
        },
        "Subscription": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": {"Ref": "Topic"},
                "Protocol": "sqs",
                "Endpoint": {"Fn::GetAtt": ["Queue", "Arn"]},
                "RawMessageDelivery": True,
                "FilterPolicy": {"kind": ["a"]},
            },
        },
        "Policy": {
            "Type": "AWS::SNS::TopicPolicy",
            "Properties": {
                "Topics": [{"Ref": "Topic"}],
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "events.amazonaws.com"},
                            "Action": "sns:Publish",
                            "Resource": {"Ref": "Topic"},
                        }
                    ],
                },
            },
        },
    },
    "Outputs": {
        "Topic": {"Value": {"Ref": "Topic"}},
        "Name": {"Value": {"Fn::GetAtt": ["Topic", "TopicName"]}},
        "Subscription": {"Value": {"Ref": "Subscription"}},
    },
}


def test_topics_in_stacks(aws: Clients) -> None:
    stacks, sns = aws("cloudformation"), aws("sns")
    stacks.create_stack(StackName="s", TemplateBody=json.dumps(TEMPLATE))
    stacks.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    (stack,) = stacks.describe_stacks(StackName="s")["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    topic = outputs["Topic"]
    assert topic.endswith(f":{outputs['Name']}")
    attributes = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (attributes["DisplayName"], attributes["SubscriptionsConfirmed"]) == ("News", "2")
    assert "events.amazonaws.com" in attributes["Policy"]
    assert {"Key": "k", "Value": "v"} in sns.list_tags_for_resource(ResourceArn=topic)["Tags"]
    found = sns.get_subscription_attributes(SubscriptionArn=outputs["Subscription"])["Attributes"]
    assert (json.loads(found["FilterPolicy"]), found["RawMessageDelivery"]) == ({"kind": ["a"]}, "true")
    changed = json.loads(json.dumps(TEMPLATE))
    del changed["Resources"]["Policy"], changed["Resources"]["Topic"]["Properties"]["Subscription"]
    changed["Resources"]["Topic"]["Properties"]["DisplayName"] = "Old news"
    changed["Resources"]["Subscription"]["Properties"] |= {
        "FilterPolicy": {"kind": {"of": ["a"]}},
        "FilterPolicyScope": "MessageBody",
    }
    stacks.update_stack(StackName="s", TemplateBody=json.dumps(changed))
    stacks.get_waiter("stack_update_complete").wait(StackName="s", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    attributes = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (attributes["DisplayName"], attributes["SubscriptionsConfirmed"]) == ("Old news", "1")
    assert "events.amazonaws.com" not in attributes["Policy"]
    found = sns.get_subscription_attributes(SubscriptionArn=outputs["Subscription"])["Attributes"]
    assert found["FilterPolicyScope"] == "MessageBody"
    stacks.delete_stack(StackName="s")
    stacks.get_waiter("stack_delete_complete").wait(StackName="s", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    assert sns.list_topics()["Topics"] == []
