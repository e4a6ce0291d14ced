"""DynamoDB's items through boto3, client and resource."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import boto3
import httpx
import pytest
from boto3.dynamodb.conditions import Attr, Key
from boto3.dynamodb.types import Binary
from botocore.config import Config
from botocore.exceptions import ClientError

Aws = Callable[..., Any]


@pytest.fixture
def orders(server: Any, account: str) -> Any:
    """A boto3 Table resource with a global and a local index."""
    session = boto3.session.Session(aws_access_key_id=account, aws_secret_access_key="test", region_name="us-east-1")
    dynamodb = session.resource("dynamodb", endpoint_url=server.url, config=Config(retries={"max_attempts": 0}))
    return dynamodb.create_table(
        TableName="orders",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
            {"AttributeName": "state", "AttributeType": "S"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-state",
                "KeySchema": [
                    {"AttributeName": "state", "KeyType": "HASH"},
                    {"AttributeName": "sk", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["total"]},
            }
        ],
        LocalSecondaryIndexes=[
            {
                "IndexName": "by-local-state",
                "KeySchema": [
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "state", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )


def test_every_type_survives_the_round_trip(orders: Any) -> None:
    item = {
        "pk": "a",
        "sk": Decimal("-1.5"),
        "text": "héllo \u0000 \U0001f600",
        "empty": "",
        "raw": Binary(b"\x00\xff"),
        "flag": False,
        "none": None,
        "list": [Decimal(1), "two", {"three": [None]}],
        "map": {"deep": {"deeper": {"numbers": {Decimal(1), Decimal("2.5")}}}},
        "strings": {"a", "b"},
        "binaries": {Binary(b"x"), Binary(b"y")},
        "long": Decimal("-0.12345678901234567890123456789012345678"),
        "tiny": Decimal("1E-130"),
    }
    orders.put_item(Item=item)
    assert orders.get_item(Key={"pk": "a", "sk": Decimal("-1.50")})["Item"] == item


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1E+20", "1" + "0" * 20),
        ("1E+100", "1" + "0" * 100),
        ("1.500", "1.5"),
        ("-0", "0"),
        ("0.00010", "0.0001"),
        ("9" * 38 + "E+88", "9" * 38 + "0" * 88),
    ],
)
def test_numbers_come_back_as_aws_writes_them(orders: Any, aws: Aws, text: str, expected: str) -> None:
    client = aws("dynamodb")
    client.put_item(TableName="orders", Item={"pk": {"S": "n"}, "sk": {"N": "1"}, "v": {"N": text}})
    found = client.get_item(TableName="orders", Key={"pk": {"S": "n"}, "sk": {"N": "1.0"}})
    assert found["Item"]["v"] == {"N": expected}


def test_conditions_of_boto3_work(orders: Any) -> None:
    with orders.batch_writer() as batch:
        for number in range(30):
            batch.put_item(
                Item={
                    "pk": "p",
                    "sk": number,
                    "state": "open" if number % 3 else "shut",
                    "total": number * 10,
                    "tags": {"x"},
                }
            )
    answer = orders.query(
        KeyConditionExpression=Key("pk").eq("p") & Key("sk").between(5, 14),
        FilterExpression=Attr("state").eq("open") & ~Attr("total").lt(70) | Attr("tags").contains("nope"),
        ProjectionExpression="sk, #t",
        ExpressionAttributeNames={"#t": "total"},
    )
    assert [item["sk"] for item in answer["Items"]] == [7, 8, 10, 11, 13, 14]
    assert answer["ScannedCount"] == 10
    shut = orders.query(IndexName="by-state", KeyConditionExpression=Key("state").eq("shut") & Key("sk").gt(20))
    assert shut["Items"][0] == {"pk": "p", "sk": 21, "state": "shut", "total": 210}
    local = orders.query(
        IndexName="by-local-state", KeyConditionExpression=Key("pk").eq("p") & Key("state").begins_with("sh")
    )
    assert local["Count"] == 10
    scanned = orders.scan(FilterExpression=Attr("total").is_in([10, 20]) | Attr("missing").exists())
    assert (scanned["Count"], scanned["ScannedCount"]) == (2, 30)


def test_paginators_reach_everything(orders: Any) -> None:
    client = orders.meta.client
    with orders.batch_writer() as batch:
        for number in range(120):
            batch.put_item(Item={"pk": "p", "sk": number, "state": "open"})
    for request in (
        {"KeyConditionExpression": Key("pk").eq("p")},
        {"KeyConditionExpression": Key("state").eq("open"), "IndexName": "by-state", "ScanIndexForward": False},
    ):
        pages = client.get_paginator("query").paginate(TableName="orders", PaginationConfig={"PageSize": 50}, **request)
        found = [int(item["sk"]) for page in pages for item in page["Items"]]
        assert found == sorted(range(120), reverse="IndexName" in request)
    pages = client.get_paginator("scan").paginate(TableName="orders", PaginationConfig={"PageSize": 50})
    assert sorted(int(item["sk"]) for page in pages for item in page["Items"]) == list(range(120))
    parts = [orders.scan(Segment=segment, TotalSegments=3)["Count"] for segment in range(3)]
    assert sum(parts) == 120


def test_updates_and_conditions(orders: Any) -> None:
    key = {"pk": "a", "sk": 1}
    answer = orders.update_item(
        Key=key,
        UpdateExpression="SET hits = if_not_exists(hits, :zero) + :one, doc = :doc ADD tags :tags",
        ExpressionAttributeValues={":zero": 0, ":one": 1, ":doc": {"list": [1, 2]}, ":tags": {"x"}},
        ReturnValues="ALL_NEW",
    )
    assert answer["Attributes"] == {**key, "hits": 1, "doc": {"list": [1, 2]}, "tags": {"x"}}
    answer = orders.update_item(
        Key=key,
        UpdateExpression="SET doc.#l[0] = :v REMOVE hits DELETE tags :tags",
        ConditionExpression=Attr("hits").eq(1) & Attr("doc.list").size().gte(2),
        ExpressionAttributeNames={"#l": "list"},
        ExpressionAttributeValues={":v": "first", ":tags": {"x"}},
        ReturnValues="UPDATED_NEW",
    )
    assert answer["Attributes"] == {"doc": {"list": ["first"]}}
    with pytest.raises(ClientError) as caught:
        orders.update_item(
            Key=key,
            UpdateExpression="SET hits = :v",
            ConditionExpression="attribute_exists(hits)",
            ExpressionAttributeValues={":v": 1},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert caught.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert caught.value.response["Item"] == {
        "pk": {"S": "a"}, "sk": {"N": "1"}, "doc": {"M": {"list": {"L": [{"S": "first"}, {"N": "2"}]}}}
    }  # fmt: skip


def test_a_cancelled_transaction_names_its_reasons(orders: Any) -> None:
    client = orders.meta.client
    orders.put_item(Item={"pk": "a", "sk": 1, "raw": b"\x01"})
    with pytest.raises(client.exceptions.TransactionCanceledException) as caught:
        client.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": "orders", "Item": {"pk": "b", "sk": 1}}},
                {
                    "Put": {
                        "TableName": "orders",
                        "Item": {"pk": "a", "sk": 1},
                        "ConditionExpression": "attribute_not_exists(pk)",
                        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                    }
                },
            ]
        )
    response = caught.value.response
    assert response["Error"]["Message"].endswith("[None, ConditionalCheckFailed]")
    none, failed = response["CancellationReasons"]
    assert none == {"Code": "None"}
    assert failed["Item"]["raw"] == {"B": b"\x01"} or failed["Item"]["raw"] == Binary(b"\x01")
    answer = client.transact_get_items(
        TransactItems=[{"Get": {"TableName": "orders", "Key": {"pk": name, "sk": 1}}} for name in "ab"]
    )
    assert [set(found) for found in answer["Responses"]] == [{"Item"}, set()]


def test_a_page_of_a_scan_is_1_mb(orders: Any) -> None:
    for number in range(4):
        orders.put_item(Item={"pk": str(number), "sk": 1, "x": "x" * 390_000})
    answer = orders.scan(ReturnConsumedCapacity="TOTAL")
    assert answer["Count"] == 3 and "LastEvaluatedKey" in answer
    assert answer["ConsumedCapacity"]["CapacityUnits"] == 143.0


def test_validation_messages_over_the_wire(orders: Any) -> None:
    def refused(call: Callable[..., Any], **request: Any) -> str:
        with pytest.raises(ClientError) as caught:
            call(**request)
        assert caught.value.response["Error"]["Code"] == "ValidationException"
        return str(caught.value.response["Error"]["Message"])

    assert refused(orders.get_item, Key={"pk": "a"}) == "The provided key element does not match the schema"
    assert (
        refused(orders.put_item, Item={"pk": "a"})
        == "One or more parameter values were invalid: Missing the key sk in the item"
    )
    assert (
        refused(orders.update_item, Key={"pk": "a", "sk": 1}, UpdateExpression="SET name = :v",
                ExpressionAttributeValues={":v": 1})
        == "Invalid UpdateExpression: Attribute name is a reserved keyword; reserved keyword: name"
    )  # fmt: skip
    assert (
        refused(orders.scan, FilterExpression="a =")
        == 'Invalid FilterExpression: Syntax error; token: "<EOF>", near: "="'
    )
    assert (
        refused(orders.query, KeyConditionExpression="sk = :v", ExpressionAttributeValues={":v": 1})
        == "Query condition missed key schema element: pk"
    )


def test_raw_json_of_an_item_is_what_was_sent(orders: Any, server: Any, account: str) -> None:
    """A client that is no SDK: the body is plain JSON with base64 binaries."""

    def post(target: str, body: dict[str, Any]) -> Any:
        answer = httpx.post(
            server.url,
            content=json.dumps(body),
            headers={
                "content-type": "application/x-amz-json-1.0",
                "x-amz-target": f"DynamoDB_20120810.{target}",
                "authorization": f"AWS4-HMAC-SHA256 Credential={account}/20260101/us-east-1/dynamodb/aws4_request, "
                f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}",
                "x-amz-date": "20260101T000000Z",
            },
        )
        return answer.json()

    item = {"pk": {"S": "a"}, "sk": {"N": "1"}, "raw": {"B": "AAH/"}, "set": {"BS": ["AA==", "AQ=="]}}
    assert post("PutItem", {"TableName": "orders", "Item": item}) == {}
    key = {"pk": {"S": "a"}, "sk": {"N": "1"}}
    assert post("GetItem", {"TableName": "orders", "Key": key}) == {"Item": item}
    found = post("Query", {"TableName": "orders", "KeyConditionExpression": "pk = :p",
                           "ExpressionAttributeValues": {":p": {"S": "a"}}})  # fmt: skip
    assert found == {"Items": [item], "Count": 1, "ScannedCount": 1}


def test_concurrent_counters_lose_nothing(orders: Any, aws: Aws) -> None:
    clients = [aws("dynamodb") for _ in range(6)]

    def add(client: Any) -> int:
        won = 0
        for at in range(15):
            client.update_item(
                TableName="orders",
                Key={"pk": {"S": "c"}, "sk": {"N": "0"}},
                UpdateExpression="ADD hits :one",
                ExpressionAttributeValues={":one": {"N": "1"}},
            )
            try:
                client.put_item(
                    TableName="orders",
                    Item={"pk": {"S": "once"}, "sk": {"N": str(at)}},
                    ConditionExpression="attribute_not_exists(pk)",
                )
                won += 1
            except client.exceptions.ConditionalCheckFailedException:
                pass
        return won

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(add, clients)) == 15
    assert orders.get_item(Key={"pk": "c", "sk": 0})["Item"]["hits"] == 90
