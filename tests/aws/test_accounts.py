"""`freehold export` and `import`: an account with something of every service moves to another engine and works on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from freehold.kit.tuples import unpack
from freehold.node.accounts.owned import Owned, belongings
from freehold.node.assemble import manifests
from freehold.store.sqlite import copies
from freehold.testing import Account, Freehold
from freehold.work.checking import Snapshot, shown
from tests import postgres_server
from tests.aws.conftest import needs_isolation
from tests.aws.full_account import Full

ONE, TWO = "111111111111", "222222222222"
SERVICES = (
    "apigateway", "apigatewayv2", "cloudformation", "dynamodb", "events", "iam", "lambda", "logs", "pipes", "s3",
    "scheduler", "sns", "sqs", "ssm",
)  # fmt: skip
INSTALLATION = {("iam", "", "sessions"), ("lambda", "code-key"), ("sns", "signing")}
"""What belongs to the installation, not to an account."""
ROOMS = {"blob", "node", "lease"}
"""First parts of rows that say how the installation works. Blobs go with the rows that name them."""


def freehold(*arguments: str, url: str = "http://127.0.0.1:9", **variables: str) -> str:
    """Run the command; what it said. Its code is 1 where that begins with `freehold:`."""
    command = [sys.executable, "-m", "freehold", *arguments]
    environment = {**os.environ, "AWS_ENDPOINT_URL": url, **variables}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert (done.returncode == 1) == said.startswith("freehold:") and done.returncode in (0, 1), said
    return said


class Source:
    """A stopped installation with two full accounts, the file of the first, and how it looked over the wire."""

    def __init__(self, directory: Path) -> None:
        self.data, self.file = directory / "data", directory / "one.account"
        with Freehold(data=self.data, manual_clock=True) as cloud:
            self.full = Full(cloud.account(ONE), "one")
            self.full.fill()
            Full(cloud.account(TWO), "two").fill()
            self.looks = looks(cloud.account(ONE))
            self.now = cloud.clock.now
            self.said = freehold("export", ONE, str(self.file), url=cloud.url)
            self.url = cloud.url

    def beside(self, url: str) -> str:
        """A queue's URL at another server."""
        return url.replace(self.url, "")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return Source(tmp_path_factory.mktemp("source"))


@pytest.fixture(params=["memory", "postgres"])
def target(request: pytest.FixtureRequest, tmp_path: Path, source: Source) -> Iterator[Freehold]:
    """A fresh installation on another engine."""
    if request.param == "memory":
        with Freehold(manual_clock=source.now) as cloud:
            yield cloud
        return
    programs = postgres_server.binaries()
    if programs is None:
        pytest.skip("no PostgreSQL: install Debian's postgresql package")
    with postgres_server.cluster(programs) as database:
        url = postgres_server.database(database.url, "freehold_account")
        with Freehold(data=tmp_path / "data", manual_clock=source.now, flags=("--store", url)) as cloud:
            yield cloud


def looks(account: Account) -> dict[str, Any]:
    """Whatever can be asked without naming anything, and what the answers lead to."""
    found: dict[str, Any] = {}

    def ask(service: str, operation: str, **request: Any) -> Any:
        try:
            answer = getattr(account.client(service), operation)(**request)
        except ClientError as error:
            answer = {"Error": error.response["Error"]["Code"]}
        answer.pop("ResponseMetadata", None)
        for name, value in answer.items():
            if hasattr(value, "read"):
                answer[name] = value.read()
        text = json.dumps(answer, default=repr, sort_keys=True)
        text = re.sub(r"(http://)?127\.0\.0\.1:\d+", "URL", text)  # stacks keep the URLs of the server that made them
        found[f"{service} {operation} {request}".replace(account.url, "URL")] = json.loads(text)
        return answer

    for service in SERVICES:
        client = account.client(service)
        for operation in client.meta.service_model.operation_names:
            shape = client.meta.service_model.operation_model(operation).input_shape
            if operation.startswith(("List", "Describe", "Get")) and not (shape and shape.required_members):
                python_name = {v: k for k, v in client.meta.method_to_api_mapping.items()}[operation]
                ask(service, python_name)
    _look_deeper(ask)
    return found


