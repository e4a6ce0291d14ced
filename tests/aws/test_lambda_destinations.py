"""Destinations of asynchronous invocations over the wire: queues, topics, buses, functions and buckets; by template too."""

from __future__ import annotations

import json
from typing import Any

from tests.aws.conftest import Server
from tests.aws.manual_clock import ECHO, FAILS, Client, advance, allow, function, manual, messages, on, queue

__all__ = ["manual", "on"]


def test_success_goes_to_a_queue_as_a_record(on: Client, manual: Server) -> None:
    url, arn = queue(on, "done")
    function_arn = function(on, "echo", ECHO)
    on("lambda").put_function_event_invoke_config(
        FunctionName="echo", DestinationConfig={"OnSuccess": {"Destination": arn}}
    )
    on("lambda").invoke(FunctionName="echo", InvocationType="Event", Payload=b'{"n": 1}')
    advance(manual, "1s")
    (message,) = messages(on, url)
    record = json.loads(message["Body"])
    assert record["requestContext"]["functionArn"] == f"{function_arn}:$LATEST"
    assert record["requestContext"]["condition"] == "Success"
    assert (record["requestPayload"], record["responsePayload"]) == ({"n": 1}, {"got": {"n": 1}})
    assert "Lineage=1:" in message["Attributes"]["AWSTraceHeader"]


def test_a_bus_and_a_function_as_destinations(on: Client, manual: Server, account: str) -> None:
    url, arn = queue(on, "seen")
    on("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": allow("events.amazonaws.com", arn)})
    events = on("events")
    bus = events.create_event_bus(Name="results")["EventBusArn"]
    events.put_rule(
        Name="failed",
        EventBusName="results",
        EventPattern=json.dumps(
            {
                "source": ["lambda"],
                "detail-type": ["Lambda Function Invocation Result - Failure"],
                "detail": {"responsePayload": {"errorType": ["ValueError"]}},
            }
        ),
    )
    events.put_targets(Rule="failed", EventBusName="results", Targets=[{"Id": "q", "Arn": arn}])
    failing, after = function(on, "fails", FAILS), function(on, "after", ECHO)
    functions = on("lambda")
    functions.put_function_event_invoke_config(
        FunctionName="fails", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": bus}}
    )
    functions.invoke(FunctionName="fails", InvocationType="Event", Payload=b"{}")
    advance(manual, "1s")
    (message,) = messages(on, url)
    event = json.loads(message["Body"])
    assert event["resources"] == [f"{failing}:$LATEST", bus] and event["account"] == account
    assert event["detail"]["requestContext"]["condition"] == "RetriesExhausted"

    functions.put_function_event_invoke_config(
        FunctionName="fails", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": after}}
    )
    functions.put_function_event_invoke_config(
        FunctionName="after", DestinationConfig={"OnSuccess": {"Destination": arn}}
    )
    functions.invoke(FunctionName="fails", InvocationType="Event", Payload=b"{}")
    advance(manual, "1s")
    (message,) = messages(on, url)
    assert json.loads(message["Body"])["requestPayload"]["responsePayload"]["errorMessage"] == "no such luck"


