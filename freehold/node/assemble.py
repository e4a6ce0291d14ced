"""Assembling a node: the one list of services, and the one place that wires everything together."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freehold import __version__
from freehold.front.app import App
from freehold.front.calls import InternalCalls
from freehold.front.offer import Offer
from freehold.kit.clock import Clock, ManualClock, SystemClock
from freehold.kit.ids import Ids, SeededIds
from freehold.node import cluster
from freehold.node.accounts import moving
from freehold.node.places import backend_of
from freehold.node.servicetime import keep_service_time, service_time_floor
from freehold.ports.manifest import Manifest
from freehold.ports.platform import Platform, Settings
from freehold.runtime.base import FunctionRuntime
from freehold.runtime.pool import Pool
from freehold.store.base import Store
from freehold.work.advance import Advance, Settle
from freehold.work.blobs import Blobs
from freehold.work.duties import Duties
from freehold.work.logs import LogWriter
from freehold.work.members import Members
from freehold.work.meters import Meters
from freehold.work.outbox import Delivery, Outbox
from freehold.work.tasks import Tasks
from freehold.work.timers import Timers
from freehold.work.traces import Traces

SERVICES = (
    "apigateway",
    "dynamodb",
    "events",
    "iam",
    "lambda_",
    "logs",
    "pipes",
    "s3",
    "scheduler",
    "sns",
    "sqs",
    "ssm",
    "cloudformation",
)
"""Folders of freehold/services, in alphabetical order; cloudformation last, since it resumes what uses all others."""


def manifests() -> list[Manifest]:
    """The manifests of all services, in the order of SERVICES."""
    found: list[Manifest] = []
    for folder in SERVICES:
        module = importlib.import_module(f"freehold.services.{folder}.service")
        found.extend(module.MANIFESTS if hasattr(module, "MANIFESTS") else (module.MANIFEST,))
    return found


@dataclass(slots=True)
class Node:
    """A running node."""

    platform: Platform
    offer: Offer
    app: App
    manifests: list[Manifest]

    def leave(self) -> None:
        """The server is about to stop: end what clients merely wait for."""
        for manifest in self.manifests:
            if manifest.leave is not None:
                manifest.leave(self.platform)

    async def close(self) -> None:
        """Stop in the reverse order of starting: no task outlives what it uses."""
        platform = self.platform
        await platform.duties.close()
        for manifest in reversed(self.manifests):
            if manifest.stop is not None:
                await manifest.stop(platform)
        await platform.timers.close()
        await platform.outbox.close()
        await platform.tasks.close()
        await platform.outgoing.close()
        await platform.runtime.close()
        await platform.logs.close()
        await platform.meters.close()
        await platform.traces.close()
        await platform.blobs.close()
        await platform.store.close()


async def assemble(
    settings: Settings,
    store: Store,
    scratch: Path,
    *,
    seed: int | None = None,
    manual: bool = False,
    start_ms: int | None = None,
    blobs: str = "",
) -> Node:
    """Build and start a node on an open store. `scratch` is for what need not survive a restart. With `manual`, service
    time stands until `platform.advance` moves it, on a new store at `start_ms` or the real time. `blobs` is the setting.

    Raises ConfigError, BlobError: blobs cannot be where the setting says."""
    clock = await _clock(store, manual=manual, start_ms=start_ms)
    ids = Ids() if seed is None else SeededIds(seed)
    tasks = Tasks()
    members = Members(store, clock, home=_home(settings), url=settings.url, terms=_terms(settings), version=__version__)
    duties = Duties(store, clock, tasks, members)
    backend, keep_s = backend_of(blobs, clock, ids.of("object store"))
    own = None if settings.ephemeral else settings.data / "blobs"
    runtime: FunctionRuntime = Pool(
        clock=clock,
        ids=ids.of("runtime"),
        scratch=scratch / "runtime",
        guarded=settings.guarded,
        code_roots=(settings.data.absolute() / "functions",),
    )
    platform = Platform(
        settings=settings,
        store=store,
        clock=clock,
        ids=ids,
        tasks=tasks,
        blobs=Blobs(store, clock, ids.of("blobs"), own, backend=backend, duties=duties, keep_s=keep_s),
        timers=Timers(store, clock, tasks, duties),
        outbox=Outbox(store, clock, ids.of("outbox"), tasks, duties),
        logs=LogWriter(store, clock, tasks, ids.of("logs")),
        meters=Meters(store, clock, tasks),
        traces=Traces(store, clock, ids.of("traces"), tasks),
        runtime=runtime,
        duties=duties,
    )
    listed = manifests()
    if isinstance(clock, ManualClock):
        settles = [bind(platform, m.settle) for m in listed if m.settle is not None]
        platform.advance = Advance(
            clock, store, [platform.timers.settle, platform.outbox.settle, *settles], platform.logs.flush
        )
    platform.accounts = moving.Moving(platform, scratch)
    offer = Offer(listed)
    offer.control["cluster"] = cluster.describe
    platform.calls = InternalCalls(platform, offer)
    for manifest in listed:
        for name, port in (manifest.ports(platform) if manifest.ports else {}).items():
            setattr(platform, name, port)
        platform.resource_types.update({kind.name: kind for kind in manifest.types})
    await _start(platform, listed)
    return Node(platform, offer, App(platform, offer), listed)


async def _clock(store: Store, *, manual: bool, start_ms: int | None) -> Clock:
    """Service time goes on where an earlier run left it; a manual clock of a new store begins at `start_ms` or now."""
    floor = await service_time_floor(store)
    system = SystemClock(floor)
    return ManualClock(floor or start_ms or system.now_ms()) if manual else system


def _home(settings: Settings) -> str:
    """The data directory and its host: one process at a time has it open."""
    return "" if settings.ephemeral else f"{socket.gethostname()}:{settings.data.absolute()}"


def _terms(settings: Settings) -> str:
    """What the nodes of one store have to agree on, beside the format of the data (work/format.py)."""
    mode = "guarded" if settings.guarded else "open"
    return f"{mode} mode, account {settings.default_account}, region {settings.default_region}"


async def _start(platform: Platform, listed: list[Manifest]) -> None:
    keep_service_time(platform)
    await moving.stand_by(platform)
    await platform.blobs.start()
    await platform.logs.start()
    await platform.meters.start()
    await platform.traces.start()
    await platform.runtime.start()
    await platform.duties.start()
    for manifest in listed:
        if manifest.start is not None:
            await manifest.start(platform)
    await platform.timers.start({owner: _bound(platform, fn) for m in listed for owner, fn in m.timers.items()})
    await platform.outbox.start(
        {kind: _bound(platform, fn) for m in listed for kind, fn in m.deliverers.items()},
        concurrency={kind: most for m in listed for kind, most in m.parallel.items()},
    )


def bind(platform: Platform, settle: Callable[[Platform], Awaitable[bool]]) -> Settle:
    """A service's `settle` for its platform."""

    async def bound() -> bool:
        return await settle(platform)

    return bound


def _bound(platform: Platform, function: Callable[[Platform, Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
    async def bound(argument: bytes | Delivery) -> Any:
        return await function(platform, argument)

    return bound
