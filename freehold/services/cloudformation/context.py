"""What a resource type is given while it creates, updates or deletes: the port's ResourceContext."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from freehold.kit.faults import Fault
from freehold.ports.identity import Principal
from freehold.services.cloudformation import made, state
from freehold.services.cloudformation.origin import Origin
from freehold.store.base import Tx
from freehold.work.duties import Held

_READS = re.compile(r"(Get|Describe|List|Head|Query|Scan)")
_ACRONYMS = {
    "iam": "Iam",
    "s3": "S3",
    "dynamodb": "DynamoDb",
    "lambda": "Lambda",
    "ssm": "Ssm",
    "logs": "CloudWatchLogs",
}


class Context:
    """One resource's view of the world. In a create, calls that change something are journaled: see `made`."""

    def __init__(
        self,
        origin: Origin,
        *,
        stack_name: str,
        stack_id: str,
        uid: str,
        logical_id: str,
        tags: dict[str, str],
        previous_tags: dict[str, str],
        suffix: str,
        resource_type: str = "",
        lease: Held | None = None,
    ) -> None:
        self.origin, self._lease = origin, lease
        self.account, self.region = origin.account, origin.region
        self.stack_name, self.stack_id, self.logical_id = stack_name, stack_id, logical_id
        self.tags, self.previous_tags = tags, previous_tags
        self.principal: Principal = origin.principal
        self.ids = origin.platform.ids
        self.uid, self.resource_type = uid, resource_type
        self.partial_id: str | None = None
        """Physical id of what exists already if the create fails half-way."""
        self.last_service = ""
        self._suffix = suffix
        self._journal: dict[int, bytes] | None = None
        self._resumed = False
        self._begun_ms = 0
        self._calls = 0

    @property
    def resumed(self) -> bool:
        """Is this create continued after a crash?"""
        return self._resumed

    def begin_create(self, journal: dict[int, bytes], *, resumed: bool, begun_ms: int = 0) -> None:
        """Journal the calls from here on; `resumed`: an earlier attempt, which began at `begun_ms` of service time, was cut
        off and left this journal."""
        self._journal, self._resumed, self._begun_ms = journal, resumed, begun_ms

    def made(self, physical_id: str) -> None:
        """The resource exists from here on: if the create fails later, it is deleted under this id."""
        self.partial_id = physical_id

    def name(self, max_length: int = 64, *, lower: bool = False) -> str:
        """`{stack}-{logical}-{12 random}`, both parts cut to fit."""
        return generated_name(self.stack_name, self.logical_id, self._suffix, max_length, lower=lower)

    async def call(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        """An AWS call as the stack's role or caller. Raises Fault."""
        self.last_service = service
        if self._journal is None or _READS.match(operation):
            return await self._ask(service, operation, **request)
        number, label = self._calls, f"{service}.{operation}"
        self._calls += 1
        if number in self._journal:
            recorded, answer = msgspec.msgpack.decode(self._journal[number])
            if recorded == label:
                self._note(request)
                return dict(answer)
        once = state.once_key(self.origin.keys, self.uid, self.logical_id, self._suffix, number, label)
        try:
            answer = await self.origin.call_once(once, service, operation, request)
        except Fault as fault:
            found = await self._found(fault, service, operation, request)
            if found is None:
                raise
            answer = found
        self._note(request)
        await self._record(number, label, answer)
        return answer

    async def _ask(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        return await self.origin.call(service, operation, **request)

    async def _found(
        self, fault: Fault, service: str, operation: str, request: dict[str, Any]
    ) -> dict[str, Any] | None:
        if not self._resumed or fault.code not in made.EXISTS:
            return None
        generated = any(isinstance(value, str) and self._suffix.lower() in value.lower() for value in request.values())
        if not generated and not await made.since(self._ask, service, operation, request, self._begun_ms):
            return None
        # Ours in any case: if the create fails now, this is what it leaves behind.
        self._note(request)
        return await made.read_back(self._ask, service, operation, request)

    def _note(self, request: dict[str, Any]) -> None:
        """A call that carried the generated name succeeded: that name is what a failed create leaves behind."""
        if self.partial_id is not None:
            return
        for key, value in request.items():
            named = key.lower().endswith("name") or key == "Bucket"
            if named and isinstance(value, str) and value.lower().endswith("-" + self._suffix.lower()):
                self.partial_id = value

    async def _record(self, number: int, label: str, answer: dict[str, Any]) -> None:
        try:
            value = msgspec.msgpack.encode((label, answer))
        except (TypeError, ValueError):
            return
        keys, uid, logical_id = self.origin.keys, self.uid, self.logical_id

        def body(tx: Tx) -> None:
            if self._lease is not None:
                self._lease.check(tx)
            state.put_journal(tx, keys, uid, logical_id, number, value)

        await self.origin.platform.store.transact(body)


def generated_name(stack: str, logical_id: str, suffix: str, max_length: int, *, lower: bool = False) -> str:
    """A physical name as CloudFormation generates it."""
    room = max_length - len(suffix) - 1
    if len(stack) + 1 + len(logical_id) > room:
        half = max((room - 1) // 2, 1)
        kept = max(half, room - 1 - len(stack))
        logical_id = logical_id[:kept]
        stack = stack[: room - 1 - len(logical_id)]
    name = f"{stack}-{logical_id}-{suffix}"
    return name.lower() if lower else name


_CODES = (
    (("Exists", "Conflict", "BucketAlreadyOwnedByYou"), "AlreadyExists"),
    (("NotFound", "NoSuch"), "NotFound"),
    (("AccessDenied", "Unauthorized", "NotAuthorized"), "AccessDenied"),
    (("LimitExceeded", "TooMany", "Quota"), "ServiceLimitExceeded"),
    (("Throttl",), "Throttling"),
    (("Validation", "Invalid", "Malformed", "Missing", "BadRequest"), "InvalidRequest"),
    (("InternalFailure",), "InternalFailure"),
    (("NotImplemented",), "InvalidRequest"),
)


def failure(fault: Fault, service: str, token: str, request_id: str) -> str:
    """Why a resource failed, as its event says it."""
    code = next(
        (name for marks, name in _CODES if any(mark in fault.code for mark in marks)), "GeneralServiceException"
    )
    text = fault.message or fault.code
    if service:
        shown = _ACRONYMS.get(service, service.title().replace("-", ""))
        text += f" (Service: {shown}, Status Code: {fault.status or 400}, Request ID: {request_id})"
    return f'Resource handler returned message: "{text}" (RequestToken: {token}, HandlerErrorCode: {code})'
