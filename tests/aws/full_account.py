"""An account with something of every service in it, much of it unfinished: what `freehold export` has to move.

Its server's clock stands, so nothing comes to an end by itself.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from freehold.kit.ids import Ids
from freehold.testing import Account

ASKED = "http://127.0.0.1:9/"  # nobody listens: deliveries are tried again
ORDERS = """
import boto3, json, os
def handler(event, context):
    for record in event["Records"]:
        boto3.client("dynamodb").put_item(TableName="orders", Item={"id": {"S": record["body"]}, "n": {"N": "1"}})
"""
CODE = """
import os
def handler(event, context):
    if event.get("fail"):
        raise ValueError("no")
    return [os.environ["GREETING"], context.invoked_function_arn]
"""


def zipped(files: dict[str, bytes]) -> bytes:
    """The same bytes every time: accounts share packages."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), content)
    return held.getvalue()


class Full:
    """Fills one account. `name` sets apart what is unique in an installation (buckets)."""

    def __init__(self, account: Account, name: str) -> None:
        self.account, self.id, self.name = account, account.id, name
        self.role = f"arn:aws:iam::{self.id}:role/any"

    def __call__(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self.account.client(service), operation)(**request)
        return answer

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:us-east-1:{self.id}:{resource}"

    def fill(self) -> None:
        self.identities()
        self.queues()
        self.topics()
        self.tables()
        self.buckets()
        self.logs()
        self.functions()
        self.apis()
        self.buses()
        self.schedules()
        self.pipes()
        self.parameters()
        self.stacks()
        elsewhere = self.account.client("sqs", region_name="eu-west-1")
        elsewhere.create_queue(QueueName="elsewhere")
        self.account.client("ssm", region_name="eu-west-1").put_parameter(
            Name="/far", Value="secret", Type="SecureString"
        )
        self.account.server.clock.advance("1s")  # what is due now has been tried

    def identities(self) -> None:
        principals = ["lambda", "scheduler", "pipes", "events", "apigateway"]
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": [f"{one}.amazonaws.com" for one in principals]},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
        self("iam", "create_role", RoleName="any", AssumeRolePolicyDocument=json.dumps(trust))
        self("iam", "create_user", UserName="user", Tags=[{"Key": "k", "Value": "v"}])
        self("iam", "create_access_key", UserName="user")
        self("iam", "create_group", GroupName="group")
        self("iam", "add_user_to_group", GroupName="group", UserName="user")
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        policy = self("iam", "create_policy", PolicyName="policy", PolicyDocument=json.dumps(everything))
        self("iam", "attach_role_policy", RoleName="any", PolicyArn=policy["Policy"]["Arn"])
        self("iam", "create_instance_profile", InstanceProfileName="profile")

    def queue(self, name: str, **attributes: str) -> str:
        return str(self("sqs", "create_queue", QueueName=name, Attributes=attributes)["QueueUrl"])

    def send(self, url: str, *bodies: str, **more: Any) -> None:
        for body in bodies:
            self("sqs", "send_message", QueueUrl=url, MessageBody=body, **more)

    def queues(self) -> None:
        self.queue("dead")
        redrive = json.dumps({"deadLetterTargetArn": self.arn("sqs", "dead"), "maxReceiveCount": "2"})
        standard = self.queue("standard", RedrivePolicy=redrive, VisibilityTimeout="120")
        self.send(standard, *map(str, range(20)))
        self.send(standard, "later", DelaySeconds=600)
        received = self("sqs", "receive_message", QueueUrl=standard, MaxNumberOfMessages=5)["Messages"]
        self("sqs", "delete_message", QueueUrl=standard, ReceiptHandle=received[0]["ReceiptHandle"])
        self.held = (standard, received[1]["ReceiptHandle"])
        ordered = self.queue("ordered.fifo", FifoQueue="true", ContentBasedDeduplication="true")
        for number in range(6):
            self.send(ordered, str(number), MessageGroupId=str(number % 2))
        self("sqs", "receive_message", QueueUrl=ordered, MaxNumberOfMessages=1)
        self("sqs", "tag_queue", QueueUrl=standard, Tags={"team": "orders"})
        for name in ("jobs", "scheduled", "piped", "caught", "told"):
            self.queue(name)

    def topics(self) -> None:
        topic = self("sns", "create_topic", Name="topic")["TopicArn"]
        policy = json.dumps({"kind": ["order"]})
        self(
            "sns",
            "subscribe",
            TopicArn=topic,
            Protocol="sqs",
            Endpoint=self.arn("sqs", "told"),
            Attributes={"FilterPolicy": policy, "RawMessageDelivery": "true"},
        )
        self("sns", "subscribe", TopicArn=topic, Protocol="http", Endpoint=ASKED)
        fifo = {"FifoTopic": "true", "ContentBasedDeduplication": "true"}
        ordered = self("sns", "create_topic", Name="topic.fifo", Attributes=fifo)["TopicArn"]
        self("sns", "subscribe", TopicArn=ordered, Protocol="sqs", Endpoint=self.arn("sqs", "ordered.fifo"))
        self("sns", "publish", TopicArn=ordered, Message="published", MessageGroupId="g")
        self("sns", "subscribe", TopicArn=topic, Protocol="email", Endpoint="a@example.com")

    def tables(self) -> None:
        self(
            "dynamodb",
            "create_table",
            TableName="orders",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("id", "kind")],
            BillingMode="PAY_PER_REQUEST",
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by-kind",
                    "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
        for number in range(30):
            item = {"id": {"S": f"item-{number}"}, "kind": {"S": str(number % 3)}, "raw": {"B": b"\0" * number}}
            self("dynamodb", "put_item", TableName="orders", Item=item)
        put = {"Put": {"TableName": "orders", "Item": {"id": {"S": "once"}}}}
        self("dynamodb", "transact_write_items", TransactItems=[put], ClientRequestToken="token")

    def buckets(self) -> None:
        for bucket in (f"plain-{self.name}", f"versions-{self.name}"):
            self("s3", "create_bucket", Bucket=bucket)
            if bucket.startswith("versions"):
                self("s3", "put_bucket_versioning", Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
            for size in (100, 20_000, 200_000, 3_000_000):
                for turn in range(2):
                    self("s3", "put_object", Bucket=bucket, Key=f"key-{size}", Body=bytes([turn]) * size)
            self("s3", "delete_object", Bucket=bucket, Key="key-100")
        begun = self("s3", "create_multipart_upload", Bucket=bucket, Key="begun")["UploadId"]
        self("s3", "upload_part", Bucket=bucket, Key="begun", UploadId=begun, PartNumber=1, Body=b"z" * 100_000)
        rule = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 3}}
        self(
            "s3",
            "put_bucket_lifecycle_configuration",
            Bucket=bucket,
            LifecycleConfiguration={"Rules": [rule]},
        )

    def logs(self) -> None:
        now_ms = int(self.account.server.clock.now.timestamp() * 1000)
        self("logs", "create_log_group", logGroupName="group", tags={"k": "v"})
        self("logs", "put_retention_policy", logGroupName="group", retentionInDays=1)
        self("logs", "create_log_stream", logGroupName="group", logStreamName="stream")
        events = [{"timestamp": now_ms + at, "message": f"line {at} é"} for at in range(5)]
        self("logs", "put_log_events", logGroupName="group", logStreamName="stream", logEvents=events)

    def function(self, name: str, source: str, **more: Any) -> None:
        code = zipped({"app.py": source.encode(), "large.bin": Ids(seed=1).bytes(100_000)})
        self(
            "lambda",
            "create_function",
            FunctionName=name,
            Runtime="python3.13",
            Role=self.role,
            Handler="app.handler",
            Code={"ZipFile": code},
            Environment={"Variables": {"GREETING": "hello"}},
            **more,
        )

    def functions(self) -> None:
        content = zipped({"python/layered.py": b"VALUE = 1"})
        layer = self("lambda", "publish_layer_version", LayerName="layer", Content={"ZipFile": content})
        self.function("works", CODE, Publish=True, Layers=[layer["LayerVersionArn"]])
        self("lambda", "create_alias", FunctionName="works", Name="live", FunctionVersion="1")
        self("lambda", "put_function_concurrency", FunctionName="works", ReservedConcurrentExecutions=5)
        self("lambda", "create_function_url_config", FunctionName="works", AuthType="NONE")
        self(
            "lambda",
            "add_permission",
            FunctionName="works",
            StatementId="all",
            Action="lambda:InvokeFunctionUrl",
            Principal="*",
            FunctionUrlAuthType="NONE",
        )
        self("lambda", "put_function_event_invoke_config", FunctionName="works", MaximumRetryAttempts=2)
        self("lambda", "invoke", FunctionName="works", InvocationType="Event", Payload=b'{"fail": true}')
        self.function("orders", ORDERS, Timeout=20)
        self(
            "lambda",
            "create_event_source_mapping",
            FunctionName="orders",
            EventSourceArn=self.arn("sqs", "jobs"),
            BatchSize=1,
        )

    def apis(self) -> None:
        target = self.arn("lambda", "function:works")
        api = self("apigatewayv2", "create_api", Name="http", ProtocolType="HTTP", Target=target)["ApiId"]
        self(
            "lambda",
            "add_permission",
            FunctionName="works",
            StatementId="api",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
        )
        self.api = api
        rest = self("apigateway", "create_rest_api", name="rest")
        root = rest["rootResourceId"]
        where = {"restApiId": rest["id"], "resourceId": root, "httpMethod": "GET"}
        self("apigateway", "put_method", **where, authorizationType="NONE")
        self(
            "apigateway",
            "put_integration",
            **where,
            type="MOCK",
            requestTemplates={"application/json": '{"statusCode": 200}'},
        )
        self("apigateway", "create_deployment", restApiId=rest["id"], stageName="prod")

    def buses(self) -> None:
        self("events", "create_event_bus", Name="bus")
        pattern = json.dumps({"source": ["shop"]})
        self("events", "put_rule", Name="rule", EventBusName="bus", EventPattern=pattern)
        target = {"Id": "queue", "Arn": self.arn("sqs", "caught")}
        self("events", "put_targets", Rule="rule", EventBusName="bus", Targets=[target])
        bus = self.arn("events", "event-bus/bus")
        self("events", "create_archive", ArchiveName="archive", EventSourceArn=bus, RetentionDays=10)
        entry = {"Source": "shop", "DetailType": "sold", "Detail": "{}", "EventBusName": "bus"}
        self("events", "put_events", Entries=[entry])
        key = {"ApiKeyAuthParameters": {"ApiKeyName": "x-key", "ApiKeyValue": "sealed secret"}}
        connection = self(
            "events", "create_connection", Name="connection", AuthorizationType="API_KEY", AuthParameters=key
        )["ConnectionArn"]
        destination = self(
            "events",
            "create_api_destination",
            Name="destination",
            ConnectionArn=connection,
            InvocationEndpoint=ASKED,
            HttpMethod="POST",
        )["ApiDestinationArn"]
        self("events", "put_rule", Name="calls", EventBusName="bus", EventPattern=pattern)
        called = {"Id": "api", "Arn": destination, "RoleArn": self.role}
        self("events", "put_targets", Rule="calls", EventBusName="bus", Targets=[called])
        self("events", "put_events", Entries=[entry])  # the call fails and waits for its next attempt
        self("events", "put_rule", Name="hourly", ScheduleExpression="rate(1 hour)")

    def schedules(self) -> None:
        self("scheduler", "create_schedule_group", Name="group")
        for name, window in (
            ("hourly", {"Mode": "OFF"}),
            ("sometime", {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}),
        ):
            self(
                "scheduler",
                "create_schedule",
                Name=name,
                GroupName="group",
                ScheduleExpression="rate(1 hours)",
                FlexibleTimeWindow=window,
                Target={"Arn": self.arn("sqs", "scheduled"), "RoleArn": self.role, "Input": name},
            )

    def pipes(self) -> None:
        self.queue("source")
        self(
            "pipes",
            "create_pipe",
            Name="pipe",
            RoleArn=self.role,
            Source=self.arn("sqs", "source"),
            Target=self.arn("sqs", "piped"),
        )

    def parameters(self) -> None:
        self("ssm", "put_parameter", Name="/plain", Value="one", Type="String")
        self("ssm", "put_parameter", Name="/plain", Value="two", Type="String", Overwrite=True)
        self("ssm", "put_parameter", Name="/secret", Value="sealed secret", Type="SecureString")

    def stacks(self) -> None:
        template = {
            "Resources": {"Made": {"Type": "AWS::SQS::Queue"}},
            "Outputs": {"Name": {"Value": {"Ref": "Made"}, "Export": {"Name": "made"}}},
        }
        self("cloudformation", "create_stack", StackName="stack", TemplateBody=json.dumps(template))
        waiter = self.account.client("cloudformation").get_waiter("stack_create_complete")
        waiter.wait(StackName="stack", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
