"""Functions that come and go, that fail, and that fail on some records."""

from __future__ import annotations

import json
import random

from soak.churn.base import SHORT_RETENTION, Churn, package
from workloads.ledger import Ledger

HELLO = """
def handler(event, context):
    print("served", event.get("rawPath"))
    return {"statusCode": 200, "body": "hello"}
"""
FAILING = """
import json, sys
def handler(event, context):
    if event.get("die"):
        sys.exit(1)
    raise RuntimeError(json.dumps(event))
"""
POISONED = """
def handler(event, context):
    bad = [each["messageId"] for each in event["Records"] if "bad" in each["body"]]
    return {"batchItemFailures": [{"itemIdentifier": each} for each in bad]}
"""


class Functions(Churn):
    """A function with a layer, versions, an alias, a URL and new code, deleted with its log group."""

    name = "lambda-churn"
    alive = 2

    def make(self, name: str, rng: random.Random) -> None:
        client = self.cloud.client("lambda")
        layer = client.publish_layer_version(LayerName=self.prefix(), Content={"ZipFile": package("x = 1")})
        self.function(name, HELLO, Layers=[layer["LayerVersionArn"]])
        client.invoke(FunctionName=name, Payload=b"{}")["Payload"].read()
        version = client.publish_version(FunctionName=name)["Version"]
        client.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
        client.update_function_code(FunctionName=name, ZipFile=package(HELLO + f"\n# {rng.random()}"))
        client.wait("function_updated_v2", FunctionName=name)
        version = client.publish_version(FunctionName=name)["Version"]
        client.update_alias(FunctionName=name, Name="live", FunctionVersion=version)
        client.invoke(FunctionName=f"{name}:live", Payload=b"{}")["Payload"].read()
        client.invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")
        url = client.create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"]
        for action in ("InvokeFunctionUrl", "InvokeFunction"):
            client.add_permission(
                FunctionName=name,
                StatementId=action,
                Action=f"lambda:{action}",
                Principal="*",
                **({"FunctionUrlAuthType": "NONE"} if action == "InvokeFunctionUrl" else {}),
            )
        self.cloud.open("/" + url.split("/", 3)[3])
        client.delete_layer_version(LayerName=self.prefix(), VersionNumber=layer["Version"])

    def drop(self, name: str) -> None:
        self.cloud.client("lambda").delete_function(FunctionName=name)
        self.cloud.client("logs").delete_log_group(logGroupName=f"/aws/lambda/{name}")


class Failing(Churn):
    """Asynchronous invocations that fail and go, some after a retry, to a queue; now and then the process ends."""

    name = "lambda-failing"
    alive = 0

    def setup(self) -> None:
        super().setup()
        queue = self.target_queue(f"{self.prefix()}-failed", **SHORT_RETENTION)
        self.function(self.prefix(), FAILING)
        self.cloud.client("lambda").put_function_event_invoke_config(
            FunctionName=self.prefix(),
            MaximumRetryAttempts=1,
            MaximumEventAgeInSeconds=300,
            DestinationConfig={"OnFailure": {"Destination": queue}},
        )

    def make(self, name: str, rng: random.Random) -> None:
        client = self.cloud.client("lambda")
        payload = json.dumps({"name": name, "die": rng.random() < 0.1}).encode()
        client.invoke(FunctionName=self.prefix(), InvocationType="Event", Payload=payload)
        client.invoke(FunctionName=self.prefix(), Payload=payload)["Payload"].read()
        self.empty(f"{self.prefix()}-failed")

    def drop(self, name: str) -> None:
        """The queue takes them."""

    def verify(self, ledger: Ledger, patience: float) -> list[str]:
        self.cloud.client("lambda").delete_function(FunctionName=self.prefix())
        return []


class Poisoned(Churn):
    """A mapping of a queue with records that fail: reported singly, retried, and moved to a dead-letter queue."""

    name = "mapping-poisoned"
    alive = 0

    def setup(self) -> None:
        super().setup()
        dead = self.target_queue(f"{self.prefix()}-dead", **SHORT_RETENTION)
        redrive = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": "2"})
        source = self.target_queue(
            f"{self.prefix()}-in", RedrivePolicy=redrive, VisibilityTimeout="10", **SHORT_RETENTION
        )
        self.function(self.prefix(), POISONED)
        self._mapping = self.cloud.client("lambda").create_event_source_mapping(
            FunctionName=self.prefix(),
            EventSourceArn=source,
            BatchSize=5,
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )["UUID"]

    def make(self, name: str, rng: random.Random) -> None:
        url = self.cloud.queue_url(f"{self.prefix()}-in")
        bodies = ["good", "good", "good", "bad" if rng.random() < 0.3 else "good"]
        self.cloud.client("sqs").send_message_batch(
            QueueUrl=url, Entries=[{"Id": f"{at}", "MessageBody": body} for at, body in enumerate(bodies)]
        )
        self.empty(f"{self.prefix()}-dead")

    def drop(self, name: str) -> None:
        """The dead-letter queue takes them."""

    def verify(self, ledger: Ledger, patience: float) -> list[str]:
        self.cloud.client("lambda").delete_event_source_mapping(UUID=self._mapping)
        self.cloud.client("lambda").delete_function(FunctionName=self.prefix())
        return []
