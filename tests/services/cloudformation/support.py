"""A small cloud for tests: CloudFormation's handlers over a memory store, with resource types of things in a dict."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from freehold.kit.clock import ManualClock
from freehold.kit.faults import Fault
from freehold.kit.ids import Ids
from freehold.kit.tuples import pack, span
from freehold.ports.call import Call
from freehold.ports.events import Event
from freehold.ports.identity import Principal, Source
from freehold.ports.platform import Platform, Settings
from freehold.ports.topics import Note
from freehold.services.cloudformation import change_sets, listing, stacks, templates
from freehold.services.cloudformation.engine import engine
from freehold.services.cloudformation.resources import TYPES
from freehold.services.cloudformation.state import Keys
from freehold.store.base import ReadTx, Tx
from freehold.work.tasks import Tasks
from freehold.work.timers import Timers
from tests.services.cloudformation.things import THINGS, Request, thing
from tests.support import memory_store

ACCOUNT, REGION = "111122223333", "eu-west-1"
PRINCIPAL = Principal(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
HANDLERS = (stacks, change_sets, listing, templates)


class Topics:
    """The port Topics: one that exists, and what it got."""

    arn = f"arn:aws:sns:{REGION}:{ACCOUNT}:told"

    def __init__(self) -> None:
        self.notes: dict[str, Note] = {}

    def check(self, tx: ReadTx, topic_arn: str, source: Source) -> None:
        assert (source.service, source.account) == ("cloudformation.amazonaws.com", ACCOUNT)
        if topic_arn != self.arn:
            raise Fault("NotFound", "Topic does not exist")

    def publish(self, tx: Tx, topic_arn: str, note: Note, *, now_ms: int, source: Source) -> None:
        self.check(tx, topic_arn, source)
        self.notes[note.id] = note  # a body that runs again publishes the same


class Cloud:
    """`await cloud.create_stack(StackName=...)` calls a handler; `things` are what exists."""

    def __init__(self, store: Any = None, things: dict[str, Request] | None = None) -> None:
        self.things: dict[str, Request] = things if things is not None else {}
        self.log: list[str] = []
        self.objects: dict[tuple[str, str], bytes] = {}
        self.parameters: dict[str, Request] = {}
        self.refuse: Callable[[str, Request], Fault | None] = lambda operation, request: None
        self.gates: dict[str, asyncio.Event] = {}
        self.clock = ManualClock()
        self.store = store if store is not None else memory_store()
        absent = cast(Any, None)
        tasks = Tasks()
        self.platform = Platform(
            settings=Settings(),
            store=self.store,
            clock=self.clock,
            ids=Ids(7),
            tasks=tasks,
            blobs=absent,
            timers=Timers(self.store, self.clock, tasks),
            outbox=absent,
            logs=absent,
            meters=absent,
            traces=absent,
            runtime=absent,
            calls=cast(Any, self),
            functions=absent,
            identity=absent,
            events=cast(Any, self),
            topics=cast(Any, Topics()),
        )
        self.platform.resource_types = {kind.name: kind for kind in (*TYPES, *THINGS)}

    def emit(self, tx: Tx, account: str, region: str, event: Event, *, now_ms: int) -> None:
        """The port Events: what was told, as rows of the transaction."""
        assert (account, region) == (ACCOUNT, REGION)
        kept = {"type": event.detail_type, "resources": event.resources, **event.detail}
        tx.put(pack("told", now_ms, event.id), json.dumps(kept).encode())

    async def told(self) -> list[Request]:
        """What EventBridge was told, in order."""
        found = await self.store.read(lambda tx: tx.scan(*span("told")))
        return [json.loads(value) for _, value in found]

    def implements(self, service: str, operation: str) -> bool:
        return service in ("things", "ssm", "s3")

    async def call(self, service: str, operation: str, request: Request, **who: Any) -> Request:
        """The port Calls, of three small services."""
        answer: Request = await getattr(self, f"_{service}")(operation, request)
        return answer

    async def _things(self, operation: str, request: Request) -> Request:
        self.log.append(f"{operation} {request['Name']}")
        gate = self.gates.get(request["Name"]) or self.gates.get(f"{operation} {request['Name']}")
        if gate is not None:
            await gate.wait()
        refusal = self.refuse(operation, request)
        if refusal is not None:
            raise refusal
        name = request["Name"]
        if operation == "CreateThing":
            if name in self.things:
                raise Fault("ResourceConflictException", f"{name} already exists")
            self.things[name] = {**request, "made_s": self.clock.now_ms() / 1000}
        elif operation == "UpdateThing":
            self.things[name].update(request)
        elif operation == "DeleteThing":
            self.things.pop(name, None)
        return dict(self.things.get(name, {"Name": name})) if operation == "GetThing" else {"Name": name}

    async def _ssm(self, operation: str, request: Request) -> Request:
        assert operation == "GetParameters"
        found = [{"Name": name, **self.parameters[name]} for name in request["Names"] if name in self.parameters]
        return {
            "Parameters": found,
            "InvalidParameters": [name for name in request["Names"] if name not in self.parameters],
        }

    async def _s3(self, operation: str, request: Request) -> Request:
        assert operation == "GetObject"
        body = self.objects.get((request["Bucket"], request["Key"]))
        if body is None:
            raise Fault("NoSuchKey", "The specified key does not exist.", status=404)
        return {"Body": body}

    def __getattr__(self, name: str) -> Any:
        handler = next((getattr(module, name) for module in HANDLERS if hasattr(module, name)), None)
        if handler is None:
            raise AttributeError(name)

        async def run(**request: Any) -> Request:
            call = Call(
                self.platform,
                ACCOUNT,
                REGION,
                PRINCIPAL,
                "request",
                cast(Any, None),
                cast(Any, None),
                request,
            )
            answer: Request = await handler(call, request)
            return answer

        return run

    async def done(self, name: str) -> Request:
        """The stack's description once nothing is under way in it."""
        stack = (await self.describe_stacks(StackName=name))["Stacks"][0]
        await engine(self.platform).settle(Keys(ACCOUNT, REGION), stack["StackId"].rpartition("/")[2], None)
        described: Request = (await self.describe_stacks(StackName=stack["StackId"]))["Stacks"][0]
        return described

    async def create(self, name: str, template: Any, **request: Any) -> Request:
        """Create a stack and wait for its end."""
        answer = await self.create_stack(StackName=name, TemplateBody=body(template), **request)
        return await self.done(answer["StackId"])

    async def update(self, name: str, template: Any, **request: Any) -> Request:
        """Update a stack and wait for its end."""
        await self.update_stack(StackName=name, TemplateBody=body(template), **request)
        return await self.done(name)

    async def delete(self, name: str, **request: Any) -> Request:
        """Delete a stack and wait for its end."""
        stack = (await self.describe_stacks(StackName=name))["Stacks"][0]
        await self.delete_stack(StackName=name, **request)
        return await self.done(stack["StackId"])

    async def history(self, name: str) -> list[tuple[str, str, str | None]]:
        """(logical id, status, reason) of every event, the oldest first."""
        found: list[Request] = []
        token: Request = {}
        while True:
            page = await self.describe_stack_events(StackName=name, **token)
            found += page["StackEvents"]
            if "NextToken" not in page:
                break
            token = {"NextToken": page["NextToken"]}
        times = [event["Timestamp"] for event in found]
        assert times == sorted(times, reverse=True) and len(set(times)) == len(times)
        return [(e["LogicalResourceId"], e["ResourceStatus"], e.get("ResourceStatusReason")) for e in reversed(found)]

    async def statuses(self, name: str, logical_id: str) -> list[str]:
        """The statuses through which one resource (or the stack) went."""
        return [status for found, status, _ in await self.history(name) if found == logical_id]

    async def logged(self, line: str) -> None:
        """Return when `log` has a line."""

        async def heard() -> bool:
            return line in self.log

        await until(heard)

    async def reached(self, name: str, logical_id: str, status: str) -> None:
        """Return when a resource of a stack has gone through a status."""

        async def there() -> bool:
            return status in await self.statuses(name, logical_id)

        await until(there)

    async def forgotten(self) -> None:
        """Return when no stack is listed any more."""

        async def none() -> bool:
            return not (await self.list_stacks())["StackSummaries"]

        await until(none)


