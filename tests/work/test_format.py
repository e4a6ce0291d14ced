"""One number says who may work on a store, whatever their versions."""

import asyncio

import pytest

from freehold.kit.ids import Ids
from freehold.store.base import StoreTooNew
from freehold.store.memory import MemoryStore
from freehold.work import format
from freehold.work.format import Stated


def test_a_new_store_states_the_format_and_who_brought_it():
    async def main():
        store = MemoryStore(Ids(1), shared=True)
        assert await format.settle(store, "0.1.0") is None
        assert await store.read(format.stated) == Stated(format.FORMAT, "0.1.0")

    asyncio.run(main())


def test_another_version_of_the_same_format_joins_and_changes_nothing():
    async def main():
        store = MemoryStore(Ids(1), shared=True)
        await format.settle(store, "0.1.0")
        for version in ("0.2.0", "0.0.9"):
            assert await format.settle(store, version) is None
        assert await store.read(format.stated) == Stated(format.FORMAT, "0.1.0")

    asyncio.run(main())


def test_a_store_from_before_the_row_is_of_format_1():
    async def main():
        store = MemoryStore(Ids(1), shared=True)
        await store.transact(lambda tx: tx.put(b"some", b"row"))
        assert await store.read(format.stated) == Stated(1, "")
        assert await format.settle(store, "0.1.0") is None
        assert await store.read(format.stated) == Stated(1, "0.1.0")

    asyncio.run(main())


@pytest.mark.parametrize("shared", [False, True])
def test_a_newer_format_is_refused_with_what_to_do(shared, monkeypatch):
    async def main():
        store = MemoryStore(Ids(1), shared=shared)
        with monkeypatch.context() as newer:
            newer.setattr(format, "FORMAT", format.FORMAT + 1)
            await format.settle(store, "9.0.0")
        before = await store.read(lambda tx: tx.scan(b"", b"\xff"))
        with pytest.raises(StoreTooNew, match=r"format 2, which came with Freehold 9.0.0.*install 9.0.0 or newer"):
            await format.settle(store, "0.1.0")
        assert await store.read(lambda tx: tx.scan(b"", b"\xff")) == before

    asyncio.run(main())


def test_an_older_format_is_raised_only_by_who_has_the_store_alone(monkeypatch):
    async def main():
        for shared in (True, False):
            store = MemoryStore(Ids(1), shared=shared)
            await format.settle(store, "0.1.0")
            with monkeypatch.context() as newer:
                newer.setattr(format, "FORMAT", format.FORMAT + 1)
                older = await format.settle(store, "9.0.0")
                assert older == (Stated(1, "0.1.0") if shared else None)
                found = await store.read(format.stated)
                assert found == (Stated(1, "0.1.0") if shared else Stated(2, "9.0.0"))

    asyncio.run(main())
