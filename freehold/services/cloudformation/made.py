"""What a create that was cut off by a crash had already made.

Answers of finished calls are in the journal. The one call that was under way may have happened or not: it is made again.
An operation that chooses a fresh identifier answers as before (ports/once.py). Where another one answers that the thing
exists, its answer is read back if the thing is this very resource's: it has the name that was generated for it, or the
name which the template gives it and an age that says that it was made since.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
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
    ("scheduler", "CreateSchedule"): (
        "scheduler",
        "GetSchedule",
        ("Name", "GroupName"),
        lambda answer: {"ScheduleArn": answer["Arn"]},
    ),
    ("scheduler", "CreateScheduleGroup"): (
        "scheduler",
        "GetScheduleGroup",
        ("Name",),
        lambda answer: {"ScheduleGroupArn": answer["Arn"]},
    ),
    ("pipes", "CreatePipe"): ("pipes", "DescribePipe", ("Name",), lambda answer: answer),
}
Times = Callable[[Request, Request], float | None]
_BORN: dict[tuple[str, str], tuple[str, Callable[[Request], Request], Times]] = {
    # (service, call): (reading call, its request, when the thing was made, in seconds; None: it has been changed since)
    ("iam", "CreateRole"): ("GetRole", lambda asked: _only(asked, "RoleName"), lambda found, _: _at(found["Role"])),
    ("iam", "CreateUser"): ("GetUser", lambda asked: _only(asked, "UserName"), lambda found, _: _at(found["User"])),
    ("iam", "CreateGroup"): ("GetGroup", lambda asked: _only(asked, "GroupName"), lambda found, _: _at(found["Group"])),
    ("lambda", "CreateFunction"): (
        "GetFunctionConfiguration",
        lambda asked: _only(asked, "FunctionName"),
        lambda found, _: datetime.strptime(found["LastModified"], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp(),
    ),
    ("dynamodb", "CreateTable"): (
        "DescribeTable",
        lambda asked: _only(asked, "TableName"),
        lambda found, _: _at(found["Table"]),
    ),
    ("ssm", "PutParameter"): (
        "GetParameter",
        lambda asked: _only(asked, "Name"),
        lambda found, _: _at(found["Parameter"]) if found["Parameter"]["Version"] == 1 else None,
    ),
    ("logs", "CreateLogGroup"): (
        "DescribeLogGroups",
        lambda asked: {"logGroupNamePrefix": asked["logGroupName"]},
        lambda found, asked: _listed(found["logGroups"], "logGroupName", asked["logGroupName"]),
    ),
    ("scheduler", "CreateSchedule"): (
        "GetSchedule",
        lambda asked: _only(asked, "Name", "GroupName"),
        lambda found, _: _at(found),
    ),
    ("scheduler", "CreateScheduleGroup"): (
        "GetScheduleGroup",
        lambda asked: _only(asked, "Name"),
        lambda found, _: _at(found),
    ),
    ("pipes", "CreatePipe"): ("DescribePipe", lambda asked: _only(asked, "Name"), lambda found, _: _at(found)),
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
    return answer(await ask(reading_service, reading, **_only(request, *members)))


async def since(ask: Ask, service: str, operation: str, request: Request, begun_ms: int) -> bool:
    """Was the thing that a call says exists already made at or after a moment of service time? False where that cannot be
    told: what may be somebody else's is not adopted."""
    rule = _BORN.get((service, operation))
    if rule is None:
        return False
    reading, asking, born = rule
    at_s = born(await ask(service, reading, **asking(request)), request)
    return at_s is not None and round(at_s * 1000) >= begun_ms


def _only(request: Request, *members: str) -> Request:
    return {member: request[member] for member in members if member in request}


def _at(thing: Request) -> float | None:
    names = ("CreateDate", "CreationDateTime", "CreationDate", "CreationTime", "LastModifiedDate")
    return next((thing[name] for name in names if name in thing), None)


def _listed(things: list[Request], member: str, name: str) -> float | None:
    return next((thing["creationTime"] / 1000 for thing in things if thing[member] == name), None)
