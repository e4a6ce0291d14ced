"""Platform: what every service may use, assembled once by node."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freehold.kit.clock import Clock
from freehold.kit.ids import Ids
from freehold.store.base import Store

if TYPE_CHECKING:
    from freehold.ports.calls import Calls
    from freehold.ports.functions import Functions
    from freehold.ports.identity import Identity
    from freehold.ports.resources import ResourceType
    from freehold.runtime.base import FunctionRuntime
    from freehold.work.blobs import Blobs
    from freehold.work.logs import LogWriter
    from freehold.work.meters import Meters
    from freehold.work.outbox import Outbox
    from freehold.work.tasks import Tasks
    from freehold.work.timers import Timers
    from freehold.work.traces import Traces


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator chose. `url` is the server's own address."""

    url: str = "http://127.0.0.1:4566"
    data: Path = Path(".freehold")
    guarded: bool = False
    ephemeral: bool = False
    default_account: str = "000000000000"
    default_region: str = "us-east-1"


@dataclass(slots=True)
class Platform:
    """The rooms below and the ports beside a service."""

    settings: Settings
    store: Store
    clock: Clock
    ids: Ids
    tasks: Tasks
    blobs: Blobs
    timers: Timers
    outbox: Outbox
    logs: LogWriter
    meters: Meters
    traces: Traces
    runtime: FunctionRuntime
    calls: Calls
    functions: Functions
    identity: Identity
    resource_types: dict[str, ResourceType] = field(default_factory=dict)
    own: dict[str, Any] = field(default_factory=dict)
    """Private state of services by service name: caches, compiled things, in-memory counts. Never facts."""
    in_flight: int = 0
    """Calls that are running now; bounded by front's throttle step."""
