"""examples/pipeline, deployed as its README says and driven on a manual clock: days of orders, failures and nights."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import boto3
import pytest

from freehold.node import clock, deploy
from tests.aws.conftest import ROOT, Server, start, stop

ACCOUNT = "300000000001"
STACK = "pipeline"
KEYS = {"a cat.png": b"12345", "empty.png": b"", "notes.txt": b"12345"}
EXAMPLE = ROOT / "examples" / "pipeline"


class Shop:
    """The deployed example, as its customers and its owner see it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.folder = shutil.copytree(EXAMPLE, directory / "pipeline")
        self.outputs: dict[str, str] = {}
        self.up()

    def up(self) -> None:
        self.server: Server = start(self.directory / "data", "--clock", "manual")

    def client(self, service: str) -> Any:
        return self.server.client(service, ACCOUNT)

    def deploy(self) -> None:
        session = boto3.Session(ACCOUNT, "x", region_name="us-east-1")
        self.outputs = deploy.deploy(session, self.server.url, self.folder / "template.yaml", STACK)

    def edit(self, file: str, old: str, new: str) -> None:
        text = (self.folder / file).read_text()
        assert old in text
        (self.folder / file).write_text(text.replace(old, new))

    def advance(self, duration: str) -> None:
        clock.command(self.server.url, "advance", duration)

    def order(self, id: str, *articles: str, total: float = 10) -> None:
        """POST /orders."""
        body = json.dumps({"id": id, "articles": articles, "total": total}).encode()
        address = f"{self.server.url}/_apis/{self.outputs['ApiId']}/orders"
        with urllib.request.urlopen(urllib.request.Request(address, body)) as answer:
            assert json.loads(answer.read())["FailedEntryCount"] == 0

    def rows(self, table: str) -> dict[str, dict[str, Any]]:
        items = self.client("dynamodb").scan(TableName=self.outputs[table], ConsistentRead=True)["Items"]
        return {item["id"]["S"]: item for item in items}

    def mails(self) -> list[dict[str, Any]]:
        address = f"{self.server.url}/_freehold/sns?account={ACCOUNT}&region=us-east-1&kind=email"
        with urllib.request.urlopen(address) as answer:
            return list(json.load(answer)["messages"])

    def new_mails(self) -> list[tuple[str | None, str]]:
        """Subject and text of the mails since the last time."""
        mails, self.read = self.mails()[self.read :], len(self.mails())
        return [(mail.get("subject"), mail["body"]) for mail in mails]

    read = 0


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    found = Shop(tmp_path_factory.mktemp("pipeline"))
    found.deploy()
    [invitation] = found.mails()
    with urllib.request.urlopen(invitation["subscribeUrl"]):
        found.new_mails()
    yield found
    stop(found.server)


def test_an_order_passes_api_bus_queue_and_function_once(shop: Shop) -> None:
    shop.order("1", "tea")
    shop.order("1", "tea")  # the same again: the queue's deduplication drops it
    shop.order("2", "tea", "house", total=250_000)
    shop.advance("1s")
    assert {id: row["attempt"]["N"] for id, row in shop.rows("Orders").items()} == {"1": "1", "2": "1"}
    assert [text for _, text in shop.new_mails()] == ['"A large order: 2, 250000"']


def test_an_order_that_fails_three_times_is_mailed_and_holds_up_the_others_no_longer(shop: Shop) -> None:
    shop.order("3")
    shop.order("4", "tea")
    shop.advance("1s")
    assert "4" not in shop.rows("Orders"), "it waits behind the failure in its group"
    shop.advance("3m")
    assert shop.new_mails() == [
        ("An order failed", 'Received 4 times, and still no order: {"id":"3","articles":[],"total":10}')
    ]
    assert "4" in shop.rows("Orders") and "3" not in shop.rows("Orders")


def test_every_night_is_counted_once_within_its_window(shop: Shop) -> None:
    shop.advance("3d")
    counts = [mail for mail in shop.mails() if mail["subject"] == "Last night"]
    assert [mail["body"] for mail in counts] == ["3 orders so far"] * 3
    for mail in counts:
        local = datetime.fromisoformat(mail["time"]).astimezone(ZoneInfo("Europe/Berlin"))
        assert timedelta(hours=2) <= timedelta(hours=local.hour, minutes=local.minute) <= timedelta(hours=2, minutes=30)
    shop.new_mails()


