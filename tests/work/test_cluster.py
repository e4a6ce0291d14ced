"""Outbox and timers on several nodes: who performs, and what a node that was replaced can still do."""

import asyncio

import pytest

from freehold.kit.ids import Ids
from freehold.work.duties import preferred
from freehold.work.members import BEAT_S, TTL_S
from freehold.work.outbox import Outbox, pending
from freehold.work.timers import Timers
from tests.work.cluster import Cluster, Node, settled


class Worker(Node):
    """A node with an outbox and timers. What they do waits for `gate`."""

    def __init__(self, store, clock, home=""):
        super().__init__(store, clock, home)
        self.timers = Timers(self.store, clock, self.tasks, self.duties)
        self.outbox = Outbox(self.store, clock, Ids(1), self.tasks, self.duties)
        self.gate, self.done, self.begun = asyncio.Event(), [], []
        self.gate.set()
        self.following = None

    async def start(self):
        await self.timers.start({"one": self.fire, "two": self.fire})
        await self.outbox.start({"note": self.deliver, "call": self.deliver})

    async def deliver(self, delivery):
        self.begun.append(delivery.id)
        await self.gate.wait()
        self.done.append((delivery.id, delivery.attempt))

    async def fire(self, key):
        self.begun.append(key)
        await self.gate.wait()
        self.done.append(key)
        return self.following

    async def add(self, *ids, kind="note", group=None):
        for id in ids:
            await self.store.transact(lambda tx, id=id: self.outbox.add(tx, kind, b"", id=id, due_ms=0, group=group))


async def workers(count):
    cluster = Cluster(count, kind=Worker)
    for node in cluster.nodes:
        await node.start()
    await cluster.join()
    return cluster


def owner_of(cluster, name):
    (owner,) = [node for node in cluster.nodes if name in node.held()]
    others = [node for node in cluster.nodes if node is not owner]
    return owner, others


@pytest.mark.parametrize("count", [1, 3])
def test_whoever_adds_it_an_effect_is_performed_once_by_the_node_of_its_kind(count):
    async def main():
        cluster = await workers(count)
        owner, others = owner_of(cluster, "outbox:note")
        for n, node in enumerate(cluster.nodes):
            await node.add(f"x{n}")
        await settled()
        await settled()
        assert sorted(owner.done) == [(f"x{n}", 1) for n in range(count)]
        assert not any(node.done for node in others)
        assert await cluster.store.read(lambda tx: pending(tx, "note")) == []

    asyncio.run(main())


def test_what_a_killed_node_had_under_way_is_performed_by_another():
    async def main():
        cluster = await workers(3)
        dead, others = owner_of(cluster, "outbox:note")
        dead.gate.clear()
        await others[0].add("x")
        await settled()
        assert dead.begun == ["x"]
        await cluster.turns(TTL_S + 2 * BEAT_S, without=(dead,))
        assert [node.done for node in others if node.done] == [[("x", 1)]]
        assert await cluster.store.read(lambda tx: pending(tx, "note")) == []

    asyncio.run(main())


def test_a_replaced_node_cannot_record_how_its_deliveries_ended():
    async def main():
        cluster = await workers(2)
        paused, (other,) = owner_of(cluster, "outbox:note")
        paused.gate.clear()
        other.gate.clear()
        await other.add("x")
        await settled()
        await cluster.turns(TTL_S + 2 * BEAT_S, without=(paused,))
        assert other.begun == ["x"]
        paused.gate.set()
        await settled()
        assert paused.done == [("x", 1)], "it did not know better"
        assert [id for _, id in await cluster.store.read(lambda tx: pending(tx, "note"))] == ["x"]
        other.gate.set()
        await settled()
        assert await cluster.store.read(lambda tx: pending(tx, "note")) == []

    asyncio.run(main())


def test_a_node_that_was_out_of_touch_performs_again_what_it_had_to_drop():
    async def main():
        cluster = await workers(1)
        (node,) = cluster.nodes
        node.gate.clear()
        await node.add("x")
        await settled()
        cluster.clock.seconds += 2 * TTL_S
        node.duties.stop_if_out_of_touch()
        await settled()
        assert node.held() == set() and node.begun == ["x"]
        node.gate.set()
        await cluster.turns()
        await settled()
        assert node.begun == ["x", "x"] and node.done == [("x", 1)]

    asyncio.run(main())


def test_the_order_of_a_group_holds_when_its_kind_is_handed_over():
    async def main():
        cluster = await workers(1)
        (first,) = cluster.nodes
        while True:  # until a node joins that the kind prefers
            joined = Worker(cluster.store, cluster.clock)
            if preferred("outbox:note", [first.id, joined.id]) == joined.id:
                break
        first.gate.clear()
        await first.add("a", "b", "c", group=b"g")
        await settled()
        assert first.begun == ["a"]
        await joined.start()
        cluster.nodes.append(joined)
        await joined.duties.start(background=False)
        await cluster.turns()
        assert joined.begun == [], "the first one may still end what it began"
        first.gate.set()
        await settled()
        await cluster.turns()
        await settled()
        assert first.done == [("a", 1)]
        assert joined.done == [("b", 1), ("c", 1)]

    asyncio.run(main())


def test_a_timer_fires_once_on_one_of_several_nodes_and_after_its_death_on_another():
    async def main():
        cluster = await workers(3)
        dead, others = owner_of(cluster, "timers:one")
        now = cluster.clock.now_ms()
        await others[0].store.transact(lambda tx: others[0].timers.set(tx, "one", b"k", now + 1000))
        await settled()
        cluster.clock.advance(1)
        await settled()
        assert dead.done == [b"k"] and not any(node.done for node in others)
        dead.gate.clear()
        await others[0].store.transact(lambda tx: others[0].timers.set(tx, "one", b"l", now))
        await settled()
        assert dead.begun == [b"k", b"l"]
        await cluster.turns(TTL_S + 2 * BEAT_S, without=(dead,))
        assert [node.done for node in others if node.done] == [[b"l"]]
        await others[0].store.transact(lambda tx: others[0].timers.set(tx, "one", b"m", now))
        await settled()
        assert [node.done for node in others if node.done] == [[b"l", b"m"]]
        assert b"m" not in dead.begun, "what was only paused begins nothing more"
        dead.following = now + 60_000
        dead.gate.set()
        await settled()
        assert dead.done == [b"k", b"l"]
        due = await cluster.store.read(lambda tx: others[0].timers.due(tx, "one", b"l"))
        assert due is None, "the dead one, which was only paused, could not set it again"

    asyncio.run(main())
