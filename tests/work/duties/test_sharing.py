"""How nodes that live share duties, and how duties move when a node joins or leaves."""

import asyncio

from freehold.kit.clock import ManualClock
from freehold.kit.ids import Ids
from freehold.store.memory import MemoryStore
from freehold.work.duties import preferred
from freehold.work.members import BEAT_S, TTL_S
from tests.work.cluster import NAMES, Cluster, Node


def test_every_duty_has_one_node_and_they_are_spread_over_all():
    async def main():
        cluster = Cluster(3, NAMES)
        await cluster.join()
        owners = cluster.owners()
        assert all(len(nodes) == 1 for nodes in owners.values())
        shares = [len(node.held()) for node in cluster.nodes]
        assert sum(shares) == 60 and min(shares) >= 10, shares

    asyncio.run(main())


def test_a_node_that_joins_gets_its_share_handed_over_and_one_that_leaves_gives_it_back_at_once():
    async def main():
        cluster = Cluster(2, NAMES)
        await cluster.join()
        before = {node: node.held() for node in cluster.nodes}
        joined = cluster.make()
        cluster.nodes.append(joined)
        await joined.duties.start(background=False)
        await cluster.turns()
        share = joined.held()
        assert len(share) >= 10 and all(len(nodes) == 1 for nodes in cluster.owners().values())
        for node, had in before.items():
            assert node.held() == had - share, "no duty moves but to the one that joined"
        await joined.duties.close()
        cluster.nodes.remove(joined)
        await cluster.turns()
        assert {node: node.held() for node in cluster.nodes} == before
        assert cluster.clock.seconds == 0, "nobody had to wait"

    asyncio.run(main())


def test_a_duty_that_does_not_move_stays_with_its_living_owner():
    async def main():
        cluster = Cluster(2)
        await cluster.join()
        first, second = cluster.nodes
        for name in NAMES:
            first.does(name, moves=False, here=True)
        await cluster.turns()
        for name in NAMES:
            second.does(name, moves=False)
        await cluster.turns(3 * BEAT_S)
        assert first.held() == set(NAMES)
        await cluster.turns(TTL_S + 2 * BEAT_S, without=(first,))
        assert second.held() == set(NAMES)

    asyncio.run(main())


def test_a_duty_that_the_preferred_node_does_not_want_is_done_by_another():
    async def main():
        cluster = Cluster(2)
        await cluster.join()
        first, second = cluster.nodes
        name = next(n for n in NAMES if preferred(n, [first.id, second.id]) == second.id)
        first.does(name)
        await cluster.turns()
        assert first.held() == set()
        await cluster.turns(TTL_S + BEAT_S)
        assert first.held() == {name}

    asyncio.run(main())


def test_of_two_nodes_that_take_a_duty_at_once_one_has_it():
    async def main():
        cluster = Cluster(2)
        await cluster.join()
        first, second = cluster.nodes
        declared = [(node, node.does("timers", moves=False)) for node in cluster.nodes]
        for node, duty in declared:
            await node.duties._take([(duty, None)])  # both have seen that it is free
        assert [duty.lease is not None for _, duty in declared] == [True, False]
        await cluster.turns()
        assert (first.held(), second.held()) == ({"timers"}, set())

    asyncio.run(main())


def test_in_the_background_duties_move_by_themselves_within_moments(monkeypatch):
    """Nodes rouse each other: nothing here waits for a beat, or for somebody to look dead."""
    monkeypatch.setattr("freehold.work.duties.room.BEAT_S", 600.0)
    monkeypatch.setattr("freehold.work.members.TTL_S", 600.0)

    async def main():
        store = MemoryStore(Ids(1), shared=True)
        nodes = [Node(store, ManualClock()) for _ in range(2)]
        for node in nodes:
            for name in NAMES:
                node.does(name)
            await node.duties.start()

        async def shared_out():
            while sum(len(node.held()) for node in nodes) < 60 or not all(node.held() for node in nodes):
                await asyncio.sleep(0.01)

        async with asyncio.timeout(30):
            await shared_out()
            first = nodes.pop(0)
            await first.duties.close()
            await shared_out()
        for node in [first, *nodes]:
            await node.tasks.close()

    asyncio.run(main())
