"""What an account owns in API Gateway beyond the rows under its name: the ids of its APIs, which the installation knows."""

from __future__ import annotations

from collections.abc import Iterator

from freehold.kit.tuples import unpack
from freehold.ports.belongings import Belonging, Belongings, below, spaces_of
from freehold.services.apigateway.index import HTTP, REST
from freehold.work.checking import Snapshot


def _rows(snapshot: Snapshot, account: str) -> Iterator[Belonging]:
    for space in spaces_of(snapshot, "apigateway", account):
        for kind in (HTTP, REST):
            for key, _ in snapshot.below("apigateway", *space, kind):
                api_id = unpack(key)[-1]
                yield below("apigateway", "id", api_id)
                yield below("apigateway", "version", api_id)


BELONGINGS = Belongings(_rows)
