"""POST /orders"""

import json
import uuid
from datetime import UTC, datetime
from decimal import Decimal

from shop import answer, table


def handler(event, context):
    order = json.loads(event["body"], parse_float=Decimal)
    if not order.get("customer") or not order.get("lines"):
        return answer(400, {"message": "An order needs a customer and lines."})
    item = {
        "id": str(uuid.uuid4()),
        "customer": order["customer"],
        "placed": datetime.now(UTC).isoformat(),
        "state": "PLACED",
        "lines": order["lines"],
        "total": sum(line["price"] * line["quantity"] for line in order["lines"]),
    }
    table.put_item(Item=item, ConditionExpression="attribute_not_exists(id)")
    return answer(201, item)
