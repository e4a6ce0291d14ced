"""Patch operations on methods, integrations, their responses, gateway responses and authorizers of REST APIs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.apigateway.support import Gateway, scenario

URI = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{}/invocations".format(
    "arn:aws:lambda:us-east-1:111122223333:function:guard"
)
TEMPLATE = {"application/json": '{"statusCode": 200}'}


class Api:
    """An API with a method, a MOCK integration, both their responses, and an authorizer."""

    def __init__(self, gateway: Gateway, where: dict[str, str]) -> None:
        self._gateway, self._where = gateway, where

    async def update(self, thing: str, *operations: tuple[str, str] | tuple[str, str, str]) -> dict[str, Any]:
        patches = [dict(zip(("op", "path", "value"), operation, strict=False)) for operation in operations]
        return await self._gateway(f"Update{thing}", **self._of(thing), patchOperations=patches)

    async def refused(self, thing: str, *operation: str) -> tuple[str, str]:
        patch = dict(zip(("op", "path", "value"), operation, strict=False))
        return await self._gateway.refused(f"Update{thing}", **self._of(thing), patchOperations=[patch])

    async def ask(self, verb: str, thing: str) -> dict[str, Any]:
        return await self._gateway(f"{verb}{thing}", **self._of(thing))

    async def refused_to(self, verb: str, thing: str) -> tuple[str, str]:
        return await self._gateway.refused(f"{verb}{thing}", **self._of(thing))

    def _of(self, thing: str) -> dict[str, str]:
        names = {
            "Authorizer": ("restApiId", "authorizerId"),
            "GatewayResponse": ("restApiId", "responseType"),
            "Method": ("restApiId", "resourceId", "httpMethod"),
            "Integration": ("restApiId", "resourceId", "httpMethod"),
        }.get(thing, ("restApiId", "resourceId", "httpMethod", "statusCode"))
        return {name: self._where[name] for name in names}


async def an_api(gateway: Gateway) -> Api:
    made = await gateway("CreateRestApi", name="api")
    method = {"restApiId": made["id"], "resourceId": made["rootResourceId"], "httpMethod": "GET"}
    await gateway("PutMethod", **method, authorizationType="NONE")
    await gateway("PutMethodResponse", **method, statusCode="200")
    await gateway("PutIntegration", **method, type="MOCK", requestTemplates=TEMPLATE)
    await gateway("PutIntegrationResponse", **method, statusCode="200")
    guard = await gateway("CreateAuthorizer", restApiId=made["id"], name="guard", type="REQUEST", authorizerUri=URI,
                          identitySource="method.request.header.Key")  # fmt: skip
    where = {"statusCode": "200", "authorizerId": guard["id"], "responseType": "THROTTLED"}
    return Api(gateway, method | where)


@scenario
async def test_members_and_entries_are_set_and_removed(gateway: Gateway) -> None:
    api = await an_api(gateway)
    name = "method.request.header.One"
    changed = await api.update("Method", ("replace", "/operationName", "list"),
                               ("add", f"/requestParameters/{name}", "true"),
                               ("add", "/requestModels/text~1plain", "Empty"))  # fmt: skip
    assert (changed["operationName"], changed["requestParameters"]) == ("list", {name: True})
    assert changed["requestModels"] == {"text/plain": "Empty"}
    changed = await api.update("Method", ("remove", "/operationName"), ("remove", f"/requestParameters/{name}"))
    assert "operationName" not in changed and changed["requestParameters"] == {}
    assert await api.ask("Get", "Method") == changed | {"methodIntegration": await api.ask("Get", "Integration")}

    changed = await api.update("Integration", ("replace", "/timeoutInMillis", "50"),
                               ("replace", "/passthroughBehavior", "NEVER"),
                               ("add", "/requestTemplates/text~1plain", '{"statusCode": 201}'))  # fmt: skip
    assert (changed["timeoutInMillis"], changed["passthroughBehavior"]) == (50, "NEVER")
    assert set(changed["requestTemplates"]) == {"application/json", "text/plain"}
    changed = await api.update("Integration", ("remove", "/requestTemplates/text~1plain"))
    assert changed["requestTemplates"] == TEMPLATE

    changed = await api.update("Authorizer", ("replace", "/authorizerResultTtlInSeconds", "60"),
                               ("replace", "/name", "other"))  # fmt: skip
    assert (changed["authorizerResultTtlInSeconds"], changed["name"]) == (60, "other")
    changed = await api.update("GatewayResponse", ("replace", "/statusCode", "503"))
    assert changed["statusCode"] == "503"
    assert (await api.update("GatewayResponse", ("remove", "/statusCode")))["statusCode"] == "429"


@scenario
async def test_responses_are_read_changed_and_deleted_by_status(gateway: Gateway) -> None:
    api = await an_api(gateway)
    header = "method.response.header.One"
    changed = await api.update("MethodResponse", ("add", f"/responseParameters/{header}", "false"))
    assert changed == {"statusCode": "200", "responseParameters": {header: False}}
    assert await api.ask("Get", "MethodResponse") == changed
    changed = await api.update("IntegrationResponse", ("add", f"/responseParameters/{header}", "'x'"),
                               ("replace", "/selectionPattern", "2.."))  # fmt: skip
    assert changed == {"statusCode": "200", "responseParameters": {header: "'x'"}, "selectionPattern": "2.."}
    assert await api.ask("Get", "IntegrationResponse") == changed
    assert "selectionPattern" not in await api.update("IntegrationResponse", ("remove", "/selectionPattern"))
    for thing in ("IntegrationResponse", "MethodResponse"):
        assert await api.ask("Delete", thing) == {}
        for verb in ("Get", "Delete", "Update"):
            assert await api.refused_to(verb, thing) == ("NotFoundException", "Invalid Response status code specified")


REFUSED = {
    "a member that is always there, of a method": ("Method", "remove", "/authorizationType"),
    "of an integration": ("Integration", "remove", "/passthroughBehavior"),
    "a number of an integration": ("Integration", "remove", "/timeoutInMillis"),
    "of an authorizer": ("Authorizer", "remove", "/type"),
    "the name of an authorizer": ("Authorizer", "remove", "/name"),
    "no number": ("Integration", "replace", "/timeoutInMillis", "soon"),
    "no member": ("Integration", "replace", "/type", "HTTP"),
    "a map as a member": ("IntegrationResponse", "replace", "/responseParameters", "x"),
    "a member as a map": ("IntegrationResponse", "replace", "/selectionPattern/x", "x"),
    "nothing": ("GatewayResponse", "replace", "/", "x"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_patched_is_refused_by_its_path(name: str) -> None:
    """Removing what is always there was an internal error."""

    @scenario
    async def refused(gateway: Gateway) -> None:
        api = await an_api(gateway)
        thing, op, path, *value = REFUSED[name]
        before = await api.ask("Get", thing)
        code, message = await api.refused(thing, op, path, *value)
        assert code == "BadRequestException"
        assert message.startswith(f"Invalid patch path  '{path}' specified for op '{op}'. Must be one of: [/")
        assert await api.ask("Get", thing) == before

    refused()


@scenario
async def test_entries_that_are_true_or_false_take_nothing_else(gateway: Gateway) -> None:
    api = await an_api(gateway)
    for thing, path in [("Method", "/requestParameters/method.request.header.One"),
                        ("MethodResponse", "/responseParameters/method.response.header.One")]:  # fmt: skip
        code, message = await api.refused(thing, "add", path, "maybe")
        assert (code, message.rpartition(": ")[2]) == ("BadRequestException", "it must be true or false")
