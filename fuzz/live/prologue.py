"""What is made before and between random requests, by valid ones: things for operations to find, and their names."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import botocore.exceptions

from fuzz.live.functions import ECHO, HOSTILE
from fuzz.live.sending import Clients
from fuzz.live.values import Memory

ROLE = "arn:aws:iam::000000000000:role/fuzz"
SERVICES = ("lambda.amazonaws.com", "scheduler.amazonaws.com", "pipes.amazonaws.com", "events.amazonaws.com")
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": list(SERVICES)}, "Action": "sts:AssumeRole"}],
}
ALLOW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
TEMPLATE = json.dumps({"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}, "Outputs": {"U": {"Value": {"Ref": "Q"}}}})
LONG_AGO = "at(2090-01-01T00:00:00)"
Answer = dict[str, Any]


class Prologue:
    """Makes one thing of every kind. What is there already is left; `again` makes what was deleted anew."""

    def __init__(self, clients: Clients, memory: Memory, *, account: str) -> None:
        self._clients, self._memory, self._account = clients, memory, account
        self.doors: dict[str, str] = {}
        """Front doors by kind: `http`, `rest`, `url`, `bucket`."""
        self.refused: dict[str, str] = {}
        """Operations that were refused though they should not be: a prologue that makes nothing finds nothing."""

    def do(self, service: str, operation: str, **request: Any) -> Answer:
        """One call; what it answers and what it was asked are remembered. {} where it was refused."""
        try:
            answer: Answer = getattr(self._clients.of(service), operation)(**request)
        except botocore.exceptions.ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            there = any(
                word in code + str(error)
                for word in ("Exist", "InUse", "Conflict", "already", "Duplicate", "OwnedByYou")
            )
            if not there:
                self.refused[f"{service}:{operation}"] = str(error)[:300]
            return {}
        self._memory.learn(answer, service=service)
        self._memory.learn({k: v for k, v in request.items() if isinstance(v, str)}, service=service)
        return answer

    def run(self) -> None:
        """Make everything."""
        steps: tuple[Callable[[], None], ...] = (
            self._identities,
            self._messages,
            self._tables,
            self._objects,
            self._functions,
            self._events,
            self._apis,
            self._others,
        )
        for step in steps:
            step()

    def _identities(self) -> None:
        self.do("iam", "create_role", RoleName="fuzz", AssumeRolePolicyDocument=json.dumps(TRUST))
        self.do("iam", "put_role_policy", RoleName="fuzz", PolicyName="all", PolicyDocument=json.dumps(ALLOW))
        self.do("iam", "create_user", UserName="fuzz")
        self.do("iam", "create_group", GroupName="fuzz")
        self.do("iam", "create_policy", PolicyName="fuzz", PolicyDocument=json.dumps(ALLOW))
        self.do("iam", "create_access_key", UserName="fuzz")
        self.do("iam", "create_instance_profile", InstanceProfileName="fuzz")
        self.do("sts", "assume_role", RoleArn=f"arn:aws:iam::{self._account}:role/fuzz", RoleSessionName="fuzz")
        self.do("sts", "get_caller_identity")

    def _messages(self) -> None:
        for name, attributes in (
            ("fuzz", {}),
            ("dead", {}),
            ("fuzz.fifo", {"FifoQueue": "true", "ContentBasedDeduplication": "true"}),
        ):
            url = self.do("sqs", "create_queue", QueueName=name, Attributes=attributes).get("QueueUrl")
            if url:
                group = {"MessageGroupId": "g"} if attributes else {}
                for body in ("{}", '{"a": [1]}', "text"):
                    self.do("sqs", "send_message", QueueUrl=url, MessageBody=body, **group)
                self.do("sqs", "receive_message", QueueUrl=url, MaxNumberOfMessages=2, VisibilityTimeout=5)
                self.do("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["All"])
        for name, attributes in (
            ("fuzz", {}),
            ("fuzz.fifo", {"FifoTopic": "true", "ContentBasedDeduplication": "true"}),
        ):
            arn = self.do("sns", "create_topic", Name=name, Attributes=attributes).get("TopicArn")
            if arn:
                endpoint = f"arn:aws:sqs:us-east-1:{self._account}:{name}"
                self.do("sns", "subscribe", TopicArn=arn, Protocol="sqs", Endpoint=endpoint, ReturnSubscriptionArn=True)
                self.do("sns", "publish", TopicArn=arn, Message="m", **({"MessageGroupId": "g"} if attributes else {}))

    def _tables(self) -> None:
        self.do(
            "dynamodb",
            "create_table",
            TableName="fuzz",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "a", "KeyType": "HASH"}, {"AttributeName": "b", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": n, "AttributeType": t} for n, t in (("a", "S"), ("b", "N"), ("c", "S"))
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "fuzz",
                    "KeySchema": [{"AttributeName": "c", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
        for number in range(4):
            item = {
                "a": {"S": "a"},
                "b": {"N": str(number)},
                "c": {"S": "x"},
                "d": {"L": [{"M": {"a": {"NS": ["1"]}}}]},
            }
            self.do("dynamodb", "put_item", TableName="fuzz", Item=item)
        self.do("dynamodb", "scan", TableName="fuzz", Limit=1)

    def _objects(self) -> None:
        self.do("s3", "create_bucket", Bucket="fuzz-bucket")
        self.doors["bucket"] = "fuzz-bucket"
        self.do("s3", "put_bucket_versioning", Bucket="fuzz-bucket", VersioningConfiguration={"Status": "Enabled"})
        for key in ("a", "a/b", "t.json"):
            self.do("s3", "put_object", Bucket="fuzz-bucket", Key=key, Body=b"{}" * 40)
        self.do("s3", "create_multipart_upload", Bucket="fuzz-bucket", Key="m")
        self.do("s3", "list_object_versions", Bucket="fuzz-bucket")

    def _functions(self) -> None:
        role = f"arn:aws:iam::{self._account}:role/fuzz"
        for name, runtime, files in (
            ("fuzz", "python3.12", {"f.py": ECHO}),
            ("hostile", "provided.al2023", {"bootstrap": HOSTILE}),
        ):
            code = {"ZipFile": packed(files)}
            self.do(
                "lambda",
                "create_function",
                FunctionName=name,
                Runtime=runtime,
                Handler="f.handler",
                Role=role,
                Code=code,
                Timeout=3,
            )
            self.do("lambda", "publish_version", FunctionName=name)
        self.do("lambda", "create_alias", FunctionName="fuzz", Name="fuzz", FunctionVersion="1")
        self.do(
            "lambda", "publish_layer_version", LayerName="fuzz", Content={"ZipFile": packed({"python/x.py": "x = 1"})}
        )
        queue = f"arn:aws:sqs:us-east-1:{self._account}:fuzz"
        self.do("lambda", "create_event_source_mapping", FunctionName="fuzz", EventSourceArn=queue, Enabled=False)
        url = self.do("lambda", "create_function_url_config", FunctionName="fuzz", AuthType="NONE").get("FunctionUrl")
        if url:
            self.doors["url"] = url
        self.do(
            "lambda",
            "add_permission",
            FunctionName="fuzz",
            StatementId="all",
            Action="lambda:InvokeFunction",
            Principal="*",
        )

    def _events(self) -> None:
        queue = f"arn:aws:sqs:us-east-1:{self._account}:fuzz"
        self.do("events", "create_event_bus", Name="fuzz")
        self.do("events", "put_rule", Name="fuzz", EventPattern='{"source": ["fuzz"]}')
        self.do("events", "put_targets", Rule="fuzz", Targets=[{"Id": "q", "Arn": queue}])
        self.do("events", "put_events", Entries=[{"Source": "fuzz", "DetailType": "t", "Detail": "{}"}])
        bus = f"arn:aws:events:us-east-1:{self._account}:event-bus/fuzz"
        self.do("events", "create_archive", ArchiveName="fuzz", EventSourceArn=bus)
        role, dead = f"arn:aws:iam::{self._account}:role/fuzz", f"arn:aws:sqs:us-east-1:{self._account}:dead"
        self.do("scheduler", "create_schedule_group", Name="fuzz")
        target = {"Arn": queue, "RoleArn": role}
        window = {"Mode": "OFF"}
        self.do(
            "scheduler",
            "create_schedule",
            Name="fuzz",
            ScheduleExpression=LONG_AGO,
            FlexibleTimeWindow=window,
            Target=target,
        )
        self.do("pipes", "create_pipe", Name="fuzz", RoleArn=role, Source=dead, Target=queue, DesiredState="STOPPED")

    def _apis(self) -> None:
        if "http" not in self.doors:
            function = f"arn:aws:lambda:us-east-1:{self._account}:function:fuzz"
            made = self.do("apigatewayv2", "create_api", Name="fuzz", ProtocolType="HTTP", Target=function)
            if "ApiId" in made:
                self.doors["http"] = made["ApiId"]
        if "rest" not in self.doors:
            self._rest()

    def _rest(self) -> None:
        api = self.do("apigateway", "create_rest_api", name="fuzz").get("id")
        if api is None:
            return
        root = self.do("apigateway", "get_resources", restApiId=api)["items"][0]["id"]
        child = self.do("apigateway", "create_resource", restApiId=api, parentId=root, pathPart="{proxy+}")["id"]
        for place in (root, child):
            common = {"restApiId": api, "resourceId": place, "httpMethod": "ANY"}
            self.do("apigateway", "put_method", **common, authorizationType="NONE")
            function = f"arn:aws:lambda:us-east-1:{self._account}:function:fuzz"
            uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"
            self.do("apigateway", "put_integration", **common, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
        self.do("apigateway", "create_deployment", restApiId=api, stageName="fuzz")
        self.doors["rest"] = api

    def _others(self) -> None:
        self.do("logs", "create_log_group", logGroupName="fuzz")
        self.do("logs", "create_log_stream", logGroupName="fuzz", logStreamName="fuzz")
        self.do("logs", "describe_log_streams", logGroupName="fuzz")
        self.do("ssm", "put_parameter", Name="/fuzz/a", Value="v", Type="String", Overwrite=True)
        self.do("ssm", "put_parameter", Name="/fuzz/s", Value="v", Type="SecureString", Overwrite=True)
        self.do("cloudformation", "create_stack", StackName="fuzz", TemplateBody=TEMPLATE)
        self.do("cloudformation", "describe_stack_events", StackName="fuzz")


def packed(files: dict[str, str]) -> bytes:
    """A zip of these files, all of them executable."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, text)
    return raw.getvalue()
