"""GET /customers/{customer}/orders"""

from boto3.dynamodb.conditions import Key
from shop import answer, table


def handler(event, context):
    customer = event["pathParameters"]["customer"]
    found = table.query(
        IndexName="by-customer", KeyConditionExpression=Key("customer").eq(customer), ScanIndexForward=False, Limit=20
    )
    return answer(200, {"orders": found["Items"]})
