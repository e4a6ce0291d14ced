"""DynamoDB's tables through boto3: waiters, paginators, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Aws = Callable[..., Any]
QUICK = {"Delay": 0, "MaxAttempts": 400}


def make(client: Any, name: str = "orders", **more: Any) -> None:
    request: dict[str, Any] = {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        **more,
    }
    client.create_table(**request)


def test_waiters_end(aws: Aws) -> None:
    client = aws("dynamodb")
    make(client)
    client.get_waiter("table_exists").wait(TableName="orders", WaiterConfig=QUICK)
    assert client.describe_table(TableName="orders")["Table"]["TableStatus"] == "ACTIVE"
    client.delete_table(TableName="orders")
    client.get_waiter("table_not_exists").wait(TableName="orders", WaiterConfig=QUICK)
    assert client.list_tables()["TableNames"] == []


def test_list_tables_paginates(aws: Aws) -> None:
    client = aws("dynamodb")
    for at in range(5):
        make(client, f"table-{at}")
    pages = list(client.get_paginator("list_tables").paginate(PaginationConfig={"PageSize": 2}))
    assert [page["TableNames"] for page in pages] == [["table-0", "table-1"], ["table-2", "table-3"], ["table-4"]]


def test_accounts_do_not_see_each_other(aws: Aws, server: Any) -> None:
    make(aws("dynamodb"))
    assert server.client("dynamodb", "999999999999").list_tables()["TableNames"] == []
    assert aws("dynamodb").list_tables()["TableNames"] == ["orders"]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"TableName": "or"}, "TableName must be at least 3 characters long and at most 255 characters long"),
        (
            {"KeySchema": [{"AttributeName": "pk", "KeyType": "BOTH"}]},
            "1 validation error detected: Value 'BOTH' at 'keySchema.1.member.keyType' failed to satisfy constraint: "
            "Member must satisfy enum value set: [HASH, RANGE]",
        ),
    ],
)
def test_refused_tables(aws: Aws, request_: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError) as caught:
        make(aws("dynamodb", parameter_validation=False), **request_)
    assert caught.value.response["Error"] == {"Code": "ValidationException", "Message": message}


def test_modelled_exceptions(aws: Aws) -> None:
    client = aws("dynamodb")
    with pytest.raises(client.exceptions.ResourceNotFoundException) as caught:
        client.describe_table(TableName="none")
    assert caught.value.response["Error"]["Message"] == "Requested resource not found: Table: none not found"
    make(client)
    with pytest.raises(client.exceptions.ResourceInUseException):
        make(client)


def test_what_comes_later_is_refused_by_name(aws: Aws) -> None:
    client = aws("dynamodb")
    make(client)
    for operation, request in (
        ("update_time_to_live", {"TimeToLiveSpecification": {"Enabled": True, "AttributeName": "ttl"}}),
        ("create_backup", {"BackupName": "nightly"}),
    ):
        with pytest.raises(ClientError) as caught:
            getattr(client, operation)(TableName="orders", **request)
        assert caught.value.response["Error"]["Code"] == "NotImplemented"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert client.describe_time_to_live(TableName="orders")["TimeToLiveDescription"] == {"TimeToLiveStatus": "DISABLED"}


def test_a_global_index_is_added_filled_and_queried(aws: Aws) -> None:
    client = aws("dynamodb")
    make(client)
    for at in range(40):
        client.put_item(TableName="orders", Item={"pk": {"S": str(at)}, "state": {"S": "open" if at % 2 else "shut"}})
    client.update_table(
        TableName="orders",
        AttributeDefinitions=[{"AttributeName": "state", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[
            {
                "Create": {
                    "IndexName": "by-state",
                    "KeySchema": [{"AttributeName": "state", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            }
        ],
    )
    for _ in range(2000):
        table = client.describe_table(TableName="orders")["Table"]
        if table["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE":
            break
    answer = client.query(
        TableName="orders",
        IndexName="by-state",
        KeyConditionExpression="#s = :s",
        ExpressionAttributeNames={"#s": "state"},
        ExpressionAttributeValues={":s": {"S": "open"}},
    )
    assert answer["Count"] == 20


def test_tags(aws: Aws) -> None:
    client = aws("dynamodb")
    make(client, Tags=[{"Key": "team", "Value": "a"}])
    arn = client.describe_table(TableName="orders")["Table"]["TableArn"]
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": "stage", "Value": "dev"}])
    client.untag_resource(ResourceArn=arn, TagKeys=["team"])
    pages = client.get_paginator("list_tags_of_resource").paginate(ResourceArn=arn)
    assert [tag for page in pages for tag in page["Tags"]] == [{"Key": "stage", "Value": "dev"}]
