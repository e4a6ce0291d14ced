"""Platform: what every service may use, assembled once by node."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from freehold.kit.clock import Clock
from freehold.kit.ids import Ids
from freehold.ports.addresses import Addresses, AsSpelled
from freehold.store.base import Store
from freehold.work.duties import Duties
from freehold.work.outgoing import Outgoing

if TYPE_CHECKING:
    from freehold.ports.accounts import Accounts
    from freehold.ports.calls import Calls
    from freehold.ports.events import Events
    from freehold.ports.functions import Functions
    from freehold.ports.identity import Identity
    from freehold.ports.loggroups import LogGroups
    from freehold.ports.queues import Queues
    from freehold.ports.resources import ResourceType
    from freehold.ports.topics import Topics
    from freehold.runtime.base import FunctionRuntime
    from freehold.work.advance import Advance
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


class Absent:
    """Stands for a port that no service offers; using it says so."""

    def __init__(self, port: str) -> None:
        self._port = port

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no service of this node offers the port {self._port!r}")


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
    calls: Calls = field(default_factory=lambda: cast("Calls", Absent("calls")))
    functions: Functions = field(default_factory=lambda: cast("Functions", Absent("functions")))
    identity: Identity = field(default_factory=lambda: cast("Identity", Absent("identity")))
    queues: Queues = field(default_factory=lambda: cast("Queues", Absent("queues")))
    topics: Topics = field(default_factory=lambda: cast("Topics", Absent("topics")))
    log_groups: LogGroups = field(default_factory=lambda: cast("LogGroups", Absent("log_groups")))
    addresses: Addresses = field(default_factory=AsSpelled)
    events: Events = field(default_factory=lambda: cast("Events", Absent("events")))
    duties: Duties = field(default=cast(Duties, None))
    """Named work that one node does at a time. Made for a single owner of the store where node did not say otherwise."""
    outgoing: Outgoing = field(default_factory=Outgoing)
    """The pools of connections to addresses that users chose."""
    advance: Advance | None = None
    """Moves service time, where the clock is manual."""
    resource_types: dict[str, ResourceType] = field(default_factory=dict)
    own: dict[str, Any] = field(default_factory=dict)
    """Private state of services by service name: caches, compiled things, in-memory counts. Never facts."""
    accounts: Accounts = field(default_factory=lambda: cast("Accounts", Absent("accounts")))
    """Moves whole accounts in and out; node's own."""
    arriving: set[str] = field(default_factory=set)
    """Accounts that are being imported: nobody may call them before they are complete."""
    in_flight: int = 0
    """Calls that are running now; bounded by front's throttle step."""

    def __post_init__(self) -> None:
        if self.duties is None:
            self.duties = Duties(self.store, self.clock, self.tasks)
