"""A platform of real rooms on the memory store, with a runtime that runs Python callables instead of processes."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from freehold import wire
from freehold.kit.clock import ManualClock
from freehold.kit.faults import Fault
from freehold.kit.ids import Ids
from freehold.node.assemble import bind
from freehold.ports.call import Call, Cause
from freehold.ports.identity import Credential, Principal
from freehold.ports.platform import Platform, Settings
from freehold.runtime.base import FunctionSpec, Invocation, Outcome, RuntimeUnavailable
from freehold.services.lambda_ import service
from freehold.services.lambda_.asynchronous.lanes import Lanes
from freehold.store.base import Store
from freehold.work.advance import Advance
from freehold.work.blobs import Blobs
from freehold.work.blobs.files import Files
from freehold.work.duties import Duties
from freehold.work.logs import LogWriter
from freehold.work.members import Members
from freehold.work.meters import Meters
from freehold.work.outbox import Outbox
from freehold.work.tasks import Tasks
from freehold.work.timers import Timers
from freehold.work.traces import Traces
from tests.services.lambda_.messages import Messages
from tests.support import memory_store

ACCOUNT, REGION = "111122223333", "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/lambda-role"
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function"
Body = Callable[[FunctionSpec, Invocation], Awaitable[Outcome]]


def package(**files: str) -> bytes:
    """A zip archive of text files; `__` in a name stands for a dot."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        for name, text in (files or {"app__py": "def handler(event, context): return event"}).items():
            opened.writestr(zipfile.ZipInfo(name.replace("__", ".")), text)
    return packed.getvalue()


class FakeRuntime:
    """A runtime whose functions are what `body` does; it reports to the sink as the real one does."""

    def __init__(self) -> None:
        self.sink: Any = None
        self.credentials: Any = None
        self.nodes: Callable[[], int] = lambda: 1
        self.body: Body = self._echo
        self.retired: list[str] = []
        self.seen: list[tuple[FunctionSpec, Invocation]] = []
        self.output: list[bytes] = []
        self.lacks = ""

    async def _echo(self, spec: FunctionSpec, invocation: Invocation) -> Outcome:
        return Outcome(invocation.payload, duration_ms=1.23, billed_ms=2, memory_used_mb=40)

    async def start(self) -> None: ...

    async def invoke(self, spec: FunctionSpec, invocation: Invocation) -> Outcome:
        self.seen.append((spec, invocation))
        stream = f"2026/01/01/[{spec.version}]{'0' * 32}"
        self.sink.invocation_started(spec, stream, invocation)
        for data in self.output:
            self.sink.output(spec, stream, invocation.request_id, data)
        outcome = await self.body(spec, invocation)
        self.sink.invocation_ended(spec, stream, invocation, outcome)
        return outcome

    def weakness(self) -> str:
        return self.lacks

    def expect(self, runtime: str) -> None:
        pass

    def rouse(self, spec: FunctionSpec) -> None:
        pass

    def resolve(self, runtime: str) -> str:
        if runtime.startswith("java"):
            raise RuntimeUnavailable(f"{runtime} needs a JVM: install openjdk")
        return "python3.11" if runtime.startswith("python") else runtime

    def retire(self, arn: str) -> None:
        self.retired.append(arn)

    def isolation(self) -> Mapping[str, str]:
        return {}

    async def close(self) -> None: ...


class FakeIdentity:
    def known(self, access_key_id: str, session_token: str | None) -> Credential | None:
        return None

    async def credential(self, access_key_id: str, session_token: str | None) -> Credential | None:
        return None

    def role_session(
        self, role_arn: str, session_name: str, *, seconds: int = 3600, service: str | None = None
    ) -> Credential:
        principal = Principal(ACCOUNT, f"{role_arn}/{session_name}", "AROA:x")
        return Credential("ASIAX", "secret", principal, "token", None)


