"""Closing: what was begun is finished, and nothing can be begun."""

from __future__ import annotations

import asyncio

import pytest

from freehold.store.base import Store, StoreError
from tests.store.conformance.support import put_all
from tests.store.conftest import OnStore


def test_close_finishes_what_was_begun(on_store: OnStore) -> None:
    async def check(store: Store) -> None:
        tasks = [asyncio.create_task(store.transact(put_all({b"%d" % n: b""}))) for n in range(300)]
        await asyncio.sleep(0)
        await store.close()
        await asyncio.gather(*tasks)
        for call in (store.transact, store.read, store.read_many):
            with pytest.raises(StoreError):
                await call(lambda tx: tx.get(b"k"))
        await store.close()

    on_store(check)
