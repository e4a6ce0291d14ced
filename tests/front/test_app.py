"""The application: what is answered and told when something fails that nobody expected."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from freehold.front.app import App
from freehold.front.body import Body
from freehold.front.offer import Offer
from freehold.kit.http import Request
from freehold.ports.manifest import Manifest
from freehold.store.base import CommitUnknown, LimitExceeded
from tests.services.dynamodb.support import FakePlatform


class NoValve:
    def go_on(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...


@pytest.mark.parametrize(
    ("problem", "traced"),
    [(CommitUnknown("the connection to the store broke"), False), (LimitExceeded("key"), True), (KeyError("x"), True)],
)
def test_a_store_that_is_away_is_told_in_a_line_and_a_defect_with_its_trace(
    problem: Exception, traced: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def door(platform: Any, asked: Any) -> None:
        raise problem

    async def main() -> None:
        manifest = Manifest("lambda", (), lambda call: "*", "lambda", hosts={"lambda-url": door})
        body = Body(NoValve(), None)
        body.end()
        request = Request("GET", "/_lambda-url/x/", headers={"host": "localhost"})
        answer = await App(cast(Any, FakePlatform()), Offer([manifest]))(request, body)
        assert (answer.status, answer.body) == (500, b'{"message":"Internal Server Error"}')

    asyncio.run(main())
    (said,) = caplog.records
    assert "to lambda-url failed" in said.getMessage()
    assert bool(said.exc_info) is traced
    assert str(problem) in said.getMessage()
