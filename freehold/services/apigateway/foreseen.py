"""What a template asks of an API that Freehold will refuse: said before anything of its stack is created.

A definition in a template is read as it will be when the API is made, with stand-ins for what only exists then (the ARN
of a function). Only what is not implemented is refused here; whether a definition is valid, its creation tells.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from freehold.kit.clock import ManualClock
from freehold.kit.faults import Fault
from freehold.kit.ids import Ids
from freehold.ports.call import Call
from freehold.rules.templates.functions import UNKNOWN
from freehold.services.apigateway import definitions
from freehold.services.apigateway.http import integrations as http_integrations
from freehold.services.apigateway.http import openapi as http
from freehold.services.apigateway.http.state import Draft
from freehold.services.apigateway.rest import apis as rest_apis
from freehold.services.apigateway.rest import integrations
from freehold.services.apigateway.rest import openapi as rest

_FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:unknown"
_URI = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{_FUNCTION}/invocations"
_URIS = frozenset({"uri", "authorizerUri", "Uri"})


def known(value: Any, name: str = "") -> Any:
    """`value` with stand-ins for what is not known yet."""
    if value is UNKNOWN:
        return _URI if name in _URIS else "unknown"
    if isinstance(value, dict):
        return {key: known(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [known(item, name) for item in value]
    return value


def _foresee(attempt: Callable[[], object]) -> None:
    try:
        attempt()
    except Fault as fault:
        if fault.code == "NotImplemented":
            raise
    except (AttributeError, KeyError, TypeError, ValueError):
        # A definition of the wrong shape: creating the API refuses it in its own words.
        return


def check_http_api(properties: dict[str, Any]) -> None:
    """Refuse what the Body of an AWS::ApiGatewayV2::Api asks in vain. Raises NotImplemented."""
    body = known(properties.get("Body"))
    if isinstance(body, dict):
        _foresee(lambda: http.build(body, Draft({}), lambda: "unknown"))


def check_http_integration(properties: dict[str, Any]) -> None:
    """Refuse a subtype or setting of an AWS::ApiGatewayV2::Integration that Freehold lacks. Raises NotImplemented."""
    asked = known({name: value for name, value in properties.items() if name != "ResponseParameters"})
    _foresee(lambda: http_integrations.check(asked))


def check_rest_api(properties: dict[str, Any]) -> None:
    """Refuse what the Body of an AWS::ApiGateway::RestApi asks in vain. Raises NotImplemented."""
    body = known(properties.get("Body"))
    if isinstance(body, dict):
        nobody = cast(Call, SimpleNamespace(platform=SimpleNamespace(ids=Ids(0), clock=ManualClock())))
        _foresee(
            lambda: rest.build(body, rest_apis.new_draft(nobody, {}), definitions.id_maker(nobody.platform.ids, 6))
        )


def check_method(properties: dict[str, Any]) -> None:
    """Refuse an integration of an AWS::ApiGateway::Method that Freehold lacks. Raises NotImplemented."""
    integration = known(properties.get("Integration"))
    if isinstance(integration, dict) and "Type" in integration:
        asked = {
            name[0].lower() + name[1:]: value for name, value in integration.items() if name != "IntegrationResponses"
        }
        _foresee(lambda: integrations.check(integrations.new_integration(asked, "")))
