"""UpdateFunctionCode, UpdateFunctionConfiguration."""

from __future__ import annotations

from typing import Any

import msgspec

from freehold.kit.faults import Fault
from freehold.ports.call import Call
from freehold.services.lambda_ import checks, functions, model, packages, state
from freehold.services.lambda_.engine import engine_of
from freehold.services.lambda_.layers import use_layers
from freehold.services.lambda_.model import Version
from freehold.services.lambda_.names import LATEST, FunctionName
from freehold.services.lambda_.versions import publish
from freehold.store.base import Tx


def _name_of_latest(call: Call, request: dict[str, Any]) -> FunctionName:
    name = functions.name_of(call, request)
    if name.qualifier and name.qualifier != LATEST:
        raise Fault(
            "InvalidParameterValueException",
            "This operation is permitted on Lambda functions only. Versions and aliases do not support this operation. "
            "Please specify either a function name or an unqualified function ARN.",
            Type="User",
        )
    return name._replace(qualifier="")


async def update_function_code(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Replace the code of $LATEST; with DryRun, only check it."""
    name = _name_of_latest(call, request)
    checks.refuse_unimplemented(request)
    checks.architectures(request.get("Architectures") or [])
    platform, engine = call.platform, engine_of(call.platform)
    await platform.store.read(lambda tx: state.require_version(tx, name))
    upload = await engine.packages.receive(call, request)
    stamp, revision, published = platform.ids.hex(16), platform.ids.uuid(), platform.ids.uuid()
    now = functions.timestamp(platform.clock.now())

    def body(tx: Tx) -> tuple[dict[str, Any], list[str]]:
        latest = state.require_version(tx, name)
        state.check_revision(request.get("RevisionId"), latest.revision)
        functions.check_unzipped(upload.unzipped, latest.layers)
        old = latest.package
        latest.package, latest.code_size, latest.unzipped = upload.sha256, upload.size, upload.unzipped
        latest.architecture = (request.get("Architectures") or [latest.architecture])[0]
        if request.get("DryRun"):
            return model.describe(latest, name.account, name.region, qualified=False), []
        latest.revision, latest.last_modified = revision, now
        packages.hold(tx, platform.blobs, upload)
        gone = [old] if packages.drop(tx, platform.blobs, old) else []
        state.put_latest(tx, name, latest, stamp)
        return _answer(tx, name, request, latest, published, stamp), gone

    shown, gone = await platform.store.transact(body)
    if request.get("DryRun"):
        return shown
    platform.runtime.retire(name.arn)
    engine.packages.forget(gone)
    return model.updating(shown)


def _answer(
    tx: Tx, name: FunctionName, request: dict[str, Any], latest: Version, published: str, stamp: str
) -> dict[str, Any]:
    if not request.get("Publish"):
        return model.describe(latest, name.account, name.region, qualified=False)
    version = publish(tx, name, latest.description, latest.last_modified, published, stamp)
    return model.describe(version, name.account, name.region)


async def update_function_configuration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Replace the settings of $LATEST that the request names."""
    name = _name_of_latest(call, request)
    checks.refuse_unimplemented(request)
    checks.settings(request)
    if request.get("Role"):
        functions.check_role(call, request["Role"])
    runs_on = functions.resolve_runtime(call, request["Runtime"]) if request.get("Runtime") else None
    platform, engine = call.platform, engine_of(call.platform)
    stamp, revision = platform.ids.hex(16), platform.ids.uuid()
    now = functions.timestamp(platform.clock.now())

    def body(tx: Tx) -> tuple[dict[str, Any], list[str]]:
        latest = state.require_version(tx, name)
        state.check_revision(request.get("RevisionId"), latest.revision)
        changed = _changed(latest, request, runs_on)
        changed.revision, changed.last_modified = revision, now
        gone: list[str] = []
        if "Layers" in request:
            changed = use_layers(tx, call, changed, request["Layers"])
            functions.check_unzipped(changed.unzipped, changed.layers)
            gone = [old.package for old in latest.layers if packages.drop(tx, platform.blobs, old.package)]
        state.put_latest(tx, name, changed, stamp)
        return model.describe(changed, name.account, name.region, qualified=False), gone

    shown, gone = await platform.store.transact(body)
    platform.runtime.retire(name.arn)
    engine.packages.forget(gone)
    return model.updating(shown)


def _changed(latest: Version, request: dict[str, Any], runs_on: str | None) -> Version:
    """$LATEST with the members of an UpdateFunctionConfiguration request in place; layers come separately."""
    fields: dict[str, Any] = {}
    for member, field in _MEMBERS.items():
        if request.get(member) is not None:
            fields[field] = request[member]
    if runs_on is not None:
        fields["runs_on"] = runs_on
    if "Environment" in request:
        fields["environment"] = dict((request["Environment"] or {}).get("Variables") or {})
    if request.get("EphemeralStorage"):
        fields["ephemeral"] = request["EphemeralStorage"]["Size"]
    if "DeadLetterConfig" in request:
        fields["dead_letter"] = (request["DeadLetterConfig"] or {}).get("TargetArn") or None
    if request.get("TracingConfig"):
        fields["tracing"] = request["TracingConfig"].get("Mode", "PassThrough")
    if request.get("LoggingConfig"):
        fields |= _logging(latest, request["LoggingConfig"])
    return msgspec.structs.replace(latest, **fields)


_MEMBERS = {
    "Role": "role",
    "Handler": "handler",
    "Description": "description",
    "Timeout": "timeout",
    "MemorySize": "memory",
    "Runtime": "runtime",
}


def _logging(latest: Version, given: dict[str, Any]) -> dict[str, Any]:
    log_format = given.get("LogFormat", latest.log_format)
    json_logs = log_format == "JSON"
    return {
        "log_format": log_format,
        "application_level": given.get("ApplicationLogLevel", latest.application_level or "INFO")
        if json_logs
        else None,
        "system_level": given.get("SystemLogLevel", latest.system_level or "INFO") if json_logs else None,
        "log_group": given.get("LogGroup") or latest.log_group,
    }
