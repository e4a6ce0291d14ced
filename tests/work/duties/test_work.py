"""The work of a duty on the node that has it: begun, repeated when it fails, ended, withdrawn."""

import asyncio

import pytest

from freehold.kit.clock import ManualClock
from freehold.work.duties import Duties, preferred
from freehold.work.leases import LeaseLost
from freehold.work.tasks import Tasks
from tests.support import memory_store
from tests.work.cluster import NAMES, Cluster, settled


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


def test_work_that_does_not_end_within_its_patience_is_cancelled():
    async def main():
        cluster = Cluster(1)
        await cluster.join()
        (node,) = cluster.nodes
        trace = []

        async def work(lease):
            try:
                await lease.wait_ending()
                trace.append("asked")
                await asyncio.Event().wait()
            finally:
                trace.append("over")

        duty = node.duties.run("pipe:x", work, patience=0.01)
        await cluster.turns()
        assert trace == []
        async with asyncio.timeout(30):
            await duty.withdraw()
        assert trace == ["asked", "over"] and await node.duties.describe() == {}

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
