"""EventBridge over the wire: what is put reaches queues, topics, functions, logs, buses and APIs."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.aws.conftest import Server

Clients = Callable[..., Any]
REGION = "us-east-1"


def allow(service: str, arn: str, source: str | None = None) -> str:
    """A policy of a queue that lets EventBridge send."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": f"{service}:SendMessage",
        "Resource": arn,
    }
    if source is not None:
        statement["Condition"] = {"ArnEquals": {"aws:SourceArn": source}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def queue(aws: Clients, name: str, *, open: bool = True, **attributes: str) -> tuple[str, str]:
    """(URL, ARN) of a new queue; `open` lets EventBridge send to it."""
    sqs = aws("sqs")
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    if open:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": allow("sqs", arn)})
    return url, arn


def taken(aws: Clients, url: str, seconds: int = 5) -> list[dict[str, Any]]:
    """The messages of a queue, waiting for the first."""
    answer = aws("sqs").receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=seconds, MessageAttributeNames=["All"]
    )
    return list(answer.get("Messages", []))


def put(aws: Clients, detail: Any = None, **more: Any) -> dict[str, Any]:
    entry = {"Source": "shop", "DetailType": "Order", "Detail": json.dumps(detail or {}), **more}
    answer = aws("events").put_events(Entries=[entry])
    assert answer["FailedEntryCount"] == 0
    return dict(answer["Entries"][0])


def rule(aws: Clients, name: str, *targets: dict[str, Any], bus: str = "default", pattern: Any = None) -> str:
    events = aws("events")
    text = json.dumps(pattern or {"source": ["shop"]})
    arn = events.put_rule(Name=name, EventBusName=bus, EventPattern=text)["RuleArn"]
    shown = [{"Id": str(number), **target} for number, target in enumerate(targets)]
    if shown:
        assert events.put_targets(Rule=name, EventBusName=bus, Targets=shown)["FailedEntryCount"] == 0
    return str(arn)


def printed(aws: Clients, function: str, word: str) -> str:
    """The line with this word that a function printed, waiting for it."""
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        try:
            found = aws("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}", filterPattern=word)["events"]
        except ClientError:  # the function has not begun yet
            found = []
        if found:
            return str(found[0]["message"])
        time.sleep(0.05)
    raise AssertionError(f"{function} did not print {word}")


def test_an_event_reaches_a_queue_that_lets_its_rule_in(aws: Clients) -> None:
    url, arn = queue(aws, "orders", open=False)
    dead_url, dead_arn = queue(aws, "dead")
    rule_arn = rule(aws, "r", {"Arn": arn, "DeadLetterConfig": {"Arn": dead_arn}})
    refused = put(aws, {"n": 1})
    [letter] = taken(aws, dead_url)
    assert json.loads(letter["Body"])["id"] == refused["EventId"]
    attributes = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert attributes["ERROR_CODE"] == "NO_PERMISSIONS"
    assert (attributes["RULE_ARN"], attributes["TARGET_ARN"]) == (rule_arn, arn)
    aws("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": allow("sqs", arn, rule_arn)})
    put(aws, {"n": 2})
    assert [json.loads(message["Body"])["detail"] for message in taken(aws, url)] == [{"n": 2}]


