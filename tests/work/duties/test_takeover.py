"""What becomes of the duties of a node that died, was paused or cut off."""

import asyncio

import pytest

from freehold.work.leases import LeaseLost
from freehold.work.members import BEAT_S, TTL_S, read_members
from tests.work.cluster import NAMES, Cluster, settled


def test_duties_of_a_dead_node_are_taken_over_and_others_stay_where_they_are():
    async def main():
        cluster = Cluster(3, NAMES)
        await cluster.join()
        dead, *others = cluster.nodes
        before = {node: node.held() for node in others}
        lost = dead.held()
        await cluster.turns(TTL_S - 2 * BEAT_S, without=(dead,))
        assert {node: node.held() for node in others} == before, "nobody is taken for dead before its time"
        await cluster.turns(4 * BEAT_S, without=(dead,))
        assert set().union(*(node.held() for node in others)) == set(NAMES)
        for node in others:
            assert before[node] < node.held()
            assert not any(entry[0] == "end" for entry in node.log)
        leases = [dead.leases[name] for name in lost]

        def acts(lease):
            def body(tx):
                lease.check(tx)
                tx.put(b"acted", b"")

            return body

        for lease in leases:
            with pytest.raises(LeaseLost):
                await cluster.store.transact(acts(lease))
        assert await cluster.store.read(lambda tx: tx.get(b"acted")) is None
        for node in others:
            for name in node.held():
                await cluster.store.transact(node.leases[name].check)

    asyncio.run(main())


def test_a_paused_node_that_comes_back_ends_its_work_and_takes_its_share_again():
    async def main():
        cluster = Cluster(2, NAMES)
        await cluster.join()
        paused, other = cluster.nodes
        mine = paused.held()
        await cluster.turns(TTL_S + 3 * BEAT_S, without=(paused,))
        assert other.held() == set(NAMES)
        paused.duties.stop_if_out_of_touch()
        await settled()
        assert paused.held() == set()
        assert mine <= {name for what, name in paused.log if what == "end"}
        await cluster.turns(2 * BEAT_S)
        assert paused.held() == mine and other.held() == set(NAMES) - mine
        for name in mine:
            await cluster.store.transact(paused.leases[name].check)

    asyncio.run(main())


def test_a_node_that_cannot_reach_the_store_stops_by_itself_before_others_take_over():
    async def main():
        cluster = Cluster(2, NAMES)
        await cluster.join()
        off, other = cluster.nodes
        off.store.cut = True
        while off.held():
            assert other.held() & off.held() == set()
            await cluster.turns(BEAT_S)
        assert cluster.clock.seconds <= TTL_S + BEAT_S
        await cluster.turns(4 * BEAT_S)
        assert other.held() == set(NAMES)
        off.store.cut = False
        await cluster.turns(BEAT_S)
        assert off.held() and all(len(nodes) == 1 for nodes in cluster.owners().values())

    asyncio.run(main())


def test_when_the_store_stood_still_for_everybody_nobody_is_taken_for_dead():
    async def main():
        cluster = Cluster(3, NAMES)
        await cluster.join()
        before = [node.held() for node in cluster.nodes]
        for node in cluster.nodes:
            node.store.cut = True
        await cluster.turns(20)
        assert not any(node.held() for node in cluster.nodes), "out of touch, they stopped"
        for node in cluster.nodes:
            node.store.cut = False
        await cluster.turns()
        assert [node.held() for node in cluster.nodes] == before
        assert all(len(node.duties.members.live()) == 3 for node in cluster.nodes)

    asyncio.run(main())


def test_a_restarted_node_does_not_wait_for_what_its_killed_process_held():
    async def main():
        cluster = Cluster(0, NAMES)
        cluster.nodes.append(cluster.make("host-a:/data"))
        await cluster.join()
        assert cluster.nodes[0].held() == set(NAMES)
        cluster.nodes[0] = cluster.make("host-a:/data")
        await cluster.join()
        assert cluster.nodes[0].held() == set(NAMES) and cluster.clock.seconds == 0

    asyncio.run(main())


def test_rows_that_nobody_needs_are_removed():
    async def main():
        cluster = Cluster(2)
        await cluster.join()
        gone, stays = cluster.nodes
        gone.does("pipe:x")
        stays.does("timers")
        await cluster.turns(TTL_S + BEAT_S)
        assert set(await stays.duties.describe()) == {"pipe:x", "timers"}
        await cluster.turns(700, without=(gone,))
        assert set(await stays.duties.describe()) == {"timers"}
        assert list(await cluster.store.read(read_members)) == [stays.id]

    asyncio.run(main())
