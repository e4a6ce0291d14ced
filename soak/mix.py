"""What the mix does: one small turn of each kind, over and over, cleaning up behind itself."""

from __future__ import annotations

import io
import json
import time
import urllib.request
import zipfile
from collections.abc import Callable
from typing import Any

from freehold.testing import Account

ROLE = "arn:aws:iam::{}:role/soak"
KEYS = 500
"""Items and objects that are written again and again: a load held keeps what it holds constant."""
HELLO = """
def handler(event, context):
    print("served", event.get("rawPath"))
    return {"statusCode": 200, "body": "hello"}
"""
WORKER = """
import boto3
table = boto3.resource("dynamodb").Table("soak")
def handler(event, context):
    for record in event["Records"]:
        table.put_item(Item={"pk": "worked", "body": record["body"]})
"""
TEMPLATE = {
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue"},
        "Parameter": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Ref": "Queue"}}},
    }
}
Turn = Callable[[int], Any]


def package(source: str) -> bytes:
    """A function's code."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", source)
    return buffer.getvalue()


class Application:
    """Tables, queues, a topic, a bus, functions and an API in one account."""

    def __init__(self, account: Account) -> None:
        self._account, self._clients = account, {}

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._account.client(service)
        return self._clients[service]

    def prepare(self) -> None:
        """Make everything that the turns use."""
        account = self._account.id
        self._client("dynamodb").create_table(
            TableName="soak",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        )
        self._client("s3").create_bucket(Bucket=f"soak-{account}")
        sqs, queue = self._client("sqs"), f"arn:aws:sqs:us-east-1:{account}:work"
        allow = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}],
        }
        sqs.create_queue(QueueName="work", Attributes={"Policy": json.dumps(allow), "VisibilityTimeout": "30"})
        self._cycle = sqs.create_queue(QueueName="cycle")["QueueUrl"]
        self._topic = self._client("sns").create_topic(Name="soak")["TopicArn"]
        self._client("sns").subscribe(TopicArn=self._topic, Protocol="sqs", Endpoint=queue)
        events = self._client("events")
        events.put_rule(Name="soak", EventPattern=json.dumps({"source": ["soak"]}))
        events.put_targets(Rule="soak", Targets=[{"Id": "q", "Arn": queue}])
        for name, source in (("hello", HELLO), ("worker", WORKER)):
            self._client("lambda").create_function(
                FunctionName=name,
                Runtime="python3.11",
                Handler="index.handler",
                Role=ROLE.format(account),
                Code={"ZipFile": package(source)},
                Timeout=10,
            )
            self._client("lambda").get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        self._client("logs").put_retention_policy(logGroupName=self._log_group(), retentionInDays=1)
        self._client("lambda").create_event_source_mapping(FunctionName="worker", EventSourceArn=queue, BatchSize=10)
        api = self._client("apigatewayv2").create_api(
            Name="soak", ProtocolType="HTTP", Target=f"arn:aws:lambda:us-east-1:{account}:function:hello"
        )
        self._api = f"{self._account.url}/_apis/{api['ApiId']}/hello"

    def _log_group(self) -> str:
        name = "/aws/lambda/hello"
        self._client("logs").create_log_group(logGroupName=name)
        return name

    def turns(self) -> dict[str, Turn]:
        """By name. Each is given a number that counts up."""
        return {
            "dynamodb": self.item,
            "s3": self.object,
            "sqs": self.message,
            "sns": lambda n: self._client("sns").publish(TopicArn=self._topic, Message=f"{n}"),
            "events": self.event,
            "lambda": lambda n: self._client("lambda").invoke(FunctionName="hello", Payload=b"{}")["Payload"].read(),
            "lambda async": lambda n: self._client("lambda").invoke(
                FunctionName="hello", InvocationType="Event", Payload=b"{}"
            ),
            "http api": lambda n: urllib.request.urlopen(self._api).read(),
            "deploy": self.deploy,
        }

    def item(self, number: int) -> None:
        dynamodb = self._client("dynamodb")
        dynamodb.put_item(TableName="soak", Item={"pk": {"S": f"{number % KEYS}"}, "n": {"N": f"{number}"}})
        dynamodb.get_item(TableName="soak", Key={"pk": {"S": f"{number % KEYS}"}})

    def object(self, number: int) -> None:
        s3, where = self._client("s3"), {"Bucket": f"soak-{self._account.id}", "Key": f"{number % KEYS}"}
        s3.put_object(**where, Body=b"x" * (100_000 if number % 10 == 0 else 1_000))
        s3.get_object(**where)["Body"].read()

    def message(self, number: int) -> None:
        sqs = self._client("sqs")
        sqs.send_message(QueueUrl=self._cycle, MessageBody=f"{number}")
        for each in sqs.receive_message(QueueUrl=self._cycle, MaxNumberOfMessages=10).get("Messages", []):
            sqs.delete_message(QueueUrl=self._cycle, ReceiptHandle=each["ReceiptHandle"])

    def event(self, number: int) -> None:
        entry = {"Source": "soak", "DetailType": "turn", "Detail": json.dumps({"n": number})}
        answer = self._client("events").put_events(Entries=[entry])
        if answer["FailedEntryCount"]:
            raise RuntimeError(answer)

    def deploy(self, number: int) -> None:
        if number % 50:
            return
        stacks, name = self._client("cloudformation"), f"soak-{number}"
        stacks.create_stack(StackName=name, TemplateBody=json.dumps(TEMPLATE))
        stacks.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
        stacks.delete_stack(StackName=name)
        stacks.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})

    def settled(self, seconds: float = 60.0) -> bool:
        """Whether what was queued has been worked off within so many seconds."""
        sqs = self._client("sqs")
        url = sqs.get_queue_url(QueueName="work")["QueueUrl"]
        kinds = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=kinds)["Attributes"]
            if not any(int(found[kind]) for kind in kinds):
                return True
            time.sleep(0.5)
        return False
