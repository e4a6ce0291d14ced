"""AWS::DynamoDB::Table in stacks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

Aws = Callable[..., Any]
QUICK = {"Delay": 0, "MaxAttempts": 2000}


def template(**properties: Any) -> str:
    table = {
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
        **properties,
    }
    return json.dumps(
        {
            "Resources": {"Orders": {"Type": "AWS::DynamoDB::Table", "Properties": table}},
            "Outputs": {
                "Name": {"Value": {"Ref": "Orders"}},
                "Arn": {"Value": {"Fn::GetAtt": ["Orders", "Arn"]}},
            },
        }
    )


def outputs(cloudformation: Any) -> dict[str, str]:
    stack = cloudformation.describe_stacks(StackName="shop")["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def create(cloudformation: Any, **properties: Any) -> dict[str, str]:
    cloudformation.create_stack(StackName="shop", TemplateBody=template(**properties))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="shop", WaiterConfig=QUICK)
    return outputs(cloudformation)


def update(cloudformation: Any, **properties: Any) -> dict[str, str]:
    cloudformation.update_stack(StackName="shop", TemplateBody=template(**properties))
    cloudformation.get_waiter("stack_update_complete").wait(StackName="shop", WaiterConfig=QUICK)
    return outputs(cloudformation)


def test_a_table_is_created_updated_in_place_and_deleted(aws: Aws) -> None:
    cloudformation, dynamodb = aws("cloudformation"), aws("dynamodb")
    made = create(cloudformation, Tags=[{"Key": "team", "Value": "a"}])
    assert made["Name"].startswith("shop-Orders-") and made["Arn"].endswith(":table/" + made["Name"])
    dynamodb.put_item(TableName=made["Name"], Item={"pk": {"S": "1"}, "state": {"S": "open"}})
    index = {
        "IndexName": "by-state",
        "KeySchema": [{"AttributeName": "state", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    changed = update(
        cloudformation,
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "state")],
        GlobalSecondaryIndexes=[index],
        Tags=[{"Key": "team", "Value": "b"}],
        TableClass="STANDARD_INFREQUENT_ACCESS",
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False},
    )
    assert changed == made
    table = dynamodb.describe_table(TableName=made["Name"])["Table"]
    assert table["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE"
    assert table["TableClassSummary"]["TableClass"] == "STANDARD_INFREQUENT_ACCESS"
    found = dynamodb.query(
        TableName=made["Name"],
        IndexName="by-state",
        KeyConditionExpression="#s = :s",
        ExpressionAttributeNames={"#s": "state"},
        ExpressionAttributeValues={":s": {"S": "open"}},
    )
    assert found["Count"] == 1
    tags = {tag["Key"]: tag["Value"] for tag in dynamodb.list_tags_of_resource(ResourceArn=made["Arn"])["Tags"]}
    assert tags["team"] == "b" and tags["aws:cloudformation:logical-id"] == "Orders"
    cloudformation.delete_stack(StackName="shop")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="shop", WaiterConfig=QUICK)
    assert dynamodb.list_tables()["TableNames"] == []


def test_a_changed_key_replaces_the_table(aws: Aws) -> None:
    cloudformation, dynamodb = aws("cloudformation"), aws("dynamodb")
    made = create(cloudformation)
    changed = update(
        cloudformation,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
    assert changed["Name"] != made["Name"]
    assert dynamodb.list_tables()["TableNames"] == [changed["Name"]]


@pytest.mark.parametrize(
    "properties",
    [
        {"TimeToLiveSpecification": {"AttributeName": "ttl", "Enabled": True}},
        {"StreamSpecification": {"StreamViewType": "NEW_IMAGE"}},
        {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}},
    ],
)
def test_what_is_not_there_fails_the_template_by_name(aws: Aws, properties: dict[str, Any]) -> None:
    cloudformation, dynamodb = aws("cloudformation"), aws("dynamodb")
    with pytest.raises((ClientError, WaiterError)) as caught:
        create(cloudformation, **properties)
    if isinstance(caught.value, ClientError):
        said = str(caught.value)
    else:
        said = str(cloudformation.describe_stack_events(StackName="shop")["StackEvents"])
    assert next(iter(properties)) in said
    assert dynamodb.list_tables()["TableNames"] == []