def test_destinations_and_dead_letters_of_templates(on: Client, manual: Server) -> None:
    template: dict[str, Any] = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {
            "Dead": {"Type": "AWS::SQS::Queue"},
            "Next": {"Type": "AWS::SQS::Queue"},
            "Function": {
                "Type": "AWS::Serverless::Function",
                "Properties": {
                    "Runtime": "python3.13",
                    "Handler": "index.handler",
                    "InlineCode": FAILS,
                    "RecursiveLoop": "Allow",
                    "DeadLetterQueue": {"Type": "SQS", "TargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}},
                    "EventInvokeConfig": {
                        "MaximumRetryAttempts": 0,
                        "MaximumEventAgeInSeconds": 70,
                        "DestinationConfig": {
                            "OnFailure": {"Type": "SQS", "Destination": {"Fn::GetAtt": ["Next", "Arn"]}}
                        },
                    },
                },
            },
        },
        "Outputs": {
            "Name": {"Value": {"Ref": "Function"}},
            "Dead": {"Value": {"Ref": "Dead"}},
            "Next": {"Value": {"Ref": "Next"}},
        },
    }
    stacks = on("cloudformation")
    stacks.create_stack(
        StackName="s", TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
    )
    stacks.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    outputs = {
        each["OutputKey"]: each["OutputValue"] for each in stacks.describe_stacks(StackName="s")["Stacks"][0]["Outputs"]
    }
    functions = on("lambda")
    assert functions.get_function_recursion_config(FunctionName=outputs["Name"])["RecursiveLoop"] == "Allow"
    config = functions.get_function_event_invoke_config(FunctionName=outputs["Name"])
    assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (0, 70)
    functions.invoke(FunctionName=outputs["Name"], InvocationType="Event", Payload=b'{"n": 1}')
    advance(manual, "1s")
    assert [message["Body"] for message in messages(on, outputs["Dead"])] == ['{"n": 1}']
    (message,) = messages(on, outputs["Next"])
    assert json.loads(message["Body"])["responsePayload"]["errorType"] == "ValueError"
    settings = template["Resources"]["Function"]["Properties"]
    for gone in ("DeadLetterQueue", "RecursiveLoop"):
        del settings[gone]
    settings["EventInvokeConfig"] = {"DestinationConfig": {"OnSuccess": {"Type": "SQS"}}, "MaximumRetryAttempts": 1}
    stacks.update_stack(
        StackName="s", TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
    )
    stacks.get_waiter("stack_update_complete").wait(StackName="s", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    assert "DeadLetterConfig" not in functions.get_function_configuration(FunctionName=outputs["Name"])
    assert functions.get_function_recursion_config(FunctionName=outputs["Name"])["RecursiveLoop"] == "Terminate"
    config = functions.get_function_event_invoke_config(FunctionName=outputs["Name"])
    assert config["MaximumRetryAttempts"] == 1 and "MaximumEventAgeInSeconds" not in config
    assert ":sqs:" in config["DestinationConfig"]["OnSuccess"]["Destination"]
    stacks.delete_stack(StackName="s")
    stacks.get_waiter("stack_delete_complete").wait(StackName="s", WaiterConfig={"Delay": 1, "MaxAttempts": 30})


def test_failures_as_objects_of_a_bucket(on: Client, manual: Server, account: str) -> None:
    bucket = f"records-{account}"
    on("s3").create_bucket(Bucket=bucket)
    function(on, "fails", FAILS)
    on("lambda").put_function_event_invoke_config(
        FunctionName="fails",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:s3:::{bucket}"}},
    )
    on("lambda").invoke(FunctionName="fails", InvocationType="Event", Payload=b'{"n": 1}')
    advance(manual, "1s")
    (found,) = on("s3").list_objects_v2(Bucket=bucket)["Contents"]
    assert found["Key"].startswith("aws/lambda/async/fails/")
    record = json.loads(on("s3").get_object(Bucket=bucket, Key=found["Key"])["Body"].read())
    assert record["requestContext"]["condition"] == "RetriesExhausted"


def test_topics_as_destination_and_dead_letter_target(on: Client, manual: Server) -> None:
    url, arn = queue(on, "heard")
    topic = on("sns").create_topic(Name="news")["TopicArn"]
    on("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": allow("sns.amazonaws.com", arn)})
    on("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    function(on, "fails", FAILS, DeadLetterConfig={"TargetArn": topic})
    on("lambda").put_function_event_invoke_config(
        FunctionName="fails", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": topic}}
    )
    on("lambda").invoke(FunctionName="fails", InvocationType="Event", Payload=b'{"n": 1}')
    advance(manual, "1s")
    dead, record = sorted(messages(on, url), key=lambda message: len(message["Body"]))
    assert dead["Body"] == '{"n": 1}' and dead["MessageAttributes"]["ErrorMessage"]["StringValue"] == "no such luck"
    assert json.loads(record["Body"])["requestPayload"] == {"n": 1}
