"""API Gateway on the memory store, without HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from freehold.kit.tuples import span
from freehold.ports.manifest import Manifest
from freehold.services.apigateway.service import MANIFESTS
from freehold.store.base import ReadTx
from freehold.work.checking import Report, Snapshot, run
from tests.services.house import ACCOUNT, REGION, House, scenarios


class Gateway(House):
    """`await gateway("CreateRestApi", name="api")`; operations of HTTP APIs with service="apigatewayv2"."""

    model: ClassVar[str] = "apigateway"
    manifests: ClassVar[Sequence[Manifest]] = MANIFESTS

    async def count(self, *kind: str) -> int:
        """How many rows of a kind the account has."""
        start, end = span("apigateway", ACCOUNT, REGION, *kind)

        def body(tx: ReadTx) -> int:
            found, at = 0, start
            while page := tx.scan(at, end):
                found, at = found + len(page), page[-1][0] + b"\x00"
            return found

        return await self.store.read(body)

    async def check(self) -> list[str]:
        """What `freehold check` finds."""
        lines: list[str] = []
        manifest = MANIFESTS[1]
        assert manifest.check is not None
        check = manifest.check
        await self.store.read(lambda tx: run(Snapshot(tx), Report(lines.append), [("apigateway", check)]))
        return sorted(set(lines))


scenario = scenarios(Gateway)
