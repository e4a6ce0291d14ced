"""From an address to a running function: resolving, caching, counting concurrency. In memory only; the facts are rows.

An entry holds what was compiled for one function. It is good as long as the function's stamp row is what it was; the
row is read by every invocation, so that no process of many ever runs a version that has been replaced.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from freehold.kit.faults import Fault
from freehold.runtime.base import FunctionSpec, Invocation, Outcome, RuntimeUnavailable, Throttled
from freehold.services.lambda_ import limits, recursion, rows, state
from freehold.services.lambda_.model import InvokeConfig, Version
from freehold.services.lambda_.names import LATEST, FunctionName
from freehold.services.lambda_.packages import Packages
from freehold.services.lambda_.sink import LogSink
from freehold.services.lambda_.slots import Full, OwnSlots, Pool, SharedSlots, Slots
from freehold.services.lambda_.tracing import Traced
from freehold.store.base import ReadTx

if TYPE_CHECKING:
    from freehold.ports.platform import Platform

SPEC_S = 6 * 3_600
"""Seconds after which instances are replaced by new ones, so that none outlives its role session of twelve hours."""
RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"
UNRESERVED = "ConcurrentInvocationLimitExceeded"


@dataclass(slots=True)
class Route:
    """Where an address leads: one version, or two by weight. `arn` is what was invoked, with its qualifier."""

    arn: str
    spec: FunctionSpec
    second: FunctionSpec | None = None
    weight: float = 0.0
    invoke_config: InvokeConfig | None = None
    """What is set for asynchronous invocations of this address."""


@dataclass(slots=True)
class Entry:
    """What is known of one function while its stamp stays."""

    stamp: bytes
    reserved: int | None
    own: Pool
    """The function's concurrency; how many of it run is counted here, whatever they run from."""
    shared: Pool
    """The account's, which the function draws from while it has none reserved."""
    era: int
    """Counts the replacements of this function's instances by age."""
    expires: float
    """When this era ends, in monotonic seconds."""
    routes: dict[str, Route] = field(default_factory=dict)
    specs: dict[str, FunctionSpec] = field(default_factory=dict)
    dead_letters: dict[str, str] = field(default_factory=dict)
    """Dead-letter targets by the key of the version's spec."""
    recursion: bool = False
    """May the function run in recursive loops?"""


@dataclass(slots=True)
class Found:
    """The rows of an address, read in one snapshot."""

    stamp: bytes
    generation: str
    reserved: int | None
    all_reserved: int
    first: Version
    second: Version | None
    weight: float
    invoke_config: InvokeConfig | None
    recursion: bool


@lru_cache(maxsize=1_024)
def _stamp_key(account: str, region: str, name: str) -> bytes:
    return rows.Keys(account, region).stamp(name)


