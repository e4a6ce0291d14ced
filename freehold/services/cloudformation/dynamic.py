"""Dynamic references: `{{resolve:service:...}}`, fetched when a resource is made and never stored."""

from __future__ import annotations

import json
import re
from typing import Any

from freehold.kit.faults import Fault
from freehold.services.cloudformation.origin import Origin

_REFERENCE = re.compile(r"\{\{resolve:([a-z-]+):([^}]*)\}\}")
_SECRET_TAIL = re.compile(r":SecretString(?::([^:]*))?(?::([^:]*))?(?::([^:]*))?\Z")


async def resolve(origin: Origin, value: Any) -> Any:
    """`value` with every dynamic reference replaced. Raises Fault."""
    found: dict[str, str] = {}
    for text in _texts(value):
        for match in _REFERENCE.finditer(text):
            if match.group(0) not in found:
                found[match.group(0)] = await _fetch(origin, match.group(1), match.group(2))
    return _replaced(value, found) if found else value


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) and "{{resolve:" in value else []


def _replaced(value: Any, found: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(item, found) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, found) for item in value]
    if isinstance(value, str) and "{{resolve:" in value:
        return _REFERENCE.sub(lambda match: found[match.group(0)], value)
    return value


async def _fetch(origin: Origin, service: str, argument: str) -> str:
    if service in ("ssm", "ssm-secure"):
        return await _parameter(origin, argument, secure=service == "ssm-secure")
    if service == "secretsmanager":
        return await _secret(origin, argument)
    raise Fault("ValidationError", f"Invalid dynamic reference service: {service}")


async def _parameter(origin: Origin, name: str, *, secure: bool) -> str:
    answer = await origin.call("ssm", "GetParameters", Names=[name], WithDecryption=secure)
    if not answer.get("Parameters"):
        raise Fault("ValidationError", f"Parameters: [{name}] cannot be found.")
    parameter = answer["Parameters"][0]
    if (parameter["Type"] == "SecureString") != secure:
        kind = "SecureString" if secure else "String or StringList"
        raise Fault("ValidationError", f"Parameter {name} referenced by the template is not of type {kind}.")
    return str(parameter["Value"])


async def _secret(origin: Origin, argument: str) -> str:
    tail = _SECRET_TAIL.search(argument)
    request: dict[str, Any] = {"SecretId": argument[: tail.start()] if tail else argument}
    key, stage, version = tail.groups() if tail else (None, None, None)
    if stage:
        request["VersionStage"] = stage
    if version:
        request["VersionId"] = version
    secret = str((await origin.call("secretsmanager", "GetSecretValue", **request)).get("SecretString", ""))
    if not key:
        return secret
    try:
        fields = json.loads(secret)
        return str(fields[key])
    except (ValueError, KeyError, TypeError) as error:
        raise Fault(
            "ValidationError", f"Could not find a value associated with JSONKey in SecretString: {key}"
        ) from error