def _look_deeper(ask: Any) -> None:
    for url in ask("sqs", "list_queues")["QueueUrls"]:
        ask("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["All"])
        ask("sqs", "list_queue_tags", QueueUrl=url)
    for topic in ask("sns", "list_topics")["Topics"]:
        ask("sns", "get_topic_attributes", TopicArn=topic["TopicArn"])
        for one in ask("sns", "list_subscriptions_by_topic", TopicArn=topic["TopicArn"])["Subscriptions"]:
            ask("sns", "get_subscription_attributes", SubscriptionArn=one["SubscriptionArn"])
    ask("dynamodb", "describe_table", TableName="orders")
    ask("dynamodb", "scan", TableName="orders")
    ask("dynamodb", "scan", TableName="orders", IndexName="by-kind")
    for bucket in ask("s3", "list_buckets")["Buckets"]:
        name = bucket["Name"]
        ask("s3", "get_bucket_lifecycle_configuration", Bucket=name)
        ask("s3", "list_multipart_uploads", Bucket=name)
        versions = ask("s3", "list_object_versions", Bucket=name)
        for version in versions["Versions"]:
            ask("s3", "get_object", Bucket=name, Key=version["Key"], VersionId=version["VersionId"])
    for function in ask("lambda", "list_functions")["Functions"]:
        for operation in ("get_function_configuration", "list_aliases", "list_versions_by_function", "get_policy"):
            ask("lambda", operation, FunctionName=function["FunctionName"])
    for group in ask("logs", "describe_log_groups")["logGroups"]:
        ask("logs", "filter_log_events", logGroupName=group["logGroupName"])
    for stack in ask("cloudformation", "describe_stacks")["Stacks"]:
        ask("cloudformation", "describe_stack_events", StackName=stack["StackName"])
    for rule in ask("events", "list_rules", EventBusName="bus")["Rules"]:
        ask("events", "list_targets_by_rule", Rule=rule["Name"], EventBusName="bus")
    ask("events", "describe_connection", Name="connection")
    ask("ssm", "get_parameters", Names=["/plain", "/secret"], WithDecryption=True)
    ask("ssm", "get_parameter_history", Name="/plain")
    for user in ask("iam", "list_users")["Users"]:
        ask("iam", "list_access_keys", UserName=user["UserName"])
    for schedule in ask("scheduler", "list_schedules")["Schedules"]:
        ask("scheduler", "get_schedule", Name=schedule["Name"], GroupName=schedule["GroupName"])
    for api in ask("apigatewayv2", "get_apis")["Items"]:
        for operation in ("get_routes", "get_integrations", "get_stages"):
            ask("apigatewayv2", operation, ApiId=api["ApiId"])
    for rest in ask("apigateway", "get_rest_apis")["items"]:
        for operation in ("get_resources", "get_stages", "get_deployments"):
            ask("apigateway", operation, restApiId=rest["id"])


# Whose is what


def first(key: bytes) -> str:
    """The first part of a key; not all keys are packed to their end."""
    return key[1 : key.index(0)].decode()


@needs_isolation
def test_every_row_is_of_one_account_or_of_the_installation(source: Source) -> None:
    """A new kind of row that nobody claims fails here: say whose it is in the service's belongings.py."""
    with copies.looking(source.data) as (_, tx):
        everything = {key for key, _ in Snapshot(tx).rows(b"", b"\xff" * 8)}
        one, two = Owned(tx, ONE), Owned(tx, TWO)
        ours, theirs = {key for key, _ in one.rows()}, {key for key, _ in two.rows()}
        shared = {row.key for row in (*one.shared(), *two.shared())}
        assert not {shown(key) for key in ours & theirs}
        left = {key for key in everything - ours - theirs - shared if first(key) not in ROOMS}
        assert {unpack(key) for key in left} == INSTALLATION
        assert not (ours | theirs | shared) - everything
        assert {first(key) for key in ours} >= {*SERVICES, "timer", "outbox"} - {"apigatewayv2"}


def test_every_effect_says_whose_it_is() -> None:
    kinds = {kind for manifest in manifests() for kind in manifest.deliverers}
    assert {kind for one in belongings() for kind in one.effects} == kinds


# Moving


@needs_isolation
def test_an_account_moves_to_another_engine_and_works_on(source: Source, target: Freehold) -> None:
    said = freehold("import", str(source.file), url=target.url)
    assert said.startswith(f"Account {ONE} is here:") and "all invariants hold" in said
    account = target.account(ONE)
    after = looks(account)
    for asked, answer in source.looks.items():
        assert after[asked] == answer, asked
    assert target.account(TWO).client("sqs").list_queues().get("QueueUrls", []) == []
    _works(source, target, account)


def _works(source: Source, target: Freehold, account: Account) -> None:
    sqs, functions = account.client("sqs"), account.client("lambda")

    def receive(name: str) -> list[str]:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        bodies: list[str] = []
        while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for message in found:
                bodies.append(message["Body"])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    url, handle = source.full.held
    sqs.delete_message(QueueUrl=target.url + source.beside(url), ReceiptHandle=handle)
    answer = functions.invoke(FunctionName="works:live", Payload=b"{}")
    assert json.loads(answer["Payload"].read()) == ["hello", f"arn:aws:lambda:us-east-1:{ONE}:function:works:live"]
    api = json.load(urllib.request.urlopen(f"{target.url}/_apis/{source.full.api}/"))
    assert api[0] == "hello"
    jobs = sqs.get_queue_url(QueueName="jobs")["QueueUrl"]
    piped = sqs.get_queue_url(QueueName="source")["QueueUrl"]
    sqs.send_message(QueueUrl=jobs, MessageBody="job")
    sqs.send_message(QueueUrl=piped, MessageBody="through")
    target.clock.advance("1s")  # the logs of these calls are written
    before = _reports(account, "works")
    assert "later" not in receive("standard")
    target.clock.advance("15m")
    assert account.client("dynamodb").get_item(TableName="orders", Key={"id": {"S": "job"}})["Item"]["n"] == {"N": "1"}
    assert [json.loads(body)["body"] for body in receive("piped")] == ["through"]
    assert "later" in receive("standard")
    assert _reports(account, "works") == before + 2, "the two retries of what had failed before it moved"
    assert sorted(receive("scheduled")) == ["hourly", "sometime"], "each fired once when it was made"
    target.clock.advance("2h")
    assert sorted(receive("scheduled")) == ["hourly", "hourly", "sometime", "sometime"]
    target.clock.advance("4d")
    versions = account.client("s3").list_objects_v2(Bucket="versions-one")
    assert versions["KeyCount"] == 0, "its lifecycle went on"


def _reports(account: Account, name: str) -> int:
    found = account.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="REPORT")
    return len(found["events"])


