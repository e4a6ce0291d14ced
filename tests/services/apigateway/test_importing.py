"""Imports of large definitions: nobody else waits for them, and no more is made of them than an API may be."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import yaml

from freehold.kit.faults import Fault
from freehold.kit.ids import Ids
from freehold.services.apigateway import definitions
from freehold.services.apigateway.http import openapi as http
from freehold.services.apigateway.http.state import Draft as HttpDraft
from freehold.services.apigateway.rest import openapi as rest
from freehold.services.apigateway.rest.state import Draft as RestDraft
from freehold.store.memory import MemoryStore
from tests.services.apigateway.support import Gateway, scenario

V2: dict[str, Any] = {"service": "apigatewayv2"}
SECTION = "x-amazon-apigateway-integration"
TO_HTTP = {"type": "http_proxy", "httpMethod": "GET", "uri": "http://127.0.0.1:9/"}


def http_api(routes: int, words: int = 0) -> dict[str, Any]:
    operation = {"summary": "w" * words, SECTION: TO_HTTP}
    paths = {f"/p{number}": {"get": operation} for number in range(routes)}
    return {"openapi": "3.0.1", "info": {"title": "api"}, "paths": paths}


def rest_api(*paths: str, words: int = 0, title: str = "api") -> dict[str, Any]:
    guarded = {"summary": "w" * words, "security": [{"guard": []}], SECTION: TO_HTTP}
    function = "arn:aws:lambda:us-east-1:111122223333:function:guard"
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"
    authorizer = {"type": "token", "authorizerUri": uri}
    scheme = {"type": "apiKey", "name": "Key", "in": "header", "x-amazon-apigateway-authorizer": authorizer}
    return {
        "swagger": "2.0",
        "info": {"title": title},
        "paths": {path: {"get": guarded} for path in paths},
        "securityDefinitions": {"guard": scheme},
    }


def text(document: dict[str, Any]) -> str:
    return orjson.dumps(document).decode()


@scenario
async def test_large_definitions_are_read_and_built_beside_the_event_loop(gateway: Gateway) -> None:
    """Building one of 10,000 routes held up every other call for five seconds."""
    large_rest = text(rest_api("/a/b", words=definitions.BESIDE)).encode()
    large_http = text(http_api(1, words=definitions.BESIDE))
    with pytest.MonkeyPatch.context() as patched:
        threads: list[str] = []
        for module, step in [(http, "parse"), (http, "build"), (rest, "parse"), (rest, "build")]:
            patched.setattr(module, step, _noting(threads, step, getattr(module, step)))
        made = await gateway("ImportRestApi", body=large_rest)
        for mode in ("merge", "overwrite"):
            await gateway("PutRestApi", restApiId=made["id"], mode=mode, body=large_rest)
        api = await gateway("ImportApi", **V2, Body=large_http)
        await gateway("ReimportApi", **V2, ApiId=api["ApiId"], Body=large_http)
        assert threads == ["parse beside", "build beside"] * 5
        threads.clear()
        await gateway("ReimportApi", **V2, ApiId=api["ApiId"], Body=text(http_api(1)))
        assert threads == ["parse on the loop", "build on the loop"]


def _noting(threads: list[str], step: str, function: Any) -> Any:
    def noted(*arguments: Any, **options: Any) -> Any:
        on_the_loop = threading.current_thread() is threading.main_thread()
        threads.append(f"{step} {'on the loop' if on_the_loop else 'beside'}")
        return function(*arguments, **options)

    return noted


@scenario
async def test_yaml_is_written_beside_the_event_loop(gateway: Gateway) -> None:
    """An API of 400 KB held up every other call for 800 ms."""
    made = await gateway("ImportRestApi", body=text(rest_api("/a")).encode())
    await gateway("CreateDeployment", restApiId=made["id"], stageName="prod")
    api = await gateway("ImportApi", **V2, Body=text(http_api(1)))
    stage = {"restApiId": made["id"], "stageName": "prod", "exportType": "oas30"}
    threads: list[str] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(yaml, "safe_dump", _noting(threads, "write", yaml.safe_dump))
        of_rest = await gateway("GetExport", **stage, accepts="application/yaml")
        of_http = await gateway("ExportApi", **V2, ApiId=api["ApiId"], Specification="OAS30", OutputType="YAML")
    assert threads == ["write beside"] * 2
    assert of_rest["contentType"] == "application/yaml" and of_rest["contentDisposition"].endswith('.yaml"')
    assert definitions.read(of_rest["body"].decode())["paths"] and definitions.read(of_http["body"].decode())["paths"]


@scenario
async def test_an_api_is_imported_again_with_as_many_routes_as_it_has(gateway: Gateway) -> None:
    """More than a thousand routes were an internal error: the ids ran out."""
    api = await gateway("ImportApi", **V2, Body=text(http_api(3)))
    await gateway("UpdateApi", **V2, ApiId=api["ApiId"], CorsConfiguration={"AllowOrigins": ["*"]}, Description="old")
    again = await gateway("ReimportApi", **V2, ApiId=api["ApiId"], Body=text(http_api(1_500)))
    assert (again["Name"], again["Description"]) == ("api", "old") and "CorsConfiguration" not in again
    found = await gateway("GetRoutes", **V2, ApiId=api["ApiId"], MaxResults="2000")
    assert len({route["RouteId"] for route in found["Items"]}) == 1_500
    assert {route["RouteKey"] for route in found["Items"]} == {f"GET /p{number}" for number in range(1_500)}


def test_the_time_that_routes_take_grows_with_their_number() -> None:
    """Each was compared with all before it: 10,000 took five seconds, 40,000 more than a minute."""
    begun = time.process_time()
    with pytest.raises(Fault) as caught:
        http.build(http_api(40_000), HttpDraft({}), definitions.id_maker(Ids(1), 7))
    assert caught.value.code == "BadRequestException" and "Maximum size" in caught.value.message
    assert time.process_time() - begun < 3


def test_a_key_that_two_operations_have_is_refused() -> None:
    paths = {path: {"get": {"isDefaultRoute": True, SECTION: TO_HTTP}} for path in ("/a", "/b")}
    with pytest.raises(Fault) as caught:
        http.build(http_api(0) | {"paths": paths}, HttpDraft({}), definitions.id_maker(Ids(1), 7))
    assert (caught.value.code, caught.value.message) == (
        "ConflictException",
        "Route with key $default already exists for this API",
    )


def test_what_many_operations_refer_to_is_not_written_out_beyond_what_an_api_may_be() -> None:
    """A hundred operations that share a section of a megabyte were written out to a hundred, and then refused."""
    shared = TO_HTTP | {"requestParameters": {f"overwrite:header.h{n}": "'x'" for n in range(40_000)}}
    operation = {SECTION: {"$ref": "#/components/x-amazon-apigateway-integrations/shared"}}
    document = http_api(0) | {
        "components": {"x-amazon-apigateway-integrations": {"shared": shared}},
        "paths": {f"/p{number}": {"get": operation} for number in range(100)},
    }
    fresh = HttpDraft({})
    with pytest.raises(Fault) as caught:
        http.build(document, fresh, definitions.id_maker(Ids(1), 7))
    assert "Maximum size" in caught.value.message and len(fresh.routes) < 3

    of_rest = TO_HTTP | {"requestTemplates": {"text/plain": "x" * 600_000}}
    document = rest_api() | {
        "parameters": {"shared": of_rest},
        "paths": {f"/p{number}": {"get": {SECTION: {"$ref": "#/parameters/shared"}}} for number in range(100)},
    }
    fresh_rest = RestDraft({}, {"root": {"id": "root", "path": "/", "resourceMethods": {}}})
    with pytest.raises(Fault) as caught:
        rest.build(document, fresh_rest, definitions.id_maker(Ids(1), 6))
    assert caught.value.code == "LimitExceededException" and len(fresh_rest.resources) < 5


@pytest.fixture
def twice() -> Iterator[Gateway]:
    """A gateway whose store runs every body twice."""
    gateway = Gateway()
    gateway.store = MemoryStore(Ids(1), repeat=1.0)
    gateway.boot()
    yield gateway


@pytest.mark.parametrize("mode", ["merge", "overwrite"])
def test_an_api_that_is_put_again_keeps_its_ids_however_often_the_body_runs(twice: Gateway, mode: str) -> None:
    async def main() -> None:
        made = await twice("ImportRestApi", body=text(rest_api("/a/b", "/gone")).encode())
        before = await by_path(twice, made["id"])
        (guard,) = (await twice("GetAuthorizers", restApiId=made["id"]))["items"]
        put = text(rest_api("/a/b", "/a/new", title="renamed")).encode()
        answer = await twice("PutRestApi", restApiId=made["id"], mode=mode, body=put)
        assert (answer["id"], answer["name"]) == (made["id"], "renamed")
        assert answer["rootResourceId"] == made["rootResourceId"]
        after = await by_path(twice, made["id"])
        assert set(after) == {"/", "/a", "/a/b", "/a/new", *(["/gone"] if mode == "merge" else [])}
        assert {path: after[path]["id"] for path in before if path in after} == {
            path: before[path]["id"] for path in before if path in after
        }
        for path in ("/a/b", "/a/new"):
            assert after[path]["parentId"] == before["/a"]["id"]
            method = after[path]["resourceMethods"]["GET"]
            assert method["authorizerId"] == guard["id"]
            assert method["methodIntegration"]["cacheNamespace"] == after[path]["id"]
        assert (await twice("GetAuthorizers", restApiId=made["id"]))["items"] == [guard]
        await twice.close()

    asyncio.run(main())


async def by_path(gateway: Gateway, api_id: str) -> dict[str, Any]:
    found = await gateway("GetResources", restApiId=api_id, embed=["methods"], limit=500)
    return {resource["path"]: resource for resource in found["items"]}