def test_a_fifo_queue_gets_its_group(aws: Clients) -> None:
    url, arn = queue(aws, "orders.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    rule(aws, "r", {"Arn": arn, "SqsParameters": {"MessageGroupId": "shop"}})
    put(aws, {"n": 1})
    answer = aws("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=5, AttributeNames=["MessageGroupId"])
    assert [message["Attributes"]["MessageGroupId"] for message in answer["Messages"]] == ["shop"]


def test_one_event_for_a_topic_a_function_a_log_group_and_another_bus(aws: Clients, account: str) -> None:
    url, arn = queue(aws, "seen")
    sqs, sns, logs, functions = aws("sqs"), aws("sns"), aws("logs"), aws("lambda")
    anybody = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [anybody]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    topic = sns.create_topic(Name="news")["TopicArn"]
    publish = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sns:Publish"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [{**publish, "Resource": topic}]})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=document)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    logs.create_log_group(logGroupName="/events/all")
    write = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Resource": "*"}
    write["Action"] = ["logs:CreateLogStream", "logs:PutLogEvents"]
    logs.put_resource_policy(
        policyName="events", policyDocument=json.dumps({"Version": "2012-10-17", "Statement": [write]})
    )
    group = f"arn:aws:logs:{REGION}:{account}:log-group:/events/all"
    code = "import json\ndef handler(event, context):\n    print('SEEN', json.dumps(event['detail']))\n"
    function = functions.create_function(
        FunctionName="see",
        Runtime="python3.12",
        Role=f"arn:aws:iam::{account}:role/x",
        Handler="app.handler",
        Code={"ZipFile": package(code)},
    )["FunctionArn"]
    functions.add_permission(
        FunctionName="see", StatementId="e", Action="lambda:InvokeFunction", Principal="events.amazonaws.com"
    )
    bus = aws("events").create_event_bus(Name="other")["EventBusArn"]
    rule(aws, "r", {"Arn": topic, "InputPath": "$.detail"}, {"Arn": function}, {"Arn": group}, {"Arn": bus})
    rule(aws, "passed", {"Arn": arn, "Input": '"by the other bus"'}, bus="other")
    event = put(aws, {"n": 7})
    bodies: list[str] = []
    while len(bodies) < 2:
        found = taken(aws, url)
        assert found
        bodies += [message["Body"] for message in found]
    assert sorted(bodies) == ['"by the other bus"', '{"n":7}']
    [line] = logs.filter_log_events(logGroupName="/events/all")["events"]
    assert json.loads(line["message"])["id"] == event["EventId"]
    assert '{"n": 7}' in printed(aws, "see", "SEEN")


def package(code: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("app.py", code)
    return out.getvalue()


def test_the_bus_of_another_account(aws: Clients, server: Server, account: str) -> None:
    url, arn = queue(aws, "in")
    rule(aws, "r", {"Arn": arn})
    bus = f"arn:aws:events:{REGION}:{account}:event-bus/default"
    other = server.client("events", "999988887777")
    entry = {"Source": "shop", "DetailType": "Order", "Detail": "{}", "EventBusName": bus}
    with pytest.raises(ClientError, match="AccessDeniedException"):
        other.put_events(Entries=[entry])
    aws("events").put_permission(Action="events:PutEvents", Principal="999988887777", StatementId="friend")
    assert other.put_events(Entries=[entry])["FailedEntryCount"] == 0
    assert json.loads(taken(aws, url)[0]["Body"])["account"] == "999988887777"


def test_buses_and_rules_are_listed_in_pages_tagged_and_deleted(aws: Clients, account: str) -> None:
    events = aws("events")
    for name in ("a", "b", "c"):
        events.create_event_bus(Name=name, Tags=[{"Key": "team", "Value": name}])
        events.put_rule(Name=f"rule-{name}", EventBusName="a", EventPattern='{"source": ["x"]}')
    names: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = events.list_event_buses(Limit=2, **token)
        names += [bus["Name"] for bus in page["EventBuses"]]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert names == ["a", "b", "c", "default"]
    first = events.list_rules(EventBusName="a", Limit=2)
    rest = events.list_rules(EventBusName="a", Limit=2, NextToken=first["NextToken"])
    assert [each["Name"] for each in first["Rules"] + rest["Rules"]] == ["rule-a", "rule-b", "rule-c"]
    arn = f"arn:aws:events:{REGION}:{account}:rule/a/rule-a"
    events.tag_resource(ResourceARN=arn, Tags=[{"Key": "k", "Value": "v"}])
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "k", "Value": "v"}]
    with pytest.raises(ClientError, match="has rules"):
        events.delete_event_bus(Name="a")
    for name in ("a", "b", "c"):
        events.delete_rule(Name=f"rule-{name}", EventBusName="a")
    events.delete_event_bus(Name="a")
    with pytest.raises(ClientError, match="Event bus a does not exist"):
        events.list_rules(EventBusName="a")


def test_an_http_api_is_called_as_the_role_and_with_the_parameters_of_the_target(aws: Clients, account: str) -> None:
    functions, apis = aws("lambda"), aws("apigatewayv2")
    code = "import json\ndef handler(event, context):\n    print('GOT', json.dumps([event['rawPath'], event['headers']\
.get('x-kind'), event.get('rawQueryString'), json.loads(event['body'])['detail']]))\n    return {'statusCode': 200}\n"
    function = functions.create_function(
        FunctionName="api",
        Runtime="python3.12",
        Role=f"arn:aws:iam::{account}:role/x",
        Handler="app.handler",
        Code={"ZipFile": package(code)},
    )["FunctionArn"]
    functions.add_permission(
        FunctionName="api", StatementId="a", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com"
    )
    api = apis.create_api(Name="a", ProtocolType="HTTP", Target=function)["ApiId"]
    [route] = apis.get_routes(ApiId=api)["Items"]
    apis.update_route(ApiId=api, RouteId=route["RouteId"], AuthorizationType="AWS_IAM")
    dead_url, dead_arn = queue(aws, "dead")
    target = {
        "Arn": f"arn:aws:execute-api:{REGION}:{account}:{api}/$default/POST/orders/*",
        "RoleArn": f"arn:aws:iam::{account}:role/events",
        "HttpParameters": {
            "PathParameterValues": ["$.detail.n"],
            "HeaderParameters": {"x-kind": "Order"},
            "QueryStringParameters": {"q": "1"},
        },
    }
    unsigned = {"Arn": target["Arn"], "DeadLetterConfig": {"Arn": dead_arn}}
    rule(aws, "r", target, unsigned)
    put(aws, {"n": 7})
    line = printed(aws, "api", "GOT")
    assert json.loads(line.partition("GOT ")[2]) == ["/orders/7", "Order", "q=1", {"n": 7}]
    [letter] = taken(aws, dead_url)
    attributes = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert attributes["ERROR_CODE"] == "SDK_CLIENT_ERROR" and "403" in attributes["ERROR_MESSAGE"]


SAM = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: !Sub "${AWS::StackName}-bus", Description: d}}
  Seen:
    Type: AWS::SQS::Queue
  Let:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Seen]
      PolicyDocument:
        Statement:
          - {Effect: Allow, Principal: {Service: events.amazonaws.com}, Action: sqs:SendMessage, Resource: !GetAtt Seen.Arn}
  Straight:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Bus
      EventPattern: {source: [shop], detail: {n: [{numeric: [">", 1]}]}}
      State: ENABLED
      Targets:
        - {Id: seen, Arn: !GetAtt Seen.Arn, InputTransformer: {InputPathsMap: {n: $.detail.n}, InputTemplate: '{"n": <n>}'}}
  Friend:
    Type: AWS::Events::EventBusPolicy
    Properties: {EventBusName: !Ref Bus, StatementId: friend, Action: events:PutEvents, Principal: "999988887777"}
  Foe:
    Type: AWS::Events::EventBusPolicy
    Properties:
      EventBusName: !Ref Bus
      StatementId: foe
      Statement: {Effect: Deny, Principal: "*", Action: events:PutEvents, Resource: !GetAtt Bus.Arn,
                  Condition: {StringEquals: {events:source: foe}}}
  Work:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      InlineCode: |
        import json
        def handler(event, context):
            print("SEEN", event["detail-type"], json.dumps(event["detail"]))
      Events:
        Rule:
          Type: EventBridgeRule
          Properties: {EventBusName: !Ref Bus, Pattern: {detail-type: [Order]}, RetryPolicy: {MaximumRetryAttempts: 5}}
        Old:
          Type: CloudWatchEvent
          Properties: {Pattern: {source: [shop]}}
        Hourly:
          Type: Schedule
          Properties: {Schedule: rate(1 hour), Enabled: false}
