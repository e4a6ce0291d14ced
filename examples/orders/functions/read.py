"""GET /orders/{id}"""

from shop import answer, table


def handler(event, context):
    found = table.get_item(Key={"id": event["pathParameters"]["id"]}).get("Item")
    return answer(200, found) if found else answer(404, {"message": "No such order."})
