"""Call: one request to one operation, the value that the pipeline's steps and the handlers share.

Handlers have one type: `async def operation(call, request) -> dict`. `request` is the operation's validated input;
the dict is its output. A refusal is `raise Fault(...)`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from freehold.kit import arns

if TYPE_CHECKING:
    from freehold.kit.faults import Fault
    from freehold.kit.http import Request, Response
    from freehold.ports.identity import Principal
    from freehold.ports.manifest import Manifest
    from freehold.ports.platform import Platform
    from freehold.wire.base import Match, Operation


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a call happens: the trace it belongs to and how deep in a chain of internal calls it is."""

    trace: str | None = None
    depth: int = 0


@dataclass(slots=True)
class Call:
    """One call. Which account and region it is for is decided by authentication; everything else follows."""

    platform: Platform
    account: str
    region: str
    principal: Principal
    request_id: str
    manifest: Manifest
    operation: Operation
    params: dict[str, Any]
    cause: Cause = field(default_factory=Cause)
    action: str = ""
    """IAM action of the call, e.g. "sqs:SendMessage"."""
    handler: Callable[[Call, dict[str, Any]], Awaitable[dict[str, Any]]] | None = None
    """The function that handles the operation; None where Freehold has none."""
    http: Request | None = None
    """The HTTP request, absent on internal calls. For base URLs and S3's header subtleties, never for parameters."""
    match: Match | None = None
    admitted: bool = False
    """Set by the throttle step: the call counts as running until it is recorded."""
    result: dict[str, Any] | None = None
    fault: Fault | None = None
    response: Response | None = None
    status: int = 0
    """HTTP status of the answer where it is not the model's (206 for a range of an object); 0 leaves it."""
    response_headers: dict[str, str] = field(default_factory=dict)
    """Headers that a handler adds to its response beyond the model's."""
    once: bytes | None = None
    """On internal calls that may be made again after a crash: where the answer is kept (ports/once.py)."""

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of this call's account and region."""
        return arns.make(service, self.region, self.account, resource)

    @property
    def resource(self) -> str:
        """ARN of the resource the call is about; "*" where it is about none."""
        return self.manifest.arn(self)

    @property
    def base_url(self) -> str:
        """The address this caller used, e.g. `http://127.0.0.1:4566`: URLs in answers must resolve for who asked."""
        if self.http is not None and self.http.host:
            return f"{self.http.scheme}://{self.http.host}"
        return self.platform.settings.url
