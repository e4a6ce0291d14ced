"""What a create that was cut off by a crash had already made.

Answers of finished calls are in the journal. The one call that was under way may have happened or not: it is made again,
and where it answers that the thing exists, under a name which this very resource generated, its answer is read back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

Request = dict[str, Any]
Ask = Callable[..., Awaitable[dict[str, Any]]]

EXISTS = frozenset(
    {
        "AlreadyExistsException",
        "BucketAlreadyExists",
        "BucketAlreadyOwnedByYou",
        "ConflictException",
        "EntityAlreadyExists",
        "EntityAlreadyExistsException",
        "ParameterAlreadyExists",
        "QueueNameExists",
        "ResourceAlreadyExistsException",
        "ResourceConflictException",
        "ResourceExistsException",
        "ResourceInUseException",
    }
)

_READ_BACK: dict[tuple[str, str], tuple[str, str, tuple[str, ...], Callable[[Request], Request]]] = {
    # (service, call): (reading call, ..., members it takes from the request, its answer as the call's answer)
    ("iam", "CreateRole"): ("iam", "GetRole", ("RoleName",), lambda answer: answer),
    ("iam", "CreateUser"): ("iam", "GetUser", ("UserName",), lambda answer: answer),
    ("iam", "CreateGroup"): ("iam", "GetGroup", ("GroupName",), lambda answer: {"Group": answer["Group"]}),
    ("lambda", "CreateFunction"): ("lambda", "GetFunctionConfiguration", ("FunctionName",), lambda answer: answer),
    ("lambda", "CreateAlias"): ("lambda", "GetAlias", ("FunctionName", "Name"), lambda answer: answer),
    ("dynamodb", "CreateTable"): (
        "dynamodb",
        "DescribeTable",
        ("TableName",),
        lambda answer: {"TableDescription": answer["Table"]},
    ),
}
_SILENT = frozenset(
    {
        ("s3", "CreateBucket"),
        ("logs", "CreateLogGroup"),
        ("ssm", "PutParameter"),
        ("lambda", "AddPermission"),
    }
)


async def read_back(ask: Ask, service: str, operation: str, request: Request) -> Request | None:
    """The answer that the lost call gave; None where it cannot be told."""
    if (service, operation) in _SILENT:
        return {}
    rule = _READ_BACK.get((service, operation))
    if rule is None:
        return None
    reading_service, reading, members, answer = rule
    found = await ask(reading_service, reading, **{member: request[member] for member in members})
    return answer(found)
