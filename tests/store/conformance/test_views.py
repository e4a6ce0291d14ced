"""Views: one state, for a thread that looks for long."""

from __future__ import annotations

import asyncio
import threading

from freehold.store.base import Store, Views
from tests.store.conformance.support import dump, put_all
from tests.store.conftest import OnStore


def test_a_view_is_one_state_however_long_it_is_looked_at(on_store: OnStore) -> None:
    async def check(store: Store) -> None:
        assert isinstance(store, Views)
        await store.transact(put_all({b"a": b"1", b"b": b"1"}))
        view = store.view()
        entered, changed = threading.Event(), threading.Event()

        def look() -> list[tuple[bytes, bytes]]:
            with view as tx:
                first = tx.get(b"a")
                entered.set()
                assert changed.wait(30), "a commit waits for whoever looks"
                return [(b"a", first or b""), *tx.scan(b"b", b"d")]

        looking = asyncio.ensure_future(asyncio.to_thread(look))
        assert await asyncio.to_thread(entered.wait, 30)
        await store.transact(put_all({b"a": b"2", b"b": b"2", b"c": b"2"}))
        changed.set()
        assert await looking == [(b"a", b"1"), (b"b", b"1")]
        assert await dump(store) == [(b"a", b"2"), (b"b", b"2"), (b"c", b"2")]

    on_store(check)