class World:
    """One platform. `await world("CreateFunction", FunctionName=...)` calls a handler as front would."""

    def __init__(
        self,
        *,
        guarded: bool = False,
        store: Store | None = None,
        clock: ManualClock | None = None,
        seed: int = 1,
        blobs: Path | None = None,
    ) -> None:
        self.store, self.seed, self.blobs = store, seed, blobs
        self.clock = clock or ManualClock()
        self.runtime = FakeRuntime()
        self.objects: dict[tuple[str, str], bytes] = {}
        self.guarded = guarded
        self.host: Any = None
        self.messages = Messages()

    async def __aenter__(self) -> World:
        store, ids, tasks = self.store or memory_store(), Ids(seed=self.seed), Tasks()
        duties = Duties(store, self.clock, tasks, Members(store, self.clock))
        shared = None if self.blobs is None else Files(self.blobs, durable=False)
        self._directory = tempfile.TemporaryDirectory()
        self.data = Path(self._directory.name)
        platform = Platform(
            settings=Settings(data=self.data, guarded=self.guarded),
            store=store,
            clock=self.clock,
            ids=ids,
            tasks=tasks,
            blobs=Blobs(store, self.clock, ids, None, backend=shared, duties=duties),
            timers=Timers(store, self.clock, tasks),
            outbox=Outbox(store, self.clock, ids, tasks),
            logs=LogWriter(store, self.clock, tasks),
            meters=Meters(store, self.clock, tasks),
            traces=Traces(store, self.clock, ids, tasks),
            runtime=self.runtime,
            calls=self,  # type: ignore[arg-type]
            functions=None,  # type: ignore[arg-type]
            identity=FakeIdentity(),
            queues=self.messages,  # type: ignore[arg-type]
            topics=self.messages,  # type: ignore[arg-type]
            events=self.messages,  # type: ignore[arg-type]
            duties=duties,
        )
        self.platform = platform
        assert service.MANIFEST.ports is not None and service.MANIFEST.start is not None
        platform.functions = service.MANIFEST.ports(platform)["functions"]
        await platform.blobs.start()
        await platform.duties.start(background=False)
        await service.MANIFEST.start(platform)

        def deliverer(fn: Any) -> Any:
            async def deliver(delivery: Any) -> None:
                await fn(platform, delivery)

            return deliver

        await platform.outbox.start({kind: deliverer(fn) for kind, fn in service.MANIFEST.deliverers.items()})
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert service.MANIFEST.stop is not None
        await service.MANIFEST.stop(self.platform)
        await self.platform.duties.close()
        await self.platform.outbox.close()
        await self.platform.tasks.close()
        await self.platform.blobs.close()
        if self.store is None:
            await self.platform.store.close()
        self._directory.cleanup()

    async def __call__(
        self, operation: str, *, account: str = ACCOUNT, once: bytes | None = None, **request: Any
    ) -> dict[str, Any]:
        model = wire.load("lambda").operations[operation]
        call = Call(
            platform=self.platform,
            account=account,
            region=REGION,
            principal=Principal(account, f"arn:aws:iam::{account}:root", account),
            request_id=self.platform.ids.uuid(),
            manifest=service.MANIFEST,
            operation=model,
            params=request,
            cause=Cause(),
            http=self.host,
            once=once,
        )
        for module in service.MANIFEST.handlers:
            handler = getattr(module, model.snake_name, None)
            if handler is not None:
                result: dict[str, Any] = await handler(call, request)
                return result
        raise AssertionError(f"no handler for {operation}")

    async def call(self, service: str, operation: str, request: dict[str, Any], **who: Any) -> dict[str, Any]:
        """The port Calls: an S3 of a dictionary, and buses that are there."""
        if operation == "DescribeEventBus":
            return {}
        assert service == "s3"
        if operation in ("HeadBucket", "PutObject") and request["Bucket"] != "records":
            raise Fault("NoSuchBucket", "The specified bucket does not exist")
        if operation == "PutObject":
            self.objects[request["Bucket"], request["Key"]] = request["Body"]
        if operation != "GetObject":
            return {}
        found = self.objects.get((request["Bucket"], request["Key"]))
        if found is None:
            raise Fault("NoSuchKey", "The specified key does not exist.", status=404)

        async def body() -> AsyncIterator[bytes]:
            for at in range(0, len(found), 1000):
                yield found[at : at + 1000]

        return {"Body": body()}

    async def later(self, seconds: float) -> None:
        """Let service time pass, stopping wherever something is due."""
        assert service.MANIFEST.settle is not None
        settles = [self.platform.outbox.settle, bind(self.platform, service.MANIFEST.settle)]
        await Advance(self.clock, self.platform.store, settles, self.platform.logs.flush).by(int(seconds * 1000))

    async def settle(self) -> None:
        """Return when nothing is due and nothing runs."""
        assert service.MANIFEST.settle is not None
        while await service.MANIFEST.settle(self.platform):
            pass

    async def restart_lanes(self) -> None:
        """Events that run are cut off, as in a crash, and the lanes begin anew."""
        await self.platform.own["lambda.lanes"].close()
        lanes = self.platform.own["lambda.lanes"] = Lanes(self.platform)
        await lanes.start()

    async def create(self, name: str = "hello", **settings: Any) -> dict[str, Any]:
        """A function with defaults."""
        request = {
            "FunctionName": name,
            "Runtime": "python3.11",
            "Role": ROLE,
            "Handler": "app.handler",
            "Code": {"ZipFile": package()},
        }
        return await self("CreateFunction", **(request | settings))
