"""Tables that come and go, with indexes and transactions."""

from __future__ import annotations

import random
from typing import Any

from soak.churn.base import Churn


class TablesChurn(Churn):
    """A table with an index: written in batches and transactions, queried, deleted full."""

    name = "dynamodb-churn"

    def make(self, name: str, rng: random.Random) -> None:
        client = self.cloud.client("dynamodb")
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in ("pk", "sk", "kind")],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by-kind",
                    "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            ],
        )
        client.wait("table_exists", TableName=name)
        for part in range(2):
            client.batch_write_item(RequestItems={name: [{"PutRequest": {"Item": _item(part, n)}} for n in range(25)]})
        client.transact_write_items(TransactItems=[{"Put": {"TableName": name, "Item": _item(9, n)}} for n in range(5)])
        client.query(TableName=name, KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": "p0"}})
        client.query(
            TableName=name,
            IndexName="by-kind",
            KeyConditionExpression="kind = :kind",
            ExpressionAttributeValues={":kind": {"S": "k1"}},
        )

    def drop(self, name: str) -> None:
        self.cloud.client("dynamodb").delete_table(TableName=name)


def _item(part: int, number: int) -> dict[str, Any]:
    return {
        "pk": {"S": f"p{part}"},
        "sk": {"S": f"{number:04d}"},
        "kind": {"S": f"k{number % 3}"},
        "text": {"S": "x" * 400},
    }
