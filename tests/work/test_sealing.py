from __future__ import annotations

import asyncio

import pytest

from freehold.kit.ids import Ids
from freehold.work.sealing import Sealer
from tests.support import memory_store


def test_a_secret_opens_only_for_what_it_was_sealed_for() -> None:
    async def run() -> None:
        from cryptography.exceptions import InvalidTag

        store = memory_store()
        sealed = await Sealer(store, Ids(1)).seal("1", "r", "thing", b"secret")
        assert b"secret" not in sealed
        again = Sealer(store, Ids(2))
        assert await again.open("1", "r", "thing", sealed) == b"secret"
        for account, bound in (("1", "other"), ("2", "thing")):
            with pytest.raises(InvalidTag):
                await again.open(account, "r", bound, sealed)

    asyncio.run(run())