def test_a_night_that_fails_is_tried_again_and_mailed(shop: Shop) -> None:
    shop.edit("functions/nightly.py", "    count =", "    raise RuntimeError('no night')\n    count =")
    shop.deploy()
    shop.advance("1d")
    [(_, text)] = shop.new_mails()
    record = json.loads(text)
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["responsePayload"]["errorMessage"] == "no night"
    shop.edit("functions/nightly.py", "    raise RuntimeError('no night')\n", "")
    shop.deploy()


def test_an_upload_reaches_both_consumers(shop: Shop) -> None:
    for key, body in KEYS.items():
        shop.client("s3").put_object(Bucket=shop.outputs["Uploads"], Key=key, Body=body)
    shop.advance("2m")
    assert {id: row["size"]["N"] for id, row in shop.rows("Pictures").items()} == {
        "thumbnail/a+cat.png": "5",
        "catalogue/a+cat.png": "5",
        "catalogue/empty.png": "0",
    }
    [broken] = shop.client("sqs").receive_message(QueueUrl=shop.outputs["Broken"], MaxNumberOfMessages=10)["Messages"]
    assert json.loads(broken["Body"])["Records"][0]["s3"]["object"]["key"] == "empty.png"


def test_a_server_that_is_killed_goes_on_where_it_was(shop: Shop) -> None:
    shop.order("5")
    shop.order("6", "tea")
    shop.advance("70s")
    shop.server.freehold.kill()
    shop.up()
    assert shop.new_mails() == []
    shop.advance("10m")
    assert "6" in shop.rows("Orders")
    [(subject, _)] = shop.new_mails()
    assert subject == "An order failed"


def test_dead_letters_are_moved_back_once_the_code_is_better(shop: Shop) -> None:
    lambda_, sqs = shop.client("lambda"), shop.client("sqs")
    failed = sqs.get_queue_attributes(QueueUrl=shop.outputs["Failed"], AttributeNames=["QueueArn"])["Attributes"]
    [mapping] = lambda_.list_event_source_mappings(EventSourceArn=failed["QueueArn"])["EventSourceMappings"]
    lambda_.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    shop.order("7")
    shop.advance("10m")
    assert "7" not in shop.rows("Orders")
    shop.edit("functions/fulfil.py", 'not order.get("articles")', "False")
    shop.deploy()
    sqs.start_message_move_task(SourceArn=failed["QueueArn"])
    shop.advance("10s")
    assert shop.rows("Orders")["7"]["attempt"]["N"] == "1", "a message that was moved is a new one"
    [task] = sqs.list_message_move_tasks(SourceArn=failed["QueueArn"])["Results"]
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 1)
    lambda_.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


def test_an_update_acts_and_one_that_fails_leaves_everything_as_it_was(shop: Shop) -> None:
    sqs = shop.client("sqs")
    names = ["VisibilityTimeout", "ApproximateNumberOfMessages"]
    shop.edit("template.yaml", "VisibilityTimeout: 60", "VisibilityTimeout: 90")
    shop.edit("template.yaml", 'numeric: [">=", 1000]', 'numeric: [">=", 5]')
    shop.deploy()
    url = shop.outputs["Placements"]
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]["VisibilityTimeout"] == "90"
    shop.order("8", "tea")
    shop.advance("1s")
    assert [text for _, text in shop.new_mails()] == ['"A large order: 8, 10"']
    shop.edit("template.yaml", "maxReceiveCount: 3", "maxReceiveCount: 3000")
    shop.edit("template.yaml", "VisibilityTimeout: 90", "VisibilityTimeout: 91")
    shop.edit("template.yaml", 'numeric: [">=", 5]', 'numeric: [">=", 20]')
    with pytest.raises(deploy.DeployError):
        shop.deploy()
    stack = shop.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]["VisibilityTimeout"] == "90"
    shop.order("9", "tea")
    shop.advance("1s")
    assert [text for _, text in shop.new_mails()] == ['"A large order: 9, 10"']


def test_the_stack_goes_with_messages_inside(shop: Shop) -> None:
    shop.order("10", total=1)
    for key in KEYS:
        shop.client("s3").delete_object(Bucket=shop.outputs["Uploads"], Key=key)
    cloudformation = shop.client("cloudformation")
    cloudformation.delete_stack(StackName=STACK)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=STACK, WaiterConfig={"Delay": 0.2})
    assert shop.client("sqs").list_queues().get("QueueUrls", []) == []
    assert shop.client("lambda").list_event_source_mappings()["EventSourceMappings"] == []
    assert [bus["Name"] for bus in shop.client("events").list_event_buses()["EventBuses"]] == ["default"]
    assert shop.client("scheduler").list_schedules()["Schedules"] == []
    assert shop.client("sns").list_topics()["Topics"] == []
    shop.advance("2d")
    assert shop.new_mails() == []
