"""Facts missing from the models, one file per service."""

from __future__ import annotations

from freehold.wire.patches import (
    apigateway,
    cloudformation,
    cloudwatch,
    dynamodb,
    iam,
    lambda_,
    logs,
    s3,
    sns,
    sqs,
    ssm,
    sts,
)
from freehold.wire.patches.base import Patch

_PATCHES: dict[str, Patch] = {
    "apigateway": apigateway.V1,
    "apigatewayv2": apigateway.V2,
    "cloudformation": cloudformation.PATCH,
    "cloudwatch": cloudwatch.PATCH,
    "dynamodb": dynamodb.PATCH,
    "dynamodbstreams": dynamodb.STREAMS,
    "iam": iam.PATCH,
    "lambda": lambda_.PATCH,
    "logs": logs.PATCH,
    "s3": s3.PATCH,
    "sns": sns.PATCH,
    "sqs": sqs.PATCH,
    "ssm": ssm.PATCH,
    "sts": sts.PATCH,
}
_NONE = Patch()


def patch_of(service: str) -> Patch:
    """What is known about a service beyond its model."""
    return _PATCHES.get(service, _NONE)