@needs_isolation
def test_what_moves_between_stopped_directories_passes_the_checks(source: Source, tmp_path: Path) -> None:
    data, file, secret = tmp_path / "data", tmp_path / "two.account", tmp_path / "secret"
    secret.write_text("correct horse\n")
    with Freehold(data=data, manual_clock=source.now) as cloud:
        cloud.client("sqs").create_queue(QueueName="own")
    sealed = ("--passphrase-file", str(secret))
    assert "sealed with the passphrase" in freehold("export", TWO, str(file), "--data", str(source.data), *sealed)
    # Long enough to be no accident: of a quarter of a million sealed bytes some three are any word in every 60th file.
    assert ONE.encode() in source.file.read_bytes(), "what is not sealed names its account"
    assert TWO.encode() not in file.read_bytes() and file.stat().st_mode & 0o777 == 0o600
    assert "is sealed with a passphrase" in freehold("import", str(file), "--data", str(data))
    (tmp_path / "wrong").write_text("incorrect\n")
    wrong = ("--passphrase-file", str(tmp_path / "wrong"))
    assert "passphrase is wrong" in freehold("import", str(file), "--data", str(data), *wrong)
    assert freehold("import", str(file), "--data", str(data), *sealed).startswith(f"Account {TWO} is here")
    assert freehold("import", str(source.file), "--data", str(data)).startswith(f"Account {ONE} is here")
    assert "all invariants hold" in freehold("check", "--data", str(data))
    with copies.looking(data) as (_, moved), copies.looking(source.data) as (_, original):
        for account in (ONE, TWO):
            kept, came = (
                {key: value for key, value in Owned(tx, account).rows() if first(key) not in ("meter", "trace")}
                for tx in (original, moved)
            )
            assert kept == came
        shared = {row.key for row in Owned(moved, ONE).shared()}
        assert shared == {row.key for row in Owned(moved, TWO).shared()}, "both use the same packages"
        assert all(moved.get(key) == original.get(key) or _uses(moved, key) == _uses(original, key) for key in shared)


