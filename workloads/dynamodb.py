"""Items of a table with a global index: puts, updates, transactions, deletes."""

from __future__ import annotations

import random
from typing import Any

from workloads.base import Workload
from workloads.ledger import Ledger


class Tables(Workload):
    """Items by number; every write of an item carries a number that was never used before. The index has to agree."""

    name = "dynamodb"

    def setup(self) -> None:
        self.cloud.client("dynamodb").create_table(
            TableName=self.prefix(),
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "kind")],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by-kind",
                    "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
        self.cloud.client("dynamodb").wait("table_exists", TableName=self.prefix())

    def step(self, rng: random.Random) -> None:
        client, table, known = self.cloud.client("dynamodb"), self.prefix(), self.ledger.present()
        number = self.next()
        name, choice = f"i{number % self.keep}", rng.random()
        key = {"pk": {"S": name}}
        if name in known and choice < 0.15:
            with self.ledger.write(name, None):
                client.delete_item(TableName=table, Key=key)
        elif name in known and choice < 0.5:
            with self.ledger.write(name, number):
                client.update_item(
                    TableName=table,
                    Key=key,
                    UpdateExpression="SET n = :n, kind = :kind",
                    ExpressionAttributeValues={":n": {"N": str(number)}, ":kind": {"S": f"k{number % 3}"}},
                )
        elif choice < 0.7:
            self._transaction([f"i{(number + at) % self.keep}" for at in range(3)])
        else:
            with self.ledger.write(name, number):
                client.put_item(TableName=table, Item=_item(name, number))

    def _transaction(self, names: list[str]) -> None:
        """All or none; the number is one for all."""
        number = self.next()
        puts = [{"Put": {"TableName": self.prefix(), "Item": _item(name, number)}} for name in names]
        with self.ledger.write_many(dict.fromkeys(names, number)):
            self.cloud.client("dynamodb").transact_write_items(TransactItems=puts)

    def verify(self, ledger: Ledger, patience: float) -> list[str]:
        client, table = self.cloud.client("dynamodb"), self.prefix()
        items = {item["pk"]["S"]: item for item in client.pages("scan", "Items", TableName=table, ConsistentRead=True)}
        indexed = client.pages("scan", "Items", TableName=table, IndexName="by-kind")
        wrong = ledger.compare({name: int(item["n"]["N"]) for name, item in items.items()})
        if sorted(items.items()) != sorted((item["pk"]["S"], item) for item in indexed):
            wrong.append(f"the index of {table} has other items than the table")
        return wrong


def _item(name: str, number: int) -> dict[str, Any]:
    text = {"text": {"S": "x" * 3000}} if number % 4 == 0 else {}
    return {"pk": {"S": name}, "kind": {"S": f"k{number % 3}"}, "n": {"N": str(number)}, **text}
