import asyncio

import msgspec
import pytest

from freehold.kit.clock import ManualClock, SystemClock
from freehold.kit.ids import Ids
from freehold.store.memory import MemoryStore
from freehold.work.duties import Duties, preferred
from freehold.work.leases import LeaseLost
from freehold.work.members import BEAT_S, TTL_S, NotOneOfThem, read_members
from freehold.work.tasks import Tasks
from tests.support import memory_store
from tests.work.cluster import Cluster, Node, settled

NAMES = tuple(f"mapping:{n}" for n in range(60))


def test_with_a_single_owner_work_begins_at_once_and_nothing_is_written():
    async def main():
        store = memory_store()
        duties = Duties(store, ManualClock(), Tasks())
        begun = []

        async def work(lease):
            begun.append(lease)
            await store.transact(lease.check)
            await lease.wait_ending()

        duty = duties.run("timers", work, patience=1)
        await duties.start()
        await settled()
        assert len(begun) == 1 and duties.holds("timers")
        assert await store.read(lambda tx: tx.scan(b"", b"\xff")) == []
        await duty.withdraw()
        assert not duties.holds("timers") and begun[0].ending

    asyncio.run(main())


def test_every_duty_has_one_node_and_they_are_spread_over_all():
    async def main():
        cluster = Cluster(3, NAMES)
        await cluster.join()
        owners = cluster.owners()
        assert all(len(nodes) == 1 for nodes in owners.values())
        shares = [len(node.held()) for node in cluster.nodes]
        assert sum(shares) == 60 and min(shares) >= 10, shares

    asyncio.run(main())


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


def test_a_hand_over_waits_for_the_work_to_end_within_its_patience():
    async def main():
        cluster = Cluster(1)
        await cluster.join()
        (owner,) = cluster.nodes
        finish = asyncio.Event()
        trace = []

        async def first(lease):
            lease.when_ending(lambda: trace.append("asked"))
            await lease.wait_ending()
            await finish.wait()
            await cluster.store.transact(lease.check)
            trace.append("ended")

        async def second(lease):
            trace.append("next")
            await lease.wait_ending()

        joined = cluster.make()
        name = next(n for n in NAMES if preferred(n, [owner.id, joined.id]) == joined.id)
        owner.duties.run(name, first, patience=5)
        await cluster.turns()
        cluster.nodes.append(joined)
        joined.duties.run(name, second)
        await joined.duties.start(background=False)
        await cluster.turns()
        assert trace == ["asked"]
        finish.set()
        await settled()
        await cluster.turns()
        assert trace == ["asked", "ended", "next"]

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


def test_withdrawing_removes_the_row_and_a_later_holder_is_told_from_an_earlier_one():
    async def main():
        cluster = Cluster(1)
        await cluster.join()
        (node,) = cluster.nodes
        duty = node.does("pipe:x")
        await cluster.turns()
        old = node.leases["pipe:x"]
        await duty.withdraw()
        assert await node.duties.describe() == {}
        node.does("pipe:x")
        await cluster.turns()
        await cluster.store.transact(node.leases["pipe:x"].check)
        with pytest.raises(LeaseLost):
            await cluster.store.transact(old.check)

    asyncio.run(main())


def test_work_done_once_is_withdrawn_by_itself_and_failing_work_begins_again():
    async def main():
        cluster = Cluster(1)
        await cluster.join()
        (node,) = cluster.nodes
        tried = []

        async def work(lease):
            tried.append(lease)
            if len(tried) == 1:
                raise ValueError("once")

        node.duties.run("stack:x", work, once=True)
        await cluster.turns()
        assert len(tried) == 1 and node.held() == {"stack:x"}
        async with asyncio.timeout(5):
            while node.duties.declared:
                await asyncio.sleep(0.01)
        await settled()
        assert len(tried) == 2 and await node.duties.describe() == {}

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


def test_in_the_background_duties_move_by_themselves_within_moments():
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

        async with asyncio.timeout(4):
            await shared_out()
        first = nodes.pop(0)
        await first.duties.close()
        async with asyncio.timeout(1):
            await shared_out()
        for node in [first, *nodes]:
            await node.tasks.close()

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
        for node in (ahead, behind, ahead, behind):
            node.duties.members._beaten -= 10
            await node.duties.start(background=False) if node.duties._started is False else await node.duties.turn()
        apart = ahead.clock.now_ms() - behind.clock.now_ms()
        assert 0 <= apart < 1_000, apart

    asyncio.run(main())


def test_a_node_whose_clock_or_terms_are_not_those_of_living_ones_does_not_join(monkeypatch):
    monkeypatch.setattr("freehold.work.members.BEAT_S", 0.05)

    async def main():
        store = MemoryStore(Ids(1), shared=True)
        first = Node(store, SystemClock())
        await first.duties.start(background=False)
        late = Node(store, Skewed(90_000))
        await late.duties.start(
            background=False
        )  # the first one's row does not move: it may be a dead one's of long ago
        await late.duties.close()

        async def beating():
            while True:
                await first.duties.members.beat()
                await asyncio.sleep(0.01)

        beats = asyncio.ensure_future(beating())
        for skew, words in ((90_000, "90 s ahead of"), (-90_000, "90 s behind")):
            clock = SystemClock()
            clock._ahead_ms = skew
            with pytest.raises(NotOneOfThem, match=words):
                await Node(store, clock).duties.start(background=False)
        other = Node(store, SystemClock())
        other.duties.members._row = msgspec.structs.replace(other.duties.members._row, terms="version 2")
        with pytest.raises(NotOneOfThem, match="this one with version 2"):
            await other.duties.start(background=False)
        beats.cancel()

    asyncio.run(main())