class Engine:
    """The data plane of Lambda in one server; `platform.own["lambda"]`."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.packages = Packages(platform)
        self.sink = LogSink(platform)
        self._monotonic = platform.clock.monotonic
        self._entries: dict[tuple[str, str, str], Entry] = {}
        self._alone = platform.duties.members.alone
        self.slots: Slots[Any] = OwnSlots() if self._alone else SharedSlots(platform)

    # Resolving

    def start(self) -> None:
        """Begin what keeps this node's share of concurrency in line with what others need."""
        if isinstance(self.slots, SharedSlots):
            members = self.platform.duties.members
            self.platform.runtime.nodes = lambda: len(members.live())
            self.platform.tasks.loop("lambda: shared slots", self.slots.run)
            self.platform.tasks.loop("lambda: idle slots", self.slots.mind_idle)

    def at_hand(self, name: FunctionName) -> tuple[Entry, Route] | None:
        """The route of an address where all that decides it is in memory; None says nothing: `resolve` it."""
        key = name[:3]
        entry = self._entries.get(key)
        if entry is not None and entry.expires > self._monotonic():
            route = entry.routes.get(name.qualifier)
            if route is not None and self.platform.store.at_hand(_stamp_key(*key)) == entry.stamp:
                return entry, route
        return None

    async def resolve(self, name: FunctionName) -> tuple[Entry, Route]:
        """The route of an address, compiled at first use. Raises ResourceNotFoundException."""
        found = self.at_hand(name)
        if found is not None:
            return found
        key = name[:3]
        stamp_key = _stamp_key(*key)
        stamp = await self.platform.store.read(lambda tx: tx.get(stamp_key))
        entry = self._entries.get(key)
        if entry is not None and entry.stamp == stamp and entry.expires > self._monotonic():
            route = entry.routes.get(name.qualifier)
            if route is not None:
                return entry, route
        if stamp is None:
            if entry is not None:  # deleted, perhaps on another node
                self.forget(name)
            raise state.not_found(name)
        return await self._compile(name)

    async def _compile(self, name: FunctionName) -> tuple[Entry, Route]:
        found = await self.platform.store.read(lambda tx: _read(tx, name))
        key = name[:3]
        entry, now = self._entries.get(key), self._monotonic()
        era = entry.era if entry is not None else 0
        if entry is not None and entry.expires <= now:
            self.platform.runtime.retire(name.arn)
            entry, era = None, era + 1
        if entry is None or entry.stamp != found.stamp:
            expires = now + SPEC_S if entry is None else entry.expires
            specs = {} if entry is None else entry.specs
            own, shared = self._pools(name, found)
            entry = Entry(found.stamp, found.reserved, own, shared, era, expires, specs=specs)
            entry.recursion = found.recursion
        route = Route(name.qualified_arn, await self._spec(entry, name, found.generation, found.first))
        route.invoke_config = found.invoke_config
        if found.second is not None:
            route.second = await self._spec(entry, name, found.generation, found.second)
            route.weight = found.weight
        entry.routes[name.qualifier] = route
        used = {spec.key for each in entry.routes.values() for spec in (each.spec, each.second) if spec is not None}
        if len(entry.specs) > 2 * len(used) + 8:
            entry.specs = {key_: spec for key_, spec in entry.specs.items() if key_ in used}
        self._entries[key] = entry
        return entry, route

    async def _spec(self, entry: Entry, name: FunctionName, generation: str, version: Version) -> FunctionSpec:
        key = f"{name.arn}:{version.qualifier}:{generation}:{version.revision}:{entry.era}"
        if version.dead_letter:
            entry.dead_letters[key] = version.dead_letter
        spec = entry.specs.get(key)
        if spec is not None:
            return spec
        if not self._alone and any(old.version == version.qualifier for old in entry.specs.values()):
            self.platform.runtime.retire(name.arn)  # it was changed on another node
        code = await self.packages.directory(version.package)
        layers = [await self.packages.directory(layer.package) for layer in version.layers]
        spec = FunctionSpec(
            key=key,
            arn=name.arn,
            account=name.account,
            region=name.region,
            name=name.name,
            version=version.qualifier,
            runtime=version.runtime,
            handler=version.handler,
            code=code,
            layers=tuple(layers),
            environment=dict(version.environment),
            memory_mb=version.memory,
            timeout_s=float(version.timeout),
            ephemeral_mb=version.ephemeral,
            log_group=version.log_group,
            log_format=version.log_format,
            log_level=version.application_level or "INFO",
            tracing=version.tracing == "Active",
            architecture=version.architecture,
            role=version.role,
            system_log_level=version.system_level or "INFO",
        )
        entry.specs[key] = spec
        return spec

    def forget(self, name: FunctionName) -> None:
        """The function is gone."""
        self._entries.pop(name[:3], None)
        self.slots.forget(*name[:3])
        self.platform.runtime.retire(name.arn)

    # Concurrency

    def _pools(self, name: FunctionName, found: Found) -> tuple[Pool, Pool]:
        """The function's pool and its account's, with what there is of them."""
        own = self.slots.pool(*name[:3])
        if found.reserved is not None:
            self.slots.set_capacity(own, found.reserved, found.stamp)
        return own, self.set_reserved(name.account, name.region, found.all_reserved)

    def set_reserved(self, account: str, region: str, reserved: int) -> Pool:
        """How much of the account's concurrency is reserved by functions: the rest is shared."""
        shared: Pool = self.slots.pool(account, region, "")
        self.slots.set_capacity(shared, limits.CONCURRENCY - reserved, b"")
        return shared

    async def refresh_reserved(self, account: str, region: str) -> None:
        """Take note of what is reserved now."""
        key = rows.Keys(account, region).reserved()
        reserved = await self.platform.store.read(lambda tx: rows.counts.get(tx, key)) or {}
        self.set_reserved(account, region, sum(reserved.values()))

    async def _wait(self, pool: Pool, spec: FunctionSpec, reason: str) -> None:
        """Take a slot that is not at hand; it may come from another node."""
        try:
            await self.slots.wait(pool)
        except Full as full:
            raise self.throttled(spec, reason) from full

    def _leave(self, entry: Entry, pool: Pool) -> None:
        if pool is not entry.own:
            entry.own.running -= 1
        self.slots.leave(pool)

    def throttled(self, spec: FunctionSpec, reason: str) -> Fault:
        """429 with its reason; counted."""
        self.sink.throttled(spec)
        return Fault("TooManyRequestsException", "Rate Exceeded.", Reason=reason, Type="User")

    # Running

    def choose(self, route: Route) -> FunctionSpec:
        """The version that serves this invocation of an alias."""
        if route.second is not None and self.platform.ids.uniform() < route.weight:
            return route.second
        return route.spec

    def run(self, entry: Entry, spec: FunctionSpec, invocation: Invocation) -> Awaitable[Outcome]:
        """One invocation, within the function's concurrency. Its slot is held until a streamed response ends."""
        header, earlier = recursion.entered(invocation.trace_header, spec.arn)
        if earlier >= recursion.MOST and not entry.recursion:
            raise self._recursive(spec)
        invocation = replace(invocation, trace_header=header)
        return (self._run_traced if spec.tracing else self._run)(entry, spec, invocation)

    async def _run_traced(self, entry: Entry, spec: FunctionSpec, invocation: Invocation) -> Outcome:
        traced = Traced(self.platform, spec, invocation)
        outcome: Outcome | None = None
        try:
            outcome = await self._run(entry, spec, traced.invocation)
            return outcome
        finally:
            traced.end(outcome)

    def _recursive(self, spec: FunctionSpec) -> Fault:
        self.sink.stopped_loop(spec)
        return Fault(
            "RecursiveInvocationException",
            "Lambda has detected your function being invoked in a recursive loop with other Amazon Web Services resources "
            "and stopped your function's invocation.",
            Type="User",
        )

    async def _run(self, entry: Entry, spec: FunctionSpec, invocation: Invocation) -> Outcome:
        own, reserved = entry.own, entry.reserved is not None
        pool = own if reserved else entry.shared
        if not self.slots.enter(pool):
            await self._wait(pool, spec, RESERVED if reserved else UNRESERVED)
        if not reserved:
            own.running += 1
        self.sink.concurrency(spec, own.running)
        streaming = False
        try:
            outcome = await self.platform.runtime.invoke(spec, invocation)
            if not isinstance(outcome.payload, bytes):
                outcome.payload = _Held(outcome.payload, lambda: self._leave(entry, pool))
                streaming = True
            return outcome
        except Throttled as error:
            raise self.throttled(spec, error.reason) from error
        except RuntimeUnavailable as error:
            raise Fault("InvalidRuntimeException", str(error), Type="User") from error
        finally:
            if not streaming:
                self._leave(entry, pool)