Outputs:
  Bus: {Value: !Ref Bus}
  Queue: {Value: !Ref Seen}
  Function: {Value: !Ref Work}
  Rule: {Value: !Ref Straight}
"""


def test_a_stack_with_a_bus_its_policies_rules_and_sam_events(aws: Clients) -> None:
    stacks, events = aws("cloudformation"), aws("events")
    stacks.create_stack(StackName="shop", TemplateBody=SAM, Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
    stacks.get_waiter("stack_create_complete").wait(StackName="shop", WaiterConfig={"Delay": 0.2, "MaxAttempts": 200})
    [stack] = stacks.describe_stacks(StackName="shop")["Stacks"]
    out = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    assert out["Rule"].startswith("shop-bus|shop-Straight-")
    policy = json.loads(events.describe_event_bus(Name=out["Bus"])["Policy"])
    assert {statement["Sid"] for statement in policy["Statement"]} == {"friend", "foe"}
    [schedule] = [each for each in events.list_rules()["Rules"] if "ScheduleExpression" in each]
    assert (schedule["ScheduleExpression"], schedule["State"]) == ("rate(1 hour)", "DISABLED")
    put(aws, {"n": 5}, EventBusName=out["Bus"])
    assert [message["Body"] for message in taken(aws, out["Queue"])] == ['{"n":5}']
    assert 'SEEN Order {"n": 5}' in printed(aws, out["Function"], "SEEN")
    stacks.update_stack(
        StackName="shop",
        TemplateBody=SAM.replace('{numeric: [">", 1]}', '{numeric: [">", 10]}').replace(
            "Description: d", "Description: e"
        ),
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    stacks.get_waiter("stack_update_complete").wait(StackName="shop", WaiterConfig={"Delay": 0.2, "MaxAttempts": 200})
    assert events.describe_event_bus(Name=out["Bus"])["Description"] == "e"
    put(aws, {"n": 5}, EventBusName=out["Bus"])
    put(aws, {"n": 11}, EventBusName=out["Bus"])
    assert [message["Body"] for message in taken(aws, out["Queue"])] == ['{"n":11}']
    stacks.delete_stack(StackName="shop")
    stacks.get_waiter("stack_delete_complete").wait(StackName="shop", WaiterConfig={"Delay": 0.2, "MaxAttempts": 200})
    assert [bus["Name"] for bus in events.list_event_buses()["EventBuses"]] == ["default"]
    assert events.list_rules()["Rules"] == []
