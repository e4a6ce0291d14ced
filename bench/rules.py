"""Targets: what is wanted of each figure, and how figures are compared."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

RATIOS = {
    "ddb_put": ("DynamoDB PutItem", 2.0),
    "ddb_get": ("DynamoDB GetItem", 2.5),
    "ddb_query": ("DynamoDB Query of 10 items", 3.0),
    "s3_put_1k": ("S3 PutObject 1 KiB", 1.0),
    "s3_get_1k": ("S3 GetObject 1 KiB", 2.0),
    "s3_get_1m": ("S3 GetObject 1 MiB", 1.2),
    "lambda_warm": ("Lambda warm Invoke", 9.0),
    "httpapi_get": ("HTTP API → Lambda GET", 8.0),
    "sqs_send": ("SQS SendMessage", 2.5),
    "sqs_cycle": ("SQS send + receive + delete", 2.5),
    "sqs_batch": ("SQS SendMessageBatch of 10", 1.0),
    "sns_publish": ("SNS Publish → 1 queue", 2.0),
    "eb_1rule": ("EventBridge PutEvents → 1 rule", 2.0),
    "eb_100rules": ("EventBridge PutEvents, 100 rules", 4.0),
}
"""Operation -> what it is, and times ministack's requests/s at 32 connections that are wanted."""

LATENCIES = {"ddb_put": 0.7, "lambda_warm": 1.0, "httpapi_get": 1.5, "sqs_send": 0.7}
"""Operation -> milliseconds p50 at one connection that are wanted."""

SHARES = {
    "sqs_send": ("send", 0.7, "guarded"),
    "ddb_put": ("put", 0.7, "guarded"),
    "ddb_get": ("get", 0.7, "guarded"),
    "lambda_warm": ("invoke", 0.5, "freehold"),
}
"""Operation -> the limit it is a share of (bench/limits), the share that is wanted at 32 connections, and whose.

Limits that verify a signature are compared with a guarded Freehold, which does too; an open one is shown beside it.
"""

LARGER = {
    "PutEvents, 10,000 rules against 10": ("eb_10rules", "eb_10000rules", 1.5),
    "ReceiveMessage, 1,000,000 waiting against 10": ("sqs_receive_10", "sqs_receive_1m", 1.3),
}
"""What must not cost much more when there is much of it: operation with few, with many, times that are allowed."""

COLD = {"plain": ("plain handler", 30.0), "boto3": ("handler that makes a boto3 client", 130.0)}
"""Milliseconds p50 of a first Invoke."""

STARTS = {
    "start_s": ("start to first successful call", "s", 0.8),
    "idle_mb": ("idle memory of the server (resident)", "MB", 90.0),
    "zygote_mb": ("idle memory of the largest zygote (resident)", "MB", 50.0),
}

BATCH_MESSAGES = 15_000
DRAIN_MESSAGES = 5_000
MAPPING_MS = {"p50": 5.0, "p99": 30.0}


def ratio(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> float | None:
    """How many times their requests/s ours are; None where one of them has none.

    Slices that were taken side by side are compared with each other, and the median of their ratios counts: what slowed
    the machine down for a while slowed down both.
    """
    pairs = list(zip(ours.get("slices", ()), theirs.get("slices", ()), strict=False))
    found = [mine / other for mine, other in pairs if other]
    if found:
        return float(statistics.median(found))
    return float(ours["rps"]) / float(theirs["rps"]) if ours.get("rps") and theirs.get("rps") else None
