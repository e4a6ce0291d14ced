"""Several nodes on one memory store, under a monotonic clock that is moved by hand."""

import asyncio
import contextlib

from freehold.kit.clock import ManualClock
from freehold.kit.ids import Ids
from freehold.store.base import StoreError
from freehold.store.memory import MemoryStore
from freehold.work.duties import Duties
from freehold.work.members import BEAT_S, Members
from freehold.work.tasks import Tasks

NAMES = tuple(f"mapping:{n}" for n in range(60))
"""Duties, so many that every node of a few has its share."""


class HandClock(ManualClock):
    """Monotonic time by hand, too."""

    seconds = 0.0

    def monotonic(self):
        return self.seconds


class Cut:
    """A node's way to the shared store, which can be cut."""

    shared = True

    def __init__(self, store):
        self.store, self.cut = store, False

    def __getattr__(self, name):
        return getattr(self.store, name)

    async def transact(self, body, *, lane=None, early=False):
        if self.cut:
            raise StoreError("cut off")
        return await self.store.transact(body)

    async def read_many(self, body):
        if self.cut:
            raise StoreError("cut off")
        return await self.store.read_many(body)


class Node:
    def __init__(self, store, clock, home=""):
        self.store, self.clock, self.tasks = Cut(store), clock, Tasks()
        self.duties = Duties(self.store, clock, self.tasks, Members(self.store, clock, home=home))
        self.leases, self.log = {}, []

    @property
    def id(self):
        return self.duties.members.id

    def does(self, name, **options):
        async def work(lease):
            self.leases[name] = lease
            self.log.append(("begin", name))
            try:
                await asyncio.Event().wait()
            finally:
                self.log.append(("end", name))

        return self.duties.run(name, work, **options)

    def held(self):
        return {name for name in self.duties.declared if self.duties.holds(name)}


class Cluster:
    """Nodes on one store; each declares `names`. `kind` makes them: Node(store, clock, home)."""

    def __init__(self, count, names=(), kind=Node):
        self.store = MemoryStore(Ids(1), repeat=0.125, shared=True)
        self.clock = HandClock()
        self.names, self.kind = names, kind
        self.nodes = [self.make() for _ in range(count)]

    def make(self, home=""):
        node = self.kind(self.store, self.clock, home)
        for name in self.names:
            node.does(name)
        return node

    async def join(self):
        for node in self.nodes:
            await node.duties.start(background=False)
        await self.turns()

    async def turns(self, seconds=0.0, *, without=()):
        """Let that much monotonic time pass; then everybody takes turns until all is settled."""
        while True:
            for _ in range(4):
                for node in self.nodes:
                    if node not in without:
                        node.duties.stop_if_out_of_touch()
                        with contextlib.suppress(StoreError):
                            await node.duties.turn()
                await settled()
            if seconds <= 0:
                return
            self.clock.seconds += BEAT_S
            seconds -= BEAT_S

    def owners(self):
        """The nodes that hold each duty."""
        return {name: [n for n in self.nodes if name in n.held()] for name in self.names}


async def settled():
    for _ in range(30):
        await asyncio.sleep(0)
