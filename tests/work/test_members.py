"""Members: who lives, what time it is for all of them, and who may not join."""

import asyncio

import msgspec
import pytest

from freehold.kit.clock import ManualClock, SystemClock
from freehold.kit.ids import Ids
from freehold.store.memory import MemoryStore
from freehold.work.duties import Duties
from freehold.work.duties.rows import WAKE
from freehold.work.members import BEAT_S, TTL_S, NotOneOfThem, read_members
from freehold.work.tasks import Tasks
from tests.support import memory_store
from tests.work.cluster import Cluster, Node


def test_a_limit_is_divided_by_the_nodes_that_live():
    async def main():
        cluster = Cluster(3)
        await cluster.join()
        assert [node.duties.members.size for node in cluster.nodes] == [3, 3, 3]
        dead = cluster.nodes[0]
        await cluster.turns(TTL_S + 2 * BEAT_S, without=[dead])
        assert [node.duties.members.size for node in cluster.nodes[1:]] == [2, 2]
        assert Duties(memory_store(), ManualClock(), Tasks()).members.size == 1

    asyncio.run(main())


class Skewed(SystemClock):
    """The clock of a host that is ahead."""

    def __init__(self, ahead_ms):
        super().__init__()
        self.raise_to(self.now_ms() + ahead_ms)


def test_nodes_agree_on_the_time_of_the_one_that_is_furthest():
    async def main():
        store = MemoryStore(Ids(1), shared=True)
        ahead, behind = Node(store, Skewed(20_000)), Node(store, SystemClock())
        for node in (ahead, behind):
            await node.duties.start(background=False)
        for node in (ahead, behind):
            node.duties.members._beaten -= 10  # it is time for a beat
            await node.duties.turn()
        apart = ahead.clock.now_ms() - behind.clock.now_ms()
        assert 0 <= apart < 1_000, apart

    asyncio.run(main())


class Looked:
    """The store, as one node has it: whenever it looks, another one has just shown that it lives."""

    shared = True

    def __init__(self, store, other):
        self.store, self.other = store, other

    def __getattr__(self, name):
        return getattr(self.store, name)

    async def read(self, body):
        await self.other.duties.members.beat()
        return await self.store.read(body)


def test_a_node_whose_clock_or_terms_are_not_those_of_living_ones_does_not_join(monkeypatch):
    monkeypatch.setattr("freehold.work.members.BEAT_S", 0.0)

    async def main():
        store = MemoryStore(Ids(1), shared=True)
        first = Node(store, SystemClock())
        await first.duties.start(background=False)
        late = Node(store, Skewed(90_000))
        await late.duties.start(background=False)  # the first one's row does not move: it may be of long ago
        assert set(await store.read(read_members)) == {first.id, late.id}
        await late.duties.close()
        assert set(await store.read(read_members)) == {first.id}
        beaten = Looked(store, first)
        for skew, words in ((90_000, "90 s ahead of"), (-90_000, "90 s behind")):
            clock = SystemClock()
            clock._ahead_ms = skew
            with pytest.raises(NotOneOfThem, match=words):
                await Node(beaten, clock).duties.start(background=False)
        other = Node(beaten, SystemClock())
        other.duties.members._row = msgspec.structs.replace(other.duties.members._row, terms="version 2")
        with pytest.raises(NotOneOfThem, match="this one with version 2"):
            await other.duties.start(background=False)
        assert set(await store.read(read_members)) == {first.id}

    asyncio.run(main())


def test_a_node_that_leaves_rouses_the_others():
    """Whoever looked after its last duty was released, but while it was still a member, would wait for a beat."""

    async def main():
        cluster = Cluster(2)
        await cluster.join()
        async with cluster.store.watch(WAKE) as watch:
            await cluster.nodes[0].duties.close()
            assert list(await cluster.store.read(read_members)) == [cluster.nodes[1].id]
            assert await watch.wait(0)

    asyncio.run(main())