class _Held:
    """A streamed response that gives its slot back when it ends, is closed, or is forgotten."""

    def __init__(self, stream: AsyncIterator[bytes], leave: Callable[[], None]) -> None:
        self._stream = stream
        self._leave: Callable[[], None] | None = leave

    def __aiter__(self) -> _Held:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._stream)
        except BaseException:
            self._end()
            raise

    async def aclose(self) -> None:
        self._end()
        close = getattr(self._stream, "aclose", None)
        if close is not None:
            await close()

    def _end(self) -> None:
        if self._leave is not None:
            self._leave()
            self._leave = None

    def __del__(self) -> None:
        self._end()


def _read(tx: ReadTx, name: FunctionName) -> Found:
    """Everything that decides what an address runs."""
    keys = state.keys_of(name)
    function = rows.functions.get(tx, keys.function(name.name))
    stamp = tx.get(keys.stamp(name.name))
    if function is None or stamp is None:
        raise state.not_found(name)
    all_reserved = sum((rows.counts.get(tx, keys.reserved()) or {}).values())
    alias = state.find_alias(tx, name)
    second, weight = None, 0.0
    if alias is None:
        first = state.require_version(tx, name)
    else:
        first = state.require_version(tx, name._replace(qualifier=str(alias.version) if alias.version else LATEST))
        for number, share in alias.routes.items():
            second, weight = state.require_version(tx, name._replace(qualifier=number)), share
    config = rows.invoke_configs.get(tx, keys.invoke_config(name.name, name.qualifier or LATEST))
    loops = function.recursion == "Allow"
    return Found(stamp, function.generation, function.reserved, all_reserved, first, second, weight, config, loops)


def engine_of(platform: Platform) -> Engine:
    """The engine of this server."""
    engine: Engine = platform.own["lambda"]
    return engine
