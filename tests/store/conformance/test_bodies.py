"""Bodies: one that raises leaves nothing behind and harms nobody; an early result is there for whoever comes later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from freehold.store.base import Store, Tx
from tests.store.conformance.support import Refused, dump, put_all
from tests.store.conftest import OnStore


def test_a_body_that_raises_leaves_nothing_behind(on_store: OnStore) -> None:
    def body(tx: Tx) -> None:
        tx.put(b"k", b"")
        tx.delete(b"there")
        tx.append(b"log", b"")
        raise Refused("no")

    async def check(store: Store) -> None:
        await store.transact(put_all({b"there": b""}))
        with pytest.raises(Refused, match="no"):
            await store.transact(body)
        assert await dump(store) == [(b"there", b"")]

    on_store(check)


def test_a_failing_member_leaves_its_group_alone(on_store: OnStore) -> None:
    def member(n: int) -> Callable[[Tx], int]:
        def body(tx: Tx) -> int:
            tx.put(b"m/%02d" % n, b"")
            tx.put(b"last", b"%d" % n)
            if n % 3 == 0:
                raise Refused(str(n))
            return n

        return body

    async def check(store: Store) -> None:
        outcomes = await asyncio.gather(*(store.transact(member(n)) for n in range(31)), return_exceptions=True)
        for n, outcome in enumerate(outcomes):
            assert outcome == n if n % 3 else isinstance(outcome, Refused)
        assert [key for key, _ in await dump(store, b"m", b"n")] == [b"m/%02d" % n for n in range(31) if n % 3]
        last = await store.read(lambda tx: tx.get(b"last"))
        assert last is not None and int(last) % 3

    on_store(check)


@pytest.mark.parametrize(
    ("error", "reaches"),
    [
        (StopIteration(), RuntimeError),  # as Python has it: no coroutine can raise a StopIteration
        (asyncio.CancelledError(), asyncio.CancelledError),
        (KeyError("k"), KeyError),
    ],
)
def test_any_error_reaches_its_caller_and_nobody_else(
    on_store: OnStore, error: BaseException, reaches: type[BaseException]
) -> None:
    def body(tx: Tx) -> None:
        raise error

    async def check(store: Store) -> None:
        outcomes = await asyncio.gather(
            store.transact(put_all({b"a": b""})),
            store.transact(body),
            store.transact(put_all({b"b": b""})),
            return_exceptions=True,
        )
        assert outcomes[0] is outcomes[2] is None
        assert type(outcomes[1]) is reaches
        assert len(await dump(store)) == 2

    on_store(check)


def test_a_cancelled_caller_does_not_harm_the_others(on_store: OnStore) -> None:
    async def check(store: Store) -> None:
        for round_ in range(10):
            tasks = [asyncio.create_task(store.transact(put_all({b"%d/%d" % (round_, n): b""}))) for n in range(8)]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert outcomes[1::2] == [None] * 4
            rows = {key for key, _ in await dump(store, b"%d/" % round_, b"%d0" % round_)}
            assert {b"%d/%d" % (round_, n) for n in (1, 3, 5, 7)} <= rows

    on_store(check)


def test_what_was_told_early_is_there_for_whoever_comes_later(on_store: OnStore) -> None:
    async def check(store: Store) -> None:
        for n in range(20):
            key = b"%d" % n

            def take(tx: Tx, key: bytes = key) -> bytes | None:
                tx.put(key, b"taken")
                return tx.get(key)

            assert await store.transact(take, early=True) == b"taken"
            assert await store.transact(lambda tx, key=key: tx.get(key)) == b"taken"  # type: ignore[misc]
        with pytest.raises(Refused):
            await store.transact(refuse, early=True)
        assert len(await dump(store)) == 20

    def refuse(tx: Tx) -> None:
        tx.put(b"never", b"")
        raise Refused

    on_store(check)
