"""PUT /orders/{id}/shipped"""

from botocore.exceptions import ClientError
from shop import answer, table


def handler(event, context):
    try:
        changed = table.update_item(
            Key={"id": event["pathParameters"]["id"]},
            UpdateExpression="SET #state = :shipped",
            ConditionExpression="#state = :placed",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={":shipped": "SHIPPED", ":placed": "PLACED"},
            ReturnValues="ALL_NEW",
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return answer(409, {"message": "Only an order that was placed can be shipped."})
        raise
    return answer(200, changed["Attributes"])
