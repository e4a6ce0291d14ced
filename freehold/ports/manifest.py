"""Manifest: how a service folder tells node what it is. One per AWS service model, in the folder's `service.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any

from freehold.ports.resources import ResourceType

if TYPE_CHECKING:
    from freehold.kit.http import Request, Response
    from freehold.ports.call import Call
    from freehold.ports.platform import Platform
    from freehold.work.checking import Report, Snapshot
    from freehold.work.outbox import Delivery


@dataclass(frozen=True, slots=True)
class HostRequest:
    """A request to a host that is not an AWS endpoint: `{id}.execute-api...` or `/_apis/{id}/...`.

    `path` is what is left for the application, raw, with a leading slash. For `execute-api` by host name the path still
    begins with the stage; `base_path` is what a client prefixed (`/_apis/{id}`), for URLs that must lead back.
    """

    http: Request
    id: str
    path: str
    base_path: str
    domain_name: str
    request_id: str
    region: str | None = None


HostHandler = Callable[["Platform", HostRequest], Awaitable["Response | None"]]
"""None means: this id is not mine; the next service registered for the host is asked."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One AWS service.

    - `model`: botocore's name of the service model ("sqs", "lambda", "apigatewayv2").
    - `handlers`: modules with `async def send_message(call, request) -> dict`, found by snake-case operation name.
    - `arn(call) -> str`: the ARN of the resource a call is about (from call.operation.name and call.params).
    - `prefix`: of IAM actions ("dynamodb"); `actions`: operations whose IAM action differs ("Invoke": "InvokeFunction").
    - `types`: CloudFormation resource types. `hosts`: front doors such as "execute-api" and "lambda-url".
    - `deliverers`: performers of this service's outbox effects by kind; `parallel`: how many of a kind at a time, where
      not the outbox's own number. `timers`: handlers of its due timers by owner.
    - `ports(platform)`: what it offers others, by field name of Platform ("functions", "identity").
    - `preflight(platform, request, request_id)` answers OPTIONS of a path that names one of its resources (S3's CORS).
    - `control`: what GET /_freehold/{name} answers (a JSON value), given the query's parameters.
    - `settle(platform)`: where a service works outside timers and outbox (pollers of mappings): wait until nothing of it
      is due and nothing runs; says whether anything ran. Asked after every step of a manual clock.
    - `leave(platform)` when the server is about to stop, before it waits for calls that run: end what clients merely wait
      for (long polls).
    - `check(snapshot, report)`: verifies the invariants of its rows (`freehold check`); says which rows name blobs.
    - `start(platform)` after the store is open (recover, begin background tasks on platform.tasks); `stop(platform)`.
    """

    model: str
    handlers: tuple[ModuleType, ...]
    arn: Callable[[Call], str]
    prefix: str
    actions: Mapping[str, str] = field(default_factory=dict)
    types: tuple[ResourceType, ...] = ()
    hosts: Mapping[str, HostHandler] = field(default_factory=dict)
    deliverers: Mapping[str, Callable[[Platform, Delivery], Awaitable[None]]] = field(default_factory=dict)
    parallel: Mapping[str, int] = field(default_factory=dict)
    timers: Mapping[str, Callable[[Platform, bytes], Awaitable[int | None]]] = field(default_factory=dict)
    control: Mapping[str, Callable[[Platform, Mapping[str, str]], Awaitable[Any]]] = field(default_factory=dict)
    settle: Callable[[Platform], Awaitable[bool]] | None = None
    ports: Callable[[Platform], Mapping[str, Any]] | None = None
    preflight: Callable[[Platform, Request, str], Awaitable[Response]] | None = None
    leave: Callable[[Platform], None] | None = None
    check: Callable[[Snapshot, Report], None] | None = None
    start: Callable[[Platform], Awaitable[None]] | None = None
    stop: Callable[[Platform], Awaitable[None]] | None = None
