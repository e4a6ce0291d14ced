"""Tables: creating, describing, updating, deleting, tags and settings."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.dynamodb.support import Dynamo, FakePlatform, index, n, run, s

PK = [{"AttributeName": "pk", "KeyType": "HASH"}]
PK_SK = [*PK, {"AttributeName": "sk", "KeyType": "RANGE"}]
ON_DEMAND = {"BillingMode": "PAY_PER_REQUEST"}


def attributes(*names: str) -> list[dict[str, str]]:
    return [{"AttributeName": name, "AttributeType": "S"} for name in names]


def test_a_table_is_creating_in_the_answer_and_active_for_whoever_asks_next() -> None:
    async def body(dynamo: Dynamo) -> None:
        answer = await dynamo(
            "CreateTable",
            TableName="tbl",
            KeySchema=PK,
            AttributeDefinitions=attributes("pk"),
            ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
        )
        assert answer["TableDescription"]["TableStatus"] == "CREATING"
        table = (await dynamo("DescribeTable", TableName="tbl"))["Table"]
        assert table == {
            "AttributeDefinitions": attributes("pk"),
            "TableName": "tbl",
            "KeySchema": PK,
            "TableStatus": "ACTIVE",
            "CreationDateTime": dynamo.platform.clock.now(),
            "ProvisionedThroughput": {"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
            "TableSizeBytes": 0,
            "ItemCount": 0,
            "TableArn": "arn:aws:dynamodb:us-east-1:111111111111:table/tbl",
            "TableId": table["TableId"],
            "DeletionProtectionEnabled": False,
        }
        await dynamo.put({"pk": s("a"), "v": n(12)})
        table = (await dynamo("DescribeTable", TableName="tbl"))["Table"]
        assert (table["ItemCount"], table["TableSizeBytes"]) == (1, 2 + 1 + 1 + 2)

    run(body)


_INVALID = "One or more parameter values were invalid: "


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"TableName": "ab"}, "TableName must be at least 3 characters long and at most 255 characters long"),
        (
            {"KeySchema": [{"AttributeName": "pk", "KeyType": "RANGE"}]},
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
        ),
        (
            {"KeySchema": [*PK, {"AttributeName": "pk", "KeyType": "RANGE"}]},
            "Both the Hash Key and the Range Key element in the KeySchema have the same name",
        ),
        (
            {"AttributeDefinitions": attributes("other")},
            _INVALID + "Some index key attributes are not defined in AttributeDefinitions. "
            "Keys: [pk], AttributeDefinitions: [other]",
        ),
        (
            {"AttributeDefinitions": attributes("pk", "other")},
            _INVALID + "Number of attributes in KeySchema does not exactly match number of attributes defined in "
            "AttributeDefinitions",
        ),
        (
            {"BillingMode": "PROVISIONED"},
            _INVALID
            + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        ),
        (
            {"ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}},
            _INVALID + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is "
            "PAY_PER_REQUEST",
        ),
        ({"GlobalSecondaryIndexes": []}, _INVALID + "List of GlobalSecondaryIndexes is empty"),
        (
            {"LocalSecondaryIndexes": [index("lsi", "pk", "x")]},
            _INVALID
            + "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
        ),
        (
            {
                "AttributeDefinitions": attributes("pk", "g"),
                "GlobalSecondaryIndexes": [index("gsi", "g", None, "INCLUDE")],
            },
            _INVALID + "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
        ),
        (
            {
                "AttributeDefinitions": attributes("pk", "g"),
                "GlobalSecondaryIndexes": [index("gsi", "g"), index("gsi", "g")],
            },
            _INVALID + "Duplicate index name: gsi",
        ),
    ],
)
def test_refused_definitions(request_: dict[str, Any], message: str) -> None:
    whole = {"TableName": "tbl", "KeySchema": PK, "AttributeDefinitions": attributes("pk"), **ON_DEMAND, **request_}

    async def body(dynamo: Dynamo) -> None:
        fault = await dynamo.refused("CreateTable", **whole)
        assert (fault.code, fault.message) == ("ValidationException", message)

    run(body)


@pytest.mark.parametrize("operation", ["DescribeTable", "DeleteTable", "Scan"])
def test_a_name_that_no_table_can_have_is_said_to_be_wrong(operation: str) -> None:
    async def body(dynamo: Dynamo) -> None:
        fault = await dynamo.refused(operation, TableName="no!such")
        assert (fault.code, fault.message) == (
            "ValidationException",
            "1 validation error detected: Value 'no!such' at 'tableName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
        )
        assert (await dynamo.refused(operation, TableName="none")).code == "ResourceNotFoundException"

    run(body)


def test_a_name_is_used_once() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        fault = await dynamo.refused(
            "CreateTable", TableName="tbl", KeySchema=PK, AttributeDefinitions=attributes("pk"), **ON_DEMAND
        )
        assert (fault.code, fault.message) == ("ResourceInUseException", "Table already exists: tbl")

    run(body)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("StreamSpecification", {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}),
        ("SSESpecification", {"Enabled": True, "KMSMasterKeyId": "alias/mine"}),
        ("ResourcePolicy", "{}"),
        ("WarmThroughput", {"ReadUnitsPerSecond": 1}),
        ("OnDemandThroughput", {"MaxReadRequestUnits": 1}),
    ],
)
def test_what_is_not_there_is_refused_by_name(member: str, value: Any) -> None:
    async def body(dynamo: Dynamo) -> None:
        fault = await dynamo.refused(
            "CreateTable",
            TableName="tbl",
            KeySchema=PK,
            AttributeDefinitions=attributes("pk"),
            **ON_DEMAND,
            **{member: value},
        )
        assert (fault.code, fault.status) == ("NotImplemented", 501) and member in fault.message
        assert (await dynamo.refused("DescribeTable", TableName="tbl")).code == "ResourceNotFoundException"

    run(body)


def test_a_deleted_table_is_gone_and_its_rows_are_swept() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(keys="pk:S sk:S g:S", GlobalSecondaryIndexes=[index("gsi", "g")])
        for at in range(30):
            await dynamo.put({"pk": s("p"), "sk": s(str(at)), "g": s("g")})
        answer = await dynamo("DeleteTable", TableName="tbl")
        assert answer["TableDescription"]["TableStatus"] == "DELETING"
        fault = await dynamo.refused("DescribeTable", TableName="tbl")
        assert (fault.code, fault.message) == (
            "ResourceNotFoundException",
            "Requested resource not found: Table: tbl not found",
        )
        assert (await dynamo.refused("DeleteTable", TableName="tbl")).message == fault.message
        await dynamo.table()
        assert (await dynamo("Scan", TableName="tbl"))["Count"] == 0
        await dynamo.settle()
        left = await dynamo.platform.store.read(lambda tx: tx.scan(b"\x00", b"\xff"))
        assert len(left) == 2, "the new table's record and version, and nothing else"

    run(body)


def test_a_large_table_is_counted_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(dynamo: Dynamo) -> None:
        from freehold.services.dynamodb import counting

        monkeypatch.setattr(counting, "_SMALL_PAGES", 1)
        await dynamo.table(keys="pk:S")
        for at in range(0, 1200, 25):
            puts = [{"PutRequest": {"Item": {"pk": s(str(number))}}} for number in range(at, at + 25)]
            await dynamo("BatchWriteItem", RequestItems={"tbl": puts})
        assert (await dynamo("DescribeTable", TableName="tbl"))["Table"]["ItemCount"] == 1000
        await dynamo.settle()
        assert (await dynamo("DescribeTable", TableName="tbl"))["Table"]["ItemCount"] == 1200
        await dynamo.put({"pk": s("one more")})
        assert (await dynamo("DescribeTable", TableName="tbl"))["Table"]["ItemCount"] == 1200
        dynamo.platform.clock.advance(6 * 3600)
        await dynamo("DescribeTable", TableName="tbl")
        await dynamo.settle()
        assert (await dynamo("DescribeTable", TableName="tbl"))["Table"]["ItemCount"] == 1201

    run(body)


def test_recorded_work_goes_on_after_a_restart() -> None:
    async def body(dynamo: Dynamo) -> None:
        from freehold.services.dynamodb import jobs

        await dynamo.table()
        for at in range(30):
            await dynamo.put({"pk": s("p"), "sk": s(str(at)), "g": s("g")})
        await dynamo(
            "UpdateTable",
            TableName="tbl",
            AttributeDefinitions=attributes("g"),
            GlobalSecondaryIndexUpdates=[{"Create": index("late", "g")}],
        )
        await dynamo.platform.tasks.close()  # the server dies before the index is filled
        again = Dynamo(FakePlatform(store=dynamo.platform.store))
        await jobs.resume(again.platform)  # type: ignore[arg-type]
        await again.settle()
        table = (await again("DescribeTable", TableName="tbl"))["Table"]
        assert table["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE"
        assert table["GlobalSecondaryIndexes"][0]["ItemCount"] == 30

    run(body)


def test_deletion_protection() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(DeletionProtectionEnabled=True)
        fault = await dynamo.refused("DeleteTable", TableName="tbl")
        assert fault.message == (
            "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first."
        )
        await dynamo("UpdateTable", TableName="tbl", DeletionProtectionEnabled=False)
        await dynamo("DeleteTable", TableName="tbl")

    run(body)


def test_tables_are_listed_in_pages_by_name() -> None:
    async def body(dynamo: Dynamo) -> None:
        for name in ("ccc", "aaa", "bbb"):
            await dynamo.table(name)
        assert await dynamo("ListTables") == {"TableNames": ["aaa", "bbb", "ccc"]}
        first = await dynamo("ListTables", Limit=2)
        assert first == {"TableNames": ["aaa", "bbb"], "LastEvaluatedTableName": "bbb"}
        rest = await dynamo("ListTables", Limit=2, ExclusiveStartTableName="bbb")
        assert rest == {"TableNames": ["ccc"]}

    run(body)


def test_billing_mode_and_throughput_change() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        units = {"ReadCapacityUnits": 3, "WriteCapacityUnits": 4}
        fault = await dynamo.refused("UpdateTable", TableName="tbl", BillingMode="PROVISIONED")
        assert "must both be specified" in fault.message
        await dynamo("UpdateTable", TableName="tbl", BillingMode="PROVISIONED", ProvisionedThroughput=units)
        table = (await dynamo("DescribeTable", TableName="tbl"))["Table"]
        assert table["ProvisionedThroughput"]["WriteCapacityUnits"] == 4
        assert table["BillingModeSummary"]["BillingMode"] == "PROVISIONED"
        fault = await dynamo.refused("UpdateTable", TableName="tbl", ProvisionedThroughput=units)
        assert fault.message.startswith("The provisioned throughput for the table will not change.")
        await dynamo("UpdateTable", TableName="tbl", BillingMode="PAY_PER_REQUEST")
        table = (await dynamo("DescribeTable", TableName="tbl"))["Table"]
        assert table["ProvisionedThroughput"]["WriteCapacityUnits"] == 0
        assert (await dynamo.refused("UpdateTable", TableName="tbl")).message.startswith("At least one of")

    run(body)


def test_one_index_at_a_time() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        creates = [{"Create": index(f"gsi{at}", "g")} for at in range(2)]
        fault = await dynamo.refused(
            "UpdateTable", TableName="tbl", AttributeDefinitions=attributes("g"), GlobalSecondaryIndexUpdates=creates
        )
        assert (fault.code, fault.message) == (
            "LimitExceededException",
            "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table",
        )
        await dynamo(
            "UpdateTable",
            TableName="tbl",
            AttributeDefinitions=attributes("g"),
            GlobalSecondaryIndexUpdates=creates[:1],
        )
        fault = await dynamo.refused("UpdateTable", TableName="tbl", DeletionProtectionEnabled=True)
        assert fault.code == "ResourceInUseException"
        await dynamo.settle()
        fault = await dynamo.refused("UpdateTable", TableName="tbl", GlobalSecondaryIndexUpdates=creates[:1])
        assert fault.message == "Attempting to create an index which already exists"
        fault = await dynamo.refused(
            "UpdateTable", TableName="tbl", GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "none"}}]
        )
        assert fault.code == "ResourceNotFoundException"

    run(body)


def test_tags() -> None:
    arn = "arn:aws:dynamodb:us-east-1:111111111111:table/tbl"

    async def body(dynamo: Dynamo) -> None:
        await dynamo.table(Tags=[{"Key": "a", "Value": "1"}])
        await dynamo("TagResource", ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "3"}])
        await dynamo("UntagResource", ResourceArn=arn, TagKeys=["b", "zz"])
        assert await dynamo("ListTagsOfResource", ResourceArn=arn) == {"Tags": [{"Key": "a", "Value": "3"}]}
        fault = await dynamo.refused("ListTagsOfResource", ResourceArn=arn + "2")
        assert fault.code == "ResourceNotFoundException"
        fault = await dynamo.refused("TagResource", ResourceArn="tbl", Tags=[])
        assert fault.code == "ValidationException"
        system = [{"Key": "aws:cloudformation:stack-id", "Value": "x"}]
        outside = Dynamo(dynamo.platform, http=object())
        fault = await outside.refused("TagResource", ResourceArn=arn, Tags=system)
        assert fault.message == "One or more tag keys begin with the reserved prefix aws:"
        await dynamo("TagResource", ResourceArn=arn, Tags=system)
        many = [{"Key": str(at), "Value": ""} for at in range(50)]
        assert "exceeds the limit of 50" in (await dynamo.refused("TagResource", ResourceArn=arn, Tags=many)).message

    run(body)


def test_what_is_switched_off_says_so() -> None:
    async def body(dynamo: Dynamo) -> None:
        await dynamo.table()
        ttl = await dynamo("DescribeTimeToLive", TableName="tbl")
        assert ttl["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED"
        backups = (await dynamo("DescribeContinuousBackups", TableName="tbl"))["ContinuousBackupsDescription"]
        assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "DISABLED"
        fault = await dynamo.refused("DescribeContinuousBackups", TableName="none")
        assert fault.code == "TableNotFoundException"
        assert (await dynamo("DescribeEndpoints"))["Endpoints"][0]["Address"] == "127.0.0.1:4566"

    run(body)
