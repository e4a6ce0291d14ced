"""One operation of a definition as a method of a REST API: security, parameters, integration, responses."""

from __future__ import annotations

from typing import Any

from freehold.kit.faults import not_implemented
from freehold.services.apigateway.rest import integrations, methods
from freehold.services.apigateway.rest.common import bad
from freehold.services.apigateway.rest.state import ROWS, Draft, Shape

X = "x-amazon-apigateway-"
METHODS = {name.lower(): name for name in methods.NAMES if name != "ANY"}
METHODS[f"{X}any-method"] = "ANY"
OPERATION = {f"{X}auth", f"{X}integration"}
PLACES = {"header": "header", "query": "querystring", "path": "path"}
INTEGRATION = {
    "cacheNamespace": "cacheNamespace",
    "contentHandling": "contentHandling",
    "credentials": "credentials",
    "httpMethod": "httpMethod",
    "passthroughBehavior": "passthroughBehavior",
    "requestParameters": "requestParameters",
    "requestTemplates": "requestTemplates",
    "responseTransferMode": "responseTransferMode",
    "timeoutInMillis": "timeoutInMillis",
    "uri": "uri",
}
HANDLED = ("type", "responses", "connectionType", "payloadFormatVersion")


class Reader:
    """Reads operations of one document into one draft. Authorizers and models of the draft are there already."""

    def __init__(self, document: dict[str, Any], draft: Draft) -> None:
        self._document = document
        self._draft = draft
        self._room = ROWS.room()
        self._schemes: dict[str, dict[str, Any]] = (
            document.get("securityDefinitions") or (document.get("components") or {}).get("securitySchemes") or {}
        )
        self._authorizers = {authorizer["name"]: authorizer for authorizer in draft.authorizers.values()}

    def method(self, resource: Shape, name: str, operation: dict[str, Any], shared: list[dict[str, Any]]) -> None:
        """Add the method that an operation describes. Raises BadRequestException, NotImplemented."""
        where = f"{name} {resource['path']}"
        for key in operation:
            if key.startswith(X) and key not in OPERATION:
                raise not_implemented(f"{key} in {where} of a REST API's definition")
        method: Shape = {"httpMethod": name, "apiKeyRequired": False}
        if operation.get("operationId"):
            method["operationName"] = str(operation["operationId"])
        self._secure(method, operation, where)
        self._parameters(method, [*shared, *(operation.get("parameters") or [])])
        self._request_body(method, operation)
        method["methodResponses"] = self._responses(operation)
        methods.check(self._draft, method)
        for response in method["methodResponses"].values():
            methods.check_response(self._draft, response)
        section = operation.get(f"{X}integration")
        if section is not None:
            method["methodIntegration"] = self._integration(resource, section, where)
        self._room.take(method)
        resource["resourceMethods"][name] = method

    def _secure(self, method: Shape, operation: dict[str, Any], where: str) -> None:
        method["authorizationType"] = "NONE"
        auth = operation.get(f"{X}auth") or {}
        if auth.get("type"):
            method["authorizationType"] = str(auth["type"]).upper()
        for requirement in operation.get("security", self._document.get("security")) or []:
            for name in requirement:
                scheme = self._schemes.get(name, {})
                if name in self._authorizers:
                    method |= {"authorizationType": "CUSTOM", "authorizerId": self._authorizers[name]["id"]}
                elif str(scheme.get(f"{X}authtype", "")).lower() == "awssigv4":
                    method["authorizationType"] = "AWS_IAM"
                elif scheme.get("type") == "apiKey" and str(scheme.get("name", "")).lower() == "x-api-key":
                    raise not_implemented(f"API keys of REST APIs (the security scheme {name} of {where})")

    def _resolve(self, thing: Any) -> dict[str, Any]:
        """A thing, or what its `$ref` means in the document."""
        if not isinstance(thing, dict):
            raise bad("Invalid OpenAPI input: an object was expected")
        reference = thing.get("$ref")
        if reference is None:
            return thing
        found: Any = self._document
        for part in str(reference).removeprefix("#/").split("/"):
            found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
        if not isinstance(found, dict):
            raise bad(f"Invalid OpenAPI input: unable to resolve the reference {reference}")
        return found

    def _parameters(self, method: Shape, parameters: list[dict[str, Any]]) -> None:
        declared: dict[str, bool] = {}
        for given in parameters:
            parameter = self._resolve(given)
            place = PLACES.get(parameter.get("in", ""))
            if place is not None:
                declared[f"method.request.{place}.{parameter.get('name', '')}"] = bool(parameter.get("required"))
            elif parameter.get("in") == "body":
                model = _model(parameter.get("schema"))
                if model:
                    method["requestModels"] = {"application/json": model}
        if declared:
            method["requestParameters"] = declared

    def _request_body(self, method: Shape, operation: dict[str, Any]) -> None:
        body = operation.get("requestBody")
        content = self._resolve(body).get("content") or {} if body else {}
        found = {kind: model for kind, media in content.items() if (model := _model((media or {}).get("schema")))}
        if found:
            method["requestModels"] = found

    def _responses(self, operation: dict[str, Any]) -> Shape:
        found: Shape = {}
        for status, given in (operation.get("responses") or {}).items():
            if str(status) == "default":
                continue
            response = self._resolve(given or {})
            shape: Shape = {"statusCode": str(status)}
            headers = response.get("headers") or {}
            if headers:
                shape["responseParameters"] = {f"method.response.header.{name}": False for name in headers}
            media = response.get("content") or {"application/json": response}
            kinds = {kind: model for kind, one in media.items() if (model := _model((one or {}).get("schema")))}
            if kinds:
                shape["responseModels"] = kinds
            found[str(status)] = shape
        return found

    def _integration(self, resource: Shape, given: Any, where: str) -> Shape:
        section = self._resolve(given)
        shape: Shape = {"type": str(section.get("type", "")).upper()}
        for name, value in section.items():
            if name in INTEGRATION:
                shape[INTEGRATION[name]] = value
            elif name not in HANDLED and (value or name not in integrations.NOT_DONE):
                raise not_implemented(f"{name} of {X}integration in {where} of a REST API's definition")
        full = integrations.new_integration({}, resource["id"]) | shape
        full["passthroughBehavior"] = str(full["passthroughBehavior"]).upper()
        for member in ("httpMethod", "contentHandling"):
            if isinstance(full.get(member), str):
                full[member] = full[member].upper()
        integrations.check(full | {"connectionType": str(section.get("connectionType", "INTERNET")).upper()})
        full.pop("responseTransferMode", None)
        responses = self._integration_responses(full, section)
        return full | ({"integrationResponses": responses} if responses else {})

    def _integration_responses(self, integration: Shape, section: dict[str, Any]) -> Shape:
        found: Shape = {}
        for pattern, given in (section.get("responses") or {}).items():
            response: Shape = {"statusCode": str((given or {}).get("statusCode", ""))}
            if str(pattern) != "default":
                response["selectionPattern"] = str(pattern)
            for member in ("responseParameters", "responseTemplates", "contentHandling"):
                if (given or {}).get(member):
                    response[member] = given[member]
            integrations.check_response(integration, response)
            found[response["statusCode"]] = response
        return found


def _model(schema: Any) -> str | None:
    """The name of the model that a schema refers to."""
    reference = schema.get("$ref") if isinstance(schema, dict) else None
    return str(reference).rpartition("/")[2] if reference else None