def _uses(tx: Any, key: bytes) -> int:
    import msgspec

    from freehold.services.lambda_.model import Package

    return msgspec.msgpack.decode(tx.get(key), type=Package).uses


# Refusals


def test_an_export_is_told_to_keep_its_secrets(source: Source) -> None:
    assert "secrets in the clear; only you can read it" in source.said
    assert source.file.stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_moved_is_refused_and_leaves_nothing(source: Source, tmp_path: Path) -> None:
    content = source.file.read_bytes()
    broken = tmp_path / "broken"
    with Freehold(manual_clock=source.now) as cloud:

        def refused(data: bytes, *more: str) -> str:
            broken.write_bytes(data)
            return freehold("import", str(broken), *more, url=cloud.url)

        assert "no file that `freehold export` made" in refused(b"something else\n")
        assert "cut short" in refused(content[: len(content) // 2])
        assert "cut short" in refused(content[:-1])
        middle = content.index(b"\n") + 300  # among rows
        assert "was changed after" in refused(content[:middle] + bytes((content[middle] ^ 1,)) + content[middle + 1 :])
        assert "is not empty" not in refused(content[: content.index(b"\n")])
        assert "cannot become account 333333333333" in refused(content, "--account", "333333333333")
        assert "has nothing to export" in freehold("export", "3" * 12, str(tmp_path / "no"), url=cloud.url)
        assert "12 digits" in freehold("export", "../etc", str(tmp_path / "no"), url=cloud.url)
        assert "is there already" in freehold("export", ONE, str(broken), url=cloud.url)
        other = cloud.account("444444444444")
        other.client("s3").create_bucket(Bucket="plain-one")
        assert "The bucket plain-one is there already" in refused(content)
        assert cloud.account(ONE).client("sqs").list_queues().get("QueueUrls", []) == []
        other.client("s3").delete_bucket(Bucket="plain-one")
        cloud.account(ONE).client("sqs").create_queue(QueueName="mine")
        assert "is not empty here: it has sqs" in refused(content)
    with Freehold(manual_clock="2020-01-01T00:00:00Z") as cloud:
        assert "ahead of the time here" in refused_at(cloud, source.file)


def refused_at(cloud: Freehold, file: Path) -> str:
    return freehold("import", str(file), url=cloud.url)


@needs_isolation
def test_a_guarded_server_moves_accounts_for_its_root_only(tmp_path: Path) -> None:
    mine, other = "000000000000", tmp_path / "other.account"
    with Freehold() as open_one:
        account = open_one.account(ONE)
        account.client("ssm").put_parameter(Name="/a", Value="b", Type="SecureString")
        freehold("export", ONE, str(other), url=open_one.url)
    with Freehold(data=tmp_path / "data", flags=("--guarded",)) as cloud:
        root = dict(word.split("=", 1) for word in cloud.said.split() if word.startswith("AWS_"))
        keys = {"aws_access_key_id": root["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": root["AWS_SECRET_ACCESS_KEY"]}
        cloud.client("sqs", **keys).create_queue(QueueName="q")
        nobody = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "wrong"}
        for arguments in (("export", mine, str(tmp_path / "no")), ("import", str(other))):
            assert "signed by its root only" in freehold(*arguments, url=cloud.url, **nobody)
        assert not (tmp_path / "no").exists()
        assert "only you can read it" in freehold("export", mine, str(tmp_path / "mine"), url=cloud.url, **root)
        assert freehold("import", str(other), url=cloud.url, **root).startswith(f"Account {ONE} is here: ")
        order = urllib.request.Request(f"{cloud.url}/_freehold/import", b"x", {"x-amz-content-sha256": "0" * 64})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(order)
