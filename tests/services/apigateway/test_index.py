"""Ids of APIs, and what the front door keeps of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from freehold.services.apigateway import door, index
from tests.services.apigateway.support import Gateway, scenario


@scenario
async def test_nothing_of_a_deleted_api_stays_in_memory(gateway: Gateway) -> None:
    http = (await gateway("CreateApi", service="apigatewayv2", Name="a", ProtocolType="HTTP"))["ApiId"]
    rest = (await gateway("CreateRestApi", name="b"))["id"]
    for api in (http, rest):
        asked: Any = SimpleNamespace(id=api)
        try:
            await door.serve(gateway.platform, asked)
        except AttributeError:
            pass  # the request is none: the API has been compiled by then
    assert set(gateway.platform.own[index.COMPILED]) == {http, rest}
    await gateway("DeleteApi", service="apigatewayv2", ApiId=http)
    await gateway("DeleteRestApi", restApiId=rest)
    assert not gateway.platform.own[index.COMPILED]
