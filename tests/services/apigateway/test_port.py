import asyncio
from types import SimpleNamespace

import pytest

from freehold.services.apigateway import index
from freehold.services.apigateway.port import AddressesPort
from tests.support import memory_store


def home(url):
    async def main():
        platform = SimpleNamespace(store=memory_store(), settings=SimpleNamespace(url="http://127.0.0.1:4566"))
        await platform.store.transact(lambda tx: index.claim(tx, "abc123", "0" * 12, "us-east-1", index.REST))
        return await AddressesPort(platform).home(url)

    return asyncio.run(main())


def test_an_api_spelled_as_aws_does_leads_to_this_server():
    assert home("https://abc123.execute-api.us-east-1.amazonaws.com/Prod/x?y=1") == (
        "http://127.0.0.1:4566/_apis/abc123/Prod/x?y=1"
    )
    assert home("https://abc123.execute-api.us-east-1.amazonaws.com") == "http://127.0.0.1:4566/_apis/abc123"


@pytest.mark.parametrize(
    "url",
    [
        "https://other.execute-api.us-east-1.amazonaws.com/Prod",
        "https://abc123.execute-api.us-east-1.amazonaws.com.example.com/",
        "https://example.com/abc123.execute-api.us-east-1.amazonaws.com/",
        "http://localhost:8000/hook",
    ],
)
def test_any_other_address_stays_as_it_is(url):
    assert home(url) == url