def body(template: Any) -> str:
    """A template's text."""
    return template if isinstance(template, str) else json.dumps(template)


TWO: Request = {
    "Resources": {
        "A": thing(Color="red"),
        "B": thing(Color={"Fn::GetAtt": ["A", "Color"]}, Labels={"of": {"Ref": "A"}}),
    },
    "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["B", "Arn"]}, "Description": "of B"}},
}
"""A template of two things, the second of which needs the first."""
SERVERLESS: Request = {
    "Transform": "AWS::Serverless-2016-10-31",
    "Resources": {"T": {"Type": "AWS::Serverless::SimpleTable"}, "A": thing(Color="red")},
}
"""A template that the serverless transform translates."""


def run(body: Callable[[Cloud], Awaitable[None]]) -> None:
    """Run a test on a cloud of its own."""

    async def main() -> None:
        cloud = Cloud()
        try:
            await body(cloud)
        finally:
            await cloud.platform.tasks.close()

    asyncio.run(main())


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Let the loop run until something is so."""
    for _ in range(10_000):
        if await condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never happened")


def refuse(color: str, text: str = "no such color") -> Callable[[str, Request], Fault | None]:
    """For `Cloud.refuse`: things of a color are refused."""
    return lambda operation, request: Fault("ValidationException", text) if request.get("Color") == color else None


async def refused(call: Awaitable[Any], code: str = "ValidationError") -> str:
    """The message of the refusal."""
    with pytest.raises(Fault) as caught:
        await call
    assert caught.value.code == code
    return caught.value.message
