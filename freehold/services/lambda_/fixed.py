"""Settings that every function here has at Lambda's default, because setting another is refused by name. Tools that
compare a function with its declaration (Terraform, CDK) read them: GetFunctionCodeSigningConfig,
GetRuntimeManagementConfig."""

from __future__ import annotations

from typing import Any

from freehold.ports.call import Call
from freehold.services.lambda_ import state
from freehold.services.lambda_.names import parse_function


async def get_function_code_signing_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """No function has a code signing configuration."""
    name = parse_function(request["FunctionName"], None, call.account, call.region)
    await call.platform.store.read(lambda tx: state.require_function(tx, name))
    return {"CodeSigningConfigArn": "", "FunctionName": name.name}


async def get_runtime_management_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Runtimes are what the host has; they change when its operator updates them."""
    name = parse_function(request["FunctionName"], request.get("Qualifier"), call.account, call.region)
    await call.platform.store.read(lambda tx: state.require_version(tx, name))
    return {"UpdateRuntimeOn": "Auto", "FunctionArn": name.qualified_arn}
