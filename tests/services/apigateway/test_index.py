"""Ids of APIs, and what the front door keeps of them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from freehold.services.apigateway import door, index
from freehold.services.apigateway.http import apis as http_apis
from freehold.services.apigateway.rest import apis as rest_apis
from tests.support import Ids, manual_clock, memory_store


def test_nothing_of_a_deleted_api_stays_in_memory() -> None:
    async def main() -> None:
        platform: Any = SimpleNamespace(store=memory_store(), clock=manual_clock(), ids=Ids(1), own={})
        call: Any = SimpleNamespace(
            platform=platform, account="0" * 12, region="us-east-1", base_url="http://here", once=None
        )
        http = (await http_apis.create_api(call, {"Name": "a", "ProtocolType": "HTTP"}))["ApiId"]
        rest = (await rest_apis.create_rest_api(call, {"name": "b"}))["id"]
        for api in (http, rest):
            asked: Any = SimpleNamespace(id=api)
            try:
                await door.serve(platform, asked)
            except AttributeError:
                pass  # the request is none: the API has been compiled by then
        assert set(platform.own[index.COMPILED]) == {http, rest}
        await http_apis.delete_api(call, {"ApiId": http})
        await rest_apis.delete_rest_api(call, {"restApiId": rest})
        assert not platform.own[index.COMPILED]

    asyncio.run(main())
